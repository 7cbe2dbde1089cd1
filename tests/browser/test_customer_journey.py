"""The whole journey of a customer with a domain, and of support: each sees what they should, and no more."""

from collections.abc import Iterator

import pytest
from django.core import mail
from django.utils import timezone
from playwright.sync_api import Page, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from accounts.roles import Role
from domains.models.domains import Domain
from notifications.email.services import send_due
from sandbox.process import Sandbox
from tests.browser import dns_host
from tests.browser.axe import assert_accessible
from tests.browser.conftest import NewPage, Picture
from tests.browser.people import log_in_as, sign_in
from tests.browser.threads import run_in_thread
from tests.browser.worker import running_worker
from tests.domains.factories import publish, set_up_domain
from tests.factories import make_customer, make_member, make_staff

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

TIMEOUT_MS = 40_000  # milliseconds: a few rounds of the worker and of polling on a busy machine
NAME = "shop.example.co.uk"
DONE = "Ready to send."
DESK = {"width": 1280, "height": 800}
NAMESERVERS = ("ada.ns.cloudflare.com", "bob.ns.cloudflare.com")


@pytest.fixture
def world(sandbox: Sandbox, settings: Settings) -> Sandbox:
    settings.CHECK_NOW_EVERY_SECONDS = 0
    sandbox.control.add_zone("example.co.uk", NAMESERVERS)
    sandbox.control.add_record("example.co.uk", "example.co.uk", "MX", "1 aspmx.l.google.com.")
    return sandbox


@pytest.fixture
def worker(world: Sandbox) -> Iterator[None]:
    with running_worker(world):
        yield


def test_a_customer_adds_fixes_changes_and_deletes_a_domain(browser_page: Page, worker: None) -> None:
    page = browser_page
    sign_in(page, make_member(make_customer("Alice Ltd"), email="alice@alice.com").email)
    review_before_adding(page)
    page.get_by_role("button", name=f"Add {NAME}").click()
    expect(page.locator("#group-ownership")).to_be_visible(timeout=TIMEOUT_MS)
    window = page.context.new_page()
    publish_with_one_mistake(window)
    see_the_mistake(page)
    dns_host.fix(window, "dkim-2")
    see_it_verified(page)
    change_the_mail_from_domain(page, window)
    delete(page)


def review_before_adding(page: Page) -> None:
    page.get_by_role("link", name="Add domain").first.click()
    page.get_by_role("textbox", name="Domain").fill("https://Shop.Example.CO.UK/")
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("heading", name=f"Add {NAME}?")).to_be_visible()
    expect(page.get_by_text(f"You entered a URL. Its domain is {NAME}.")).to_be_visible()
    expect(page.get_by_text("Your current mail isn’t affected.")).to_be_visible()
    expect(page.get_by_text("Cloudflare").first).to_be_visible()
    assert not Domain.objects.exists()


def publish_with_one_mistake(window: Page) -> None:
    dns_host.open_zone(window, "example.co.uk")
    dns_host.make_mistake(window, "dkim-2", "Name doubled")
    for record in Domain.objects.get().records:
        if record.key != "dkim-2":
            dns_host.publish(window, record.key)


def see_the_mistake(page: Page) -> None:
    check_now(page)
    row = page.locator("#record-dkim-2")
    expect(row).to_have_attribute("data-state", "wrong")
    expect(row).to_contain_text("has the domain in its name twice")
    expect(row).to_contain_text("remove the domain from the Name field")
    expect(page.locator("#record-dkim-1")).to_have_attribute("data-state", "verified")
    expect(page.get_by_text("5 of 6 required records verified").first).to_be_visible()
    assert_accessible(page)


def see_it_verified(page: Page) -> None:
    check_now(page)
    expect(page.locator("[data-summary]")).to_have_text(DONE)
    expect(page.get_by_text("5 of 5 required records verified")).to_be_visible()


def check_now(page: Page) -> None:
    """Press the button and wait for its response, which always has a message."""
    page.bring_to_front()  # a background window is not drawn
    with page.expect_response("**/check/"):
        page.get_by_role("button", name="Check now").click()
    expect(page.locator("[data-result]")).to_contain_text("Checked just now.")


def change_the_mail_from_domain(page: Page, window: Page) -> None:
    page.get_by_role("link", name="Settings", exact=True).click()
    page.get_by_role("textbox", name="MAIL FROM domain").fill("returns")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    page.get_by_role("link", name="Records", exact=True).click()
    for key in ("mail-from-mx", "mail-from-spf"):
        expect(page.locator(f"#record-{key}")).to_contain_text(f"returns.{NAME}", timeout=TIMEOUT_MS)
    expect(page.get_by_text("3 of 5 required records verified").first).to_be_visible(timeout=TIMEOUT_MS)
    dns_host.open_zone(window, "example.co.uk")
    dns_host.publish_all(window)
    see_it_verified(page)
    page.locator("#tab-history").click()
    expect(page.get_by_text(f"returns.{NAME}").first).to_be_visible()


