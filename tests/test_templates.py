"""Every template loads, components are rendered completely, and no template violates our own policy."""

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.core.paginator import Paginator
from django.template import engines
from django.template.loader import get_template, render_to_string
from django.test import Client, RequestFactory
from django.urls import reverse

from domains.checking.core.judgement import State
from inbound_admin.lib.errors import AwsBusy
from sandbox.process import Sandbox
from tests.domains.factories import make_domain
from tests.factories import make_customer, make_member, make_staff

TEMPLATES = Path(settings.BASE_DIR) / "templates"
NAMES = sorted(str(path.relative_to(TEMPLATES)) for path in TEMPLATES.rglob("*.html"))
INLINE = re.compile(r"\s(style|on[a-z]+|hx-on[^=\s]*)\s*=|<style|<script(?![^>]*\ssrc=)|javascript:[^ ]", re.IGNORECASE)
ADDRESS = re.compile(r"""(?:src|href)=["']https?:""")


def component(name: str, **attributes: object) -> str:
    """Render the component alone, as a page calls it."""
    request = RequestFactory().get("/domains/")
    called = " ".join(f':{attribute}="{attribute}"' for attribute in attributes)
    return engines["django"].from_string(f"{{% cotton {name} {called} %}}{{% endcotton %}}").render(attributes, request)


@pytest.mark.parametrize("name", NAMES)
def test_every_template_loads(name: str) -> None:
    get_template(name)


AUTOMATIC = re.compile(r"updates? automatically|this page opens", re.IGNORECASE)


@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith("sandbox/")])
def test_a_page_promises_automatic_updates_only_with_javascript(name: str) -> None:
    for promise in AUTOMATIC.finditer(text := (TEMPLATES / name).read_text()):
        assert "needs-js" in text[: promise.start()].rpartition("<")[2], promise[0]


@pytest.mark.parametrize("name", NAMES)
def test_no_template_has_inline_code_or_an_external_address(name: str) -> None:
    text = (TEMPLATES / name).read_text()
    assert not INLINE.search(text)
    assert not ADDRESS.search(text)


@pytest.mark.parametrize("name", ["400.html", "500.html"])
def test_a_last_resort_error_page_needs_no_context(name: str) -> None:
    page = render_to_string(name)
    assert "<h1" in page
    assert "<c-" not in page


@pytest.mark.parametrize("name", ["403.html", "403_csrf.html", "404.html"])
def test_an_error_page_renders_for_an_anonymous_visitor(name: str) -> None:
    request = RequestFactory().get("/nowhere")
    request.user = AnonymousUser()
    page = render_to_string(name, request=request)
    assert "<c-" not in page
    assert "Sign out" not in page


def test_a_problem_is_rendered_as_a_page_and_as_an_alert() -> None:
    request = RequestFactory().get("/domains/")
    request.user = AnonymousUser()
    problem = AwsBusy("Amazon is busy; try again in a minute.", aws_code="Throttling", request_id="r-1")
    context = {"problem": problem, "status": 503, "aws_code": problem.aws_code, "request_id": problem.request_id}
    page = render_to_string("problem.html", context, request)
    part = render_to_string("problem.html#alert", context, request)
    for shown in (page, part):
        assert "Amazon is busy; try again in a minute." in shown
        assert "Throttling" in shown
    assert "<html" in page
    assert "<html" not in part
    assert "SES isn’t responding" not in page


@pytest.mark.parametrize("state", list(State))
def test_each_state_has_a_word_and_an_icon(state: State) -> None:
    chip = component("chip", state=state)
    assert state.label in chip
    assert "<svg" in chip
    assert f'data-state="{state.value}"' in chip


def test_the_seven_states_have_different_icons() -> None:
    chips = [component("chip", state=state) for state in State]
    drawings = {match.group() for chip in chips if (match := re.search(r"<use[^>]*>", chip))}
    assert len(drawings) == len(State) == 7


def test_could_not_check_has_no_colour_of_its_own() -> None:
    css = (Path(settings.BASE_DIR) / "inbound_admin" / "styles" / "site.css").read_text()
    toned = set(re.findall(r'\[data-state="(\w+)"\]', css))
    assert "wrong" in toned
    assert "could_not_check" not in toned  # no colour of its own: the neutral default


def test_a_copy_button_has_the_exact_value_and_a_label() -> None:
    value = 'v=DMARC1; p=none; rua=mailto:"a&b"@example.com'
    button = component("copy", value=value, label="value of DKIM record 1")
    assert 'data-copy="v=DMARC1; p=none; rua=mailto:&quot;a&amp;b&quot;@example.com"' in button
    assert 'aria-label="Copy value of DKIM record 1"' in button
    assert 'type="button"' in button


def test_a_single_page_shows_its_count_without_next() -> None:
    shown = component("pagination", page=Paginator([1], 25).page(1), noun="domain")
    assert "1 domain" in shown
    assert "Next" not in shown


@pytest.mark.django_db
def test_no_page_of_a_domain_shows_an_unrendered_component(sandbox: Sandbox) -> None:
    customer = make_customer("Alice Ltd")
    domain = make_domain(customer=customer)
    alice, sam = Client(), Client()
    alice.force_login(make_member(customer))
    sam.force_login(make_staff())
    paths = [reverse("domains:list"), reverse("domains:add"), reverse("domains:list") + "?q=nothing-is-called-this"]
    paths += [reverse(f"domains:{name}", args=[domain.id]) for name in ("detail", "history", "settings")]
    paths.append(reverse("operations:delete_domain", args=[domain.id]))
    pages = [alice.get(path) for path in paths] + [sam.get(reverse("domains:support", args=[domain.id]))]
    for page in pages:
        assert page.status_code == 200
        assert "<c-" not in page.text
        assert "{%" not in page.text
        assert page.text.count("<h1") == 1


@pytest.mark.django_db
def test_a_poll_returns_the_polled_part(sandbox: Sandbox) -> None:
    customer = make_customer("Alice Ltd")
    domain = make_domain(customer=customer)
    client = Client()
    client.force_login(make_member(customer))
    part = client.get(reverse("domains:detail", args=[domain.id]), headers={"HX-Request": "true"})
    assert part.text.strip().startswith('<div id="live" data-poll')
    assert "<html" not in part.text


def test_a_full_stop_follows_a_time_without_a_space() -> None:
    """A line feed at the end of the file would be that space, so djade, which adds one, skips this file."""
    assert not (settings.BASE_DIR / "templates/components/time.html").read_text().endswith("\n")
