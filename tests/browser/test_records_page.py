"""The records page: copying, checking again, shortcuts, and what is shown first."""

import re
from datetime import timedelta

import pytest
from django.db import OperationalError
from django.test import RequestFactory
from django.utils import timezone
from playwright.sync_api import Locator, Page, expect
from pytest_django.live_server_helper import LiveServer

from accounts.models.people import Customer, User
from domains.checking import services as checking_services
from domains.models.domains import Domain
from inbound_admin.database_outage import outage_of, outage_response
from sandbox.process import Sandbox
from tests.browser.axe import assert_accessible
from tests.browser.conftest import PHONE, NewPage, Picture
from tests.browser.people import PASSWORD, log_in_as
from tests.browser.threads import run_in_thread
from tests.domains.factories import records_to_publish, set_up_domain
from tests.factories import make_customer, make_member

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

NAMESERVERS = ("ada.ns.cloudflare.com", "bob.ns.cloudflare.com")
DESK = {"width": 1280, "height": 800}
CLIPBOARD = ("clipboard-read", "clipboard-write")
NO_CLIPBOARD = "navigator.clipboard.writeText = () => Promise.reject(new Error('not allowed'))"


@pytest.fixture
def northwind(sandbox: Sandbox) -> Customer:
    sandbox.control.add_zone("northwind-books.com", NAMESERVERS)
    return make_customer("Northwind Books")


@pytest.fixture
def nora(northwind: Customer) -> User:
    return make_member(northwind, email="nora@northwind-books.com", first_name="Nora", last_name="Vale")


def open_as(page: Page, person: User, site: str, domain: Domain, query: str = "") -> None:
    log_in_as(page.context, person, site)
    page.goto(f"/domains/{domain.pk}/{query}")


def ready(sandbox: Sandbox, customer: Customer, *missing: str, name: str = "northwind-books.com") -> Domain:
    """Create a domain with all records published except those named, checked by SES and us a minute ago."""

    def make() -> Domain:
        domain = set_up_domain(sandbox, name, customer=customer)
        published = tuple(record for record in records_to_publish(domain) if record.key not in missing)
        sandbox.control.publish_missing("northwind-books.com", published)
        sandbox.control.tick()
        checking_services.check([domain], now=timezone.now() - timedelta(minutes=1))
        return Domain.objects.get(pk=domain.pk)

    return run_in_thread(make)


def test_each_button_copies_the_exact_value_and_announces_it(
    sandbox: Sandbox, northwind: Customer, nora: User, new_page: NewPage, live_server: LiveServer
) -> None:
    domain = run_in_thread(set_up_domain, sandbox, "letters.northwind-books.com", customer=northwind)
    Domain.objects.update(held_at=timezone.now())  # so that the page does not poll meanwhile
    page = new_page(permissions=list(CLIPBOARD), viewport=DESK)
    page.clock.install()
    open_as(page, nora, live_server.url, domain)
    for record in domain.records:
        relative = record.name.removesuffix(".northwind-books.com")
        assert copied(page, f"copy-{record.key}-name") == relative
        assert copied(page, f"copy-{record.key}-value") == record.value
        if record.priority is not None:
            assert copied(page, f"copy-{record.key}-priority") == str(record.priority)
    assert page.locator("#live [data-copy]").count() == 1 + sum(  # one button copies all
        2 + (it.priority is not None) for it in domain.records
    )


def copied(page: Page, button: str) -> str:
    """Press a copy button. Check its text, announcement and focus, and return the clipboard."""
    copy = page.locator(f"#{button}")
    subject = str(copy.get_attribute("aria-label")).removeprefix("Copy ")
    copy.click()
    expect(copy.locator("[data-copy-word]")).to_have_text("Copied")
    expect(page.locator("#announcer")).to_have_text(f"Copied {subject}")
    expect(copy).to_be_focused()
    page.clock.run_for(2100)
    expect(copy.locator("[data-copy-word]")).to_have_text("Copy")
    return str(page.evaluate("navigator.clipboard.readText()"))


def test_the_text_is_selected_if_copying_is_not_allowed(
    sandbox: Sandbox, northwind: Customer, nora: User, new_page: NewPage, live_server: LiveServer
) -> None:
    domain = run_in_thread(set_up_domain, sandbox, "letters.northwind-books.com", customer=northwind)
    page = new_page(viewport=DESK)
    page.add_init_script(NO_CLIPBOARD)
    open_as(page, nora, live_server.url, domain)
    page.locator("#copy-dkim-2-value").click()
    expect(page.locator("#announcer")).to_contain_text("press Ctrl+C")
    value = next(record.value for record in domain.records if record.key == "dkim-2")
    assert page.evaluate("getSelection().toString()").strip() == value