def delete(page: Page) -> None:
    page.get_by_role("link", name="Settings", exact=True).click()
    page.get_by_role("link", name=f"Delete {NAME}").click()
    page.get_by_label(f"Type {NAME} to delete it").fill("example.co.uk")
    page.get_by_role("button", name=f"Delete {NAME}").click()
    expect(page.get_by_role("heading", name=f"Delete {NAME} with its addresses?")).to_be_visible()
    page.get_by_label(f"Type {NAME} to delete it").fill(NAME)
    page.get_by_role("button", name=f"Delete {NAME}").click()
    expect(page.get_by_text(f"{NAME} is being deleted.")).to_be_visible()
    expect(page.get_by_role("heading", name="Domains", exact=True)).to_be_visible(timeout=TIMEOUT_MS)


def test_support_finds_holds_and_transfers_a_domain(
    world: Sandbox, new_page: NewPage, live_server: LiveServer, picture: Picture
) -> None:
    acme, bolt = make_customer("Alice Ltd"), make_customer("Bob Brothers")
    people = (
        make_member(acme, email="alice@alice.com"),
        make_member(bolt, email="bob@bob.com"),
        make_staff(Role.SUPPORT, email="sam@inbound-admin.example"),
    )
    domain = run_in_thread(set_up_domain, world, NAME, customer=acme)
    publish(world, domain)
    alice, bob, sam = (new_page(color_scheme="light", viewport=DESK) for _ in people)
    for page, person in zip((alice, bob, sam), people, strict=True):
        log_in_as(page.context, person, live_server.url)

    find(sam)
    hold(sam)
    picture(sam, "support")
    see_the_hold(alice, domain)
    release_and_transfer(sam, to="Bob Brothers")
    send_due(now=timezone.now())
    assert sorted(message.to[0] for message in mail.outbox) == ["alice@alice.com", "bob@bob.com"]
    see_nothing(alice, domain)
    see_it_without_former_activity(bob, domain)


def find(page: Page) -> None:
    page.goto("/")
    page.get_by_role("searchbox").fill("shop.example")
    page.get_by_role("searchbox").press("Enter")
    page.get_by_role("link", name="Support", exact=True).click()
    expect(page.get_by_text("Alice Ltd").first).to_be_visible()


def hold(page: Page) -> None:
    card = page.locator("#hold")
    card.get_by_role("button", name=f"Hold {NAME}").click()
    expect(card.get_by_label("Reason")).to_be_focused()  # the browser asks for it
    card.get_by_label("Reason").fill("The owner asked us on the phone.")
    card.get_by_role("button", name=f"Hold {NAME}").click()
    expect(page.get_by_text(f"{NAME} is on hold.")).to_be_visible()
    assert_accessible(page)


def see_the_hold(page: Page, domain: Domain) -> None:
    page.goto(f"/domains/{domain.pk}/")
    expect(page.get_by_text("This domain is on hold")).to_be_visible()
    expect(page.get_by_text("The owner asked us on the phone.")).to_be_visible()
    expect(page.get_by_role("button", name="Check now")).to_have_count(0)
    expect(page.get_by_role("link", name="Support", exact=True)).to_have_count(0)
    page.locator("#tab-history").click()
    expect(page.get_by_text("The owner asked us on the phone.")).to_be_visible()


def release_and_transfer(page: Page, *, to: str) -> None:
    page.locator("#release").get_by_label("Reason").fill("She has called back.")
    page.get_by_role("button", name=f"Release {NAME}").click()
    expect(page.get_by_text("is released from hold and will be checked now")).to_be_visible()
    card = page.locator("#transfer")
    chosen = card.locator("option", has_text=to).get_attribute("value")
    card.get_by_label("New customer").select_option(value=chosen)
    card.get_by_label("Reason").fill("The shop was sold.")
    card.get_by_role("button", name=f"Transfer {NAME}").click()
    expect(page.get_by_text(f"{NAME} now belongs to {to}.")).to_be_visible()


def see_nothing(page: Page, domain: Domain) -> None:
    answer = page.goto(f"/domains/{domain.pk}/")
    assert answer
    assert answer.status == 404
    expect(page.get_by_text("Page not found")).to_be_visible()
    page.goto("/")
    expect(page.get_by_text("Add your first domain")).to_be_visible()


def see_it_without_former_activity(page: Page, domain: Domain) -> None:
    page.goto("/")
    page.get_by_role("link", name=NAME).click()
    check_now(page)
    expect(page.locator("[data-summary]")).to_be_visible()
    page.locator("#tab-history").click()
    expect(page.locator("#tab-history[aria-current]")).to_be_visible()  # the previous page has the same heading
    text = page.locator("main").inner_text()
    for secret in ("alice", "Alice", "phone", "called back", "sold", "sam@"):
        assert secret not in text
