"""Every page of the product in light and dark mode: no axe violations, and no horizontal scrolling at any width."""

from collections.abc import Iterator, Sequence

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from django.templatetags.static import static
from django.urls import reverse
from playwright.sync_api import Error, Page, ViewportSize
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from sandbox.process import Sandbox
from tests.browser import spacing
from tests.browser.axe import COLOURS, LAYOUT, violations
from tests.browser.conftest import NewPage
from tests.browser.people import log_in_as
from tests.browser.showcase.world import Showcase, make_showcase
from tests.browser.visits.every import NO_PAGE, SUBJECTS, VISITS
from tests.browser.visits.visit import Visit
from tests.test_access import names

DESK: ViewportSize = {"width": 1280, "height": 800}
PHONES: tuple[ViewportSize, ...] = ({"width": 390, "height": 844}, {"width": 320, "height": 640})
# No readable or clickable element may be outside; elements only for screen readers have no size.
FIND_OVERFLOW = """() => {
  const scrolls = (it) => ["auto", "scroll"].includes(getComputedStyle(it).overflowX);
  const inside = (it) => { for (; it !== document.body; it = it.parentElement) if (scrolls(it)) return true; };
  const wide = document.documentElement.clientWidth;
  const found = [...document.querySelectorAll("body *")].filter((it) => {
    const box = it.getBoundingClientRect();
    return box.width > 1 && box.height > 1 && box.right > wide + 1 && it.checkVisibility()
      && !it.closest("svg") && !inside(it) && getComputedStyle(it).position !== "fixed";
  }).map((it) => `<${it.localName} class="${it.getAttribute("class") ?? ""}">${it.textContent.trim().slice(0, 60)}`);
  const words = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const range = document.createRange();
    range.selectNodeContents(texts.currentNode);
    const box = range.getBoundingClientRect();
    const around = texts.currentNode.parentElement;
    if (box.width > 1 && box.right > wide + 1 && around.clientWidth !== 1 && around.checkVisibility()
        && !inside(around) && !around.closest("script, svg, option, [class*='truncate'], .sr-only")) {
      words.push(`"${texts.currentNode.textContent.trim().slice(0, 60)}"`);
    }
  }
  const all = document.documentElement.scrollWidth;
  const sideways = all > wide ? [`scrolls to ${all}`] : [];
  return [...sideways, ...found.slice(0, 3), ...words.slice(0, 3)];
}"""
POLLS = "[hx-trigger*=every], [hx-trigger*=load]"
OPEN_DETAILS = "document.querySelectorAll('main details').forEach((it) => { it.open = true; })"


def test_every_url_is_visited_or_listed_as_no_page() -> None:
    ours = {name for name in names() if not name.startswith(("admin:", "api-1.0.0:"))}
    visited = {visit.name for visit in VISITS if not visit.name.startswith("problem-")}
    assert visited | set(NO_PAGE) == ours
    assert not visited & set(NO_PAGE)


def _pem() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.fixture
def showcase(sandbox: Sandbox, transactional_db: None, settings: Settings) -> Showcase:
    settings.ROOT_URLCONF = "tests.browser.problem_urls"
    settings.DOMAIN_CONNECT_PROVIDER, settings.DOMAIN_CONNECT_KEY = "panel.example", _pem()
    return make_showcase(sandbox)


@pytest.mark.browser
def test_axe_and_the_width_check_find_violations(new_page: NewPage) -> None:
    page = new_page(viewport=DESK)
    page.set_content("<html><body><p style='width: 400px; color: #bbb'>pale and wide</p></body></html>")
    assert {found.partition(",")[0] for found in violations(page)} == {
        "color-contrast",
        "document-title",
        "html-has-lang",
    }
    assert {found.partition(",")[0] for found in violations(page, COLOURS)} == {"color-contrast"}
    assert list(find_overflow(page, PHONES))


@pytest.mark.browser
def test_the_width_check_uses_a_wide_font_and_more_spacing(new_page: NewPage) -> None:
    page = new_page(viewport=DESK)
    page.set_content("<html><body style='margin: 0'><span style='font: 16px sans-serif'>nnnnnnnnnnnnnnnnnnnn</span>")
    width = "document.querySelector('span').getBoundingClientRect().width"
    before = page.evaluate(width)
    page.evaluate(spacing.SPREAD)
    assert page.evaluate(width) >= 20 * 16 * (0.6 + 0.12)  # letters of 0.6 em, as in DejaVu Sans and Verdana
    page.evaluate(spacing.RESET)
    assert page.evaluate(width) == before


@pytest.mark.browser
@pytest.mark.parametrize("subject", SUBJECTS)
def test_every_page_is_accessible_and_fits(
    subject: str, showcase: Showcase, new_page: NewPage, live_server: LiveServer
) -> None:
    page = new_page(color_scheme="light", viewport=DESK)
    visits = SUBJECTS[subject]
    faults = [f"{visit}: {fault}" for visit in visits for fault in check_visit(page, visit, showcase, live_server.url)]
    assert not faults, "\n".join(faults)


def check_visit(page: Page, visit: Visit, showcase: Showcase, site: str) -> Iterator[str]:
    page.set_viewport_size(DESK)
    page.emulate_media(color_scheme="light")
    if page.locator(POLLS).count():  # polling would redirect it to the sign-in without its cookie
        page.goto(static("img/mark.svg"))  # from about:blank, Chromium would start the next visit in a new process
    log_in_as(page.context, showcase.people.get(visit.who), site, lately=visit.lately)
    yield from open_visit(page, visit, showcase, site)
    page.evaluate(OPEN_DETAILS)
    if (headings := page.locator("h1").count()) != 1:
        yield f"has {headings} h1"
    yield from violations(page)
    page.emulate_media(color_scheme="dark")
    yield from (f"in the dark: {found}" for found in find_overflow(page, (*PHONES, DESK), COLOURS))


def open_visit(page: Page, visit: Visit, showcase: Showcase, site: str) -> Iterator[str]:
    path = reverse(visit.name, args=visit.of(showcase))
    answer = page.goto(path + visit.query)
    if answer is None or (answer.status != visit.status and not visit.elsewhere):
        yield f"answered {answer and answer.status}"
    if (page.url.removeprefix(site).partition("?")[0] != path) != visit.elsewhere:
        yield f"leads to {page.url}"
    if visit.act:
        try:
            visit.act(page)
        except Error as error:  # the following pages are still checked
            yield f"nobody could act on it: {error.message}"


def find_overflow(page: Page, sizes: Sequence[ViewportSize], at_last: tuple[str, ...] = ()) -> Iterator[str]:
    """Return what overflows with a wide font and the spacing of WCAG 1.4.12, so that no machine's font decides.

    At the last size, the page is also checked with the rules `at_last`, because each run of axe reads all its elements.
    """
    page.evaluate(spacing.SPREAD)
    for size in sizes:
        page.set_viewport_size(size)
        page.evaluate("scrollTo(0, 0)")  # where an act has scrolled, the sticky header covers half of some target
        rules = (*LAYOUT, *at_last) if size == sizes[-1] else LAYOUT
        found = (*page.evaluate(FIND_OVERFLOW), *violations(page, rules))
        yield from (f"at {size['width']} px: {each}" for each in found)
    page.evaluate(spacing.RESET)