def test_a_check_too_soon_counts_down(
    sandbox: Sandbox, northwind: Customer, nora: User, new_page: NewPage, live_server: LiveServer
) -> None:
    domain = ready(sandbox, northwind)
    page, other = (new_page(viewport=DESK) for _ in range(2))
    page.clock.install()
    open_as(page, nora, live_server.url, domain)
    open_as(other, nora, live_server.url, domain)

    button = page.get_by_role("button", name="Check")
    button.click()
    expect(page.locator("[data-result]")).to_contain_text("Checked just now. Nothing has changed.")
    expect(page.locator("#announcer")).to_contain_text("Checked just now.")
    expect(button).to_have_text(re.compile(r"Check again in \d+ s"))
    expect(button).to_have_attribute("aria-disabled", "true")

    other.get_by_role("button", name="Check now").click()
    expect(other.locator("#problem")).to_contain_text(
        re.compile(r"We checked a moment ago\. You can check again in \d+ s")
    )
    expect(other.get_by_role("heading", name=domain.name)).to_be_visible()
    assert_accessible(other)

    page.clock.run_for(11_000)
    expect(button).to_have_text("Check now")
    expect(button).not_to_have_attribute("aria-disabled", "true")


def test_a_check_too_soon_without_javascript_is_a_page(
    sandbox: Sandbox, northwind: Customer, nora: User, scriptless_page: Page, live_server: LiveServer
) -> None:
    open_as(scriptless_page, nora, live_server.url, ready(sandbox, northwind))
    scriptless_page.get_by_role("button", name="Check now").click()
    expect(scriptless_page.get_by_text("Checked just now. Nothing has changed.")).to_be_visible()
    with scriptless_page.expect_response("**/check/") as answer:
        scriptless_page.get_by_role("button", name="Check now").click()
    assert answer.value.status == 429
    assert 1 <= int(answer.value.headers["retry-after"]) <= 10
    expect(scriptless_page.get_by_role("heading", name="Too many requests")).to_be_visible()
    expect(scriptless_page.get_by_text("We checked a moment ago.").first).to_be_visible()


def test_a_customer_copies_all_records_within_four_clicks_and_two_pages(
    sandbox: Sandbox, northwind: Customer, nora: User, new_page: NewPage, live_server: LiveServer
) -> None:
    domain = run_in_thread(set_up_domain, sandbox, "letters.northwind-books.com", customer=northwind)
    page = new_page(permissions=list(CLIPBOARD), viewport=DESK)
    page.goto("/")
    page.get_by_role("textbox", name="Email address").fill(nora.email)
    page.get_by_role("textbox", name="Password").fill(PASSWORD)
    loaded: list[str] = []
    page.on("load", lambda at: loaded.append(at.url))
    clicks = [
        page.get_by_role("button", name="Sign in", exact=True),
        page.locator("#step-records").get_by_role("link", name="View records"),
        page.get_by_role("button", name="Copy all records"),
    ]
    for click in clicks:
        click.click()
    expect(page.locator("#announcer")).to_contain_text("Copied all records")
    text = str(page.evaluate("navigator.clipboard.readText()"))
    assert all(record.value in text for record in domain.records if record.value)
    assert (len(clicks) <= 4, len(loaded) <= 2) == (True, True), loaded


def test_single_keys_search_navigate_copy_and_check(
    sandbox: Sandbox, northwind: Customer, nora: User, new_page: NewPage, live_server: LiveServer
) -> None:
    domain = ready(sandbox, northwind, "dkim-2")
    page = new_page(permissions=list(CLIPBOARD), viewport=DESK)
    open_as(page, nora, live_server.url, domain)

    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_hidden()

    page.locator("#copy-dkim-2-value").focus()
    page.keyboard.press("c")
    expect(page.locator("#announcer")).to_contain_text("Copied value of DKIM record 2")

    page.keyboard.press("r")
    expect(page.locator("[data-result]")).to_contain_text("Checked just now.")

    search = page.get_by_role("searchbox")
    page.keyboard.press("/")
    expect(search).to_be_focused()
    page.keyboard.type("r?gd/")  # in a text field, keys are letters
    expect(search).to_have_value("r?gd/")
    expect(page.get_by_role("dialog")).to_be_hidden()

    search.blur()
    page.keyboard.press("g")
    page.keyboard.press("d")
    page.wait_for_url(f"{live_server.url}/domains/")
    page.keyboard.press("g")
    page.keyboard.press("a")
    page.wait_for_url(f"{live_server.url}/alerts/")


def test_shortcuts_can_be_turned_off(
    sandbox: Sandbox, northwind: Customer, nora: User, new_page: NewPage, live_server: LiveServer
) -> None:
    nora.shortcuts = False
    nora.save()
    page = new_page(viewport=DESK)
    open_as(page, nora, live_server.url, ready(sandbox, northwind))
    page.keyboard.press("/")
    page.keyboard.press("?")
    expect(page.get_by_role("searchbox")).not_to_be_focused()
    expect(page.get_by_role("dialog")).to_be_hidden()
    assert page.locator("script[src*='shortcuts']").count() == 0


def test_open_records_are_expanded_and_verified_ones_collapsed(
    sandbox: Sandbox, northwind: Customer, nora: User, new_page: NewPage, live_server: LiveServer, picture: Picture
) -> None:
    domain = ready(sandbox, northwind, "dkim-3", "mail-from-mx")
    page = new_page(color_scheme="light", viewport=DESK)
    open_as(page, nora, live_server.url, domain)
    assert visible(page.locator("tbody[id^='record-']")) == ["record-dkim-3", "record-mail-from-mx"]
    expect(page.get_by_text("4 of 6 required records verified").first).to_be_visible()
    page.locator("#done-signing-summary").click()
    expect(page.locator("#record-dkim-1")).to_be_visible()
    page.get_by_role("link", name="To do").click()
    expect(page.locator("tbody[id^='record-']")).to_have_count(2)
    picture(page, "records")


def visible(rows: Locator) -> list[str | None]:
    return [row.get_attribute("id") for row in rows.all() if row.is_visible()]


def test_no_column_heading_overflows(sandbox: Sandbox, nora: User, new_page: NewPage, live_server: LiveServer) -> None:
    sandbox.control.add_zone("unknown-host.com", ("ns1.pretend-dns.net", "ns2.pretend-dns.net"))

    def make() -> Domain:
        return set_up_domain(sandbox, "unknown-host.com", customer=nora.memberships.get().customer)

    domain = run_in_thread(make)
    page = new_page(viewport=DESK)
    open_as(page, nora, live_server.url, domain)
    heads = page.locator(".records thead th")
    expect(heads.first).to_be_visible()
    wide = "heads => heads.filter(it => it.scrollWidth > it.clientWidth).map(it => it.textContent)"
    assert heads.evaluate_all(wide) == []


def test_on_a_phone_records_are_cards_with_a_progress_count(
    sandbox: Sandbox, northwind: Customer, nora: User, phone_page: Page, live_server: LiveServer, picture: Picture
) -> None:
    domain = ready(sandbox, northwind, "dkim-3", "mail-from-mx")
    open_as(phone_page, nora, live_server.url, domain, "?show=todo")
    button = phone_page.locator("#copy-dkim-3-value")
    box = button.bounding_box()
    assert box
    assert min(box["width"], box["height"]) >= 40
    assert box["x"] + box["width"] > PHONE["width"] * 0.75  # next to the value, within reach of a thumb
    expect(phone_page.locator(".fixed").get_by_text("4 of 6 done")).to_be_in_viewport()
    phone_page.locator("#record-dkim-3").scroll_into_view_if_needed()
    picture(phone_page, "records_phone_dark")


def test_the_list_starts_with_domains_that_need_attention(
    sandbox: Sandbox, northwind: Customer, nora: User, new_page: NewPage, live_server: LiveServer, picture: Picture
) -> None:
    ready(sandbox, northwind)
    ready(sandbox, northwind, "dkim-3", "mail-from-mx", name="orders.northwind-books.com")
    letters = ready(sandbox, northwind, "dkim-2", name="letters.northwind-books.com")
    run_in_thread(break_one, sandbox, letters)
    page = new_page(color_scheme="light", viewport=DESK)
    log_in_as(page.context, nora, live_server.url)
    page.goto("/domains/")
    expect(page.get_by_role("row")).to_have_count(4)
    picture(page, "domains")
    page.get_by_role("link", name="Needs attention").click()
    expect(page.get_by_role("row")).to_have_count(2)
    expect(page.get_by_role("link", name="letters.northwind-books.com")).to_be_visible()
    assert "show=attention" in page.url


def break_one(sandbox: Sandbox, domain: Domain) -> None:
    record = next(it for it in records_to_publish(domain) if it.key == "dkim-2")
    sandbox.control.make_mistake("northwind-books.com", record, "name.doubled_zone")
    checking_services.check([domain], now=timezone.now())


def test_the_preflight_suggests_a_subdomain_if_mail_arrives_elsewhere(
    sandbox: Sandbox, northwind: Customer, nora: User, new_page: NewPage, live_server: LiveServer, picture: Picture
) -> None:
    sandbox.control.add_record("northwind-books.com", "northwind-books.com", "MX", "1 aspmx.l.google.com.")
    page = new_page(color_scheme="light", viewport=DESK)
    log_in_as(page.context, nora, live_server.url)
    page.goto("/domains/add/")
    page.get_by_role("textbox", name="Domain").fill("nora@northwind-books.com")
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("heading", name="Add northwind-books.com?")).to_be_visible()
    expect(page.get_by_text("Another service already receives mail")).to_be_visible()
    expect(page.get_by_text("Your current mail isn’t affected.")).to_be_visible()
    picture(page, "preflight")
    page.get_by_role("button", name="Use this domain instead").click()
    expect(page.get_by_role("heading", name=re.compile(r"Add \w+\.northwind-books\.com\?"))).to_be_visible()
    expect(page.get_by_text("Your current mail isn’t affected.")).to_be_visible()
    assert not Domain.objects.exists()


def test_the_dns_host_shows_the_mistake(
    sandbox: Sandbox, northwind: Customer, nora: User, new_page: NewPage, live_server: LiveServer, picture: Picture
) -> None:
    letters = ready(sandbox, northwind, "dkim-2", "mail-from-mx")
    run_in_thread(break_one, sandbox, letters)
    page = new_page(color_scheme="light", viewport=DESK)
    log_in_as(page.context, nora, live_server.url)
    page.goto("/sandbox/zones/northwind-books.com/")
    rows = page.locator("#zone li[id^='row-']")
    expect(rows.filter(has_text="Name doubled").filter(has=page.get_by_role("button", name="Fix"))).to_have_count(1)
    expect(rows.filter(has_text="Missing")).to_have_count(1)
    picture(page, "sandbox_zone")


def test_times_are_in_the_readers_zone_or_in_utc_without_javascript(
    sandbox: Sandbox, northwind: Customer, nora: User, new_page: NewPage, live_server: LiveServer
) -> None:
    domain = ready(sandbox, northwind)
    for options, zone in (({"timezone_id": "Asia/Tokyo"}, "GMT+9"), ({"java_script_enabled": False}, "UTC")):
        page = new_page(viewport=DESK, **options)
        open_as(page, nora, live_server.url, domain)
        titles = [time.get_attribute("title") or "" for time in page.locator("time[datetime]").all()]
        assert titles
        assert [title for title in titles if not title.endswith(zone)] == []


def test_a_poll_during_an_outage_shows_an_error_until_the_next_success(
    sandbox: Sandbox, northwind: Customer, nora: User, live_server: LiveServer, browser_page: Page
) -> None:
    domain, page = ready(sandbox, northwind, "dkim-1"), browser_page
    open_as(page, nora, live_server.url, domain)
    htmx_request = RequestFactory().get("/", headers={"HX-Request": "true"})
    outage = outage_of(htmx_request, OperationalError("the server closed the connection"))
    assert outage is not None
    gone = outage_response(htmx_request, outage)
    page.route(
        f"**/domains/{domain.pk}/",
        lambda route: route.fulfill(status=gone.status_code, headers=dict(gone.headers), body=gone.content),
    )
    page.evaluate("htmx.trigger('#live', 'resume')")
    expect(page.locator("#problem")).to_contain_text("We can't reach our database Try again in a moment.")
    expect(page.locator("#live")).to_be_visible()  # the old content stays
    page.unroute(f"**/domains/{domain.pk}/")
    page.evaluate("htmx.trigger('#live', 'resume')")
    expect(page.locator("#problem")).to_be_empty()
