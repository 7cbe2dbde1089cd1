"""Receiving in the browser: an operator plans, applies, simulates and rolls back; a customer adds an address."""

from collections.abc import Iterator

import pytest
from django.urls import reverse
from playwright.sync_api import Page, Route, expect
from pytest_django.live_server_helper import LiveServer

from accounts.models.people import User
from domains.models.domains import Domain
from inbound_admin.lib import aws
from receipt_rules.models.addresses import Address, CatchAll
from sandbox.process import Sandbox
from tests.browser.axe import assert_accessible
from tests.browser.conftest import NewPage, Picture
from tests.browser.people import log_in_as
from tests.browser.threads import run_in_thread
from tests.browser.worker import running_worker
from tests.domains.factories import seed_identities
from tests.factories import make_customer, make_member
from tests.receipt_rules.factories import (
    make_address,
    make_endpoint,
    make_operator,
    make_unmanaged_rule,
    make_verified,
    rule_count,
    set_up_receiving,
)

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

TIMEOUT_MS = 40_000  # milliseconds: a few rounds of the worker and of polling on a busy machine


@pytest.fixture
def olga(sandbox: Sandbox) -> User:
    return make_operator()


@pytest.fixture
def shop(olga: User) -> Domain:
    """Create Alice's domain, live in SES with one address."""
    arrives = {"mail_from_label": "", "mx_facts": {"shop.com": "here"}}
    domain = make_verified("shop.com", customer=make_customer("Alice Ltd"), **arrives)
    seed_identities([domain.name], ownership="Success", dkim="Success")  # the worker would notice that it is missing
    make_address("first@shop.com", domain)
    run_in_thread(set_up_receiving, olga)
    return domain


@pytest.fixture
def worker(shop: Domain, sandbox: Sandbox) -> Iterator[None]:
    with running_worker(sandbox):
        yield


def approve(page: Page, because: str) -> None:
    """Approve the plan and run it. With so few addresses, most plans affect a third of them."""
    page.get_by_label("Reason", exact=True).fill(
        because
    )  # this waits for the plan's page; the following count does not
    if (confirm := page.get_by_label("to confirm")).count():
        confirm.fill("inbound-mail")
    page.get_by_role("button", name="Approve ").click()
    expect(page.locator("#live [data-summary]")).to_contain_text("Completed and compared with SES.", timeout=TIMEOUT_MS)


def test_an_operator_applies_a_plan_simulates_it_and_rolls_back(
    browser_page: Page, olga: User, shop: Domain, worker: None, live_server: LiveServer, picture: Picture
) -> None:
    make_address("billing@shop.com", shop, endpoint=make_endpoint(shop.customer, name="Desk", s3_prefix="desk/"))
    CatchAll.objects.create(domain=shop, endpoint=make_endpoint(shop.customer, name="Everybody"))
    page = browser_page
    log_in_as(page.context, olga, live_server.url)
    page.goto(reverse("receipt_rules:plan"))
    expect(page.locator("#by-address ins").first).to_be_visible()
    expect(page.locator("#by-address")).to_contain_text("all other mail at shop.com")
    assert_accessible(page)
    picture(page, "plan")
    approve(page, "Alice wants both")
    picture(page, "run")
    expect(page.get_by_text("Alice wants both")).to_be_visible()
    assert_accessible(page)
    simulate_three(page, picture)
    roll_back(page)
    assert run_in_thread(lambda: [rule_count(f"{name}@shop.com") for name in ("first", "billing", "other")]) == [
        1,
        0,
        0,
    ]


def test_a_plan_cannot_be_approved_with_outdated_options(
    browser_page: Page, olga: User, shop: Domain, live_server: LiveServer
) -> None:
    make_address("billing@shop.com", shop)
    page, held = browser_page, []

    def keep(route: Route) -> None:
        held.append(route)

    log_in_as(page.context, olga, live_server.url)
    page.goto(reverse("receipt_rules:plan"))
    approval = page.get_by_role("button", name="Approve ")
    expect(approval).to_be_enabled()
    page.get_by_label("Limit to").press_sequentially("shop.com")
    expect(approval).to_be_disabled()
    expect(page.get_by_text("Update the plan before you approve it.")).to_be_visible()
    page.get_by_label("Limit to").fill("")
    expect(approval).to_be_enabled()
    page.get_by_label("Limit to").fill("shop.com")
    page.route("**only=shop.com**", keep)
    with page.expect_request("**only=shop.com**"):
        page.get_by_role("button", name="Update plan").click()
    expect(approval).to_be_disabled()
    page.unroute("**only=shop.com**")  # this releases the held requests
    expect(approval).to_be_enabled()
    expect(page.locator("#live form[method=post] input[name=only]")).to_have_value("shop.com")


def simulate_three(page: Page, picture: Picture) -> None:
    page.goto(reverse("receipt_rules:simulator"))
    page.get_by_label("Addresses", exact=True).fill("billing@shop.com\nother@shop.com\nx@elsewhere.com")
    page.get_by_role("button", name="Simulate").click()
    billing, other, elsewhere = (page.locator(f"section[aria-labelledby=message-{number}]") for number in (1, 2, 3))
    expect(billing).to_contain_text("billing@shop.com: Desk, set on the address.")
    expect(billing).to_contain_text("store in inbound-mail/desk/")
    expect(other).to_contain_text("other@shop.com: Everybody, set on the catch-all.")
    expect(elsewhere).to_contain_text("SES rejects the message.")
    picture(page, "simulator")
    assert_accessible(page)


def roll_back(page: Page) -> None:
    page.get_by_role("link", name="Rollback", exact=True).click()
    expect(page.get_by_role("link", name="Review rollback").last).to_be_visible()
    assert_accessible(page)
    page.get_by_role("link", name="Review rollback").last.click()
    expect(page.get_by_role("heading", name="Rollback plan")).to_be_visible()
    expect(page.locator("#by-address del").first).to_be_visible()
    approve(page, "It was too early")


def test_a_customer_adds_an_address_and_sees_it_applied(
    browser_page: Page, shop: Domain, worker: None, live_server: LiveServer
) -> None:
    page = browser_page
    log_in_as(page.context, make_member(shop.customer), live_server.url)
    page.goto(reverse("domains:detail", args=[shop.id]))
    page.get_by_role("link", name="Inbound", exact=True).click()
    page.get_by_label("Address", exact=True).fill("billing")
    page.get_by_role("button", name="Add address").click()
    row = page.locator("#inbound tr", has_text="billing@shop.com")
    expect(row.get_by_text("Applying")).to_be_visible()
    assert_accessible(page)
    expect(row.get_by_text("Stored only", exact=True)).to_be_visible(timeout=TIMEOUT_MS)  # the address has no endpoint
    expect(page.locator("#inbound")).not_to_have_attribute("hx-trigger", "", timeout=TIMEOUT_MS)
    expect(page.locator("#inbound [data-summary]")).to_have_text("All changes are applied.", timeout=TIMEOUT_MS)
    assert run_in_thread(rule_count, "billing@shop.com") == 1
    assert_accessible(page)


def test_an_outside_change_is_shown_and_restored(
    browser_page: Page, olga: User, shop: Domain, worker: None, live_server: LiveServer
) -> None:
    run_in_thread(empty_by_hand)
    make_unmanaged_rule("of-somebody", ["x@elsewhere.com"], rule_set="inbound-mail")
    page = browser_page
    log_in_as(page.context, olga, live_server.url)
    page.goto(reverse("receipt_rules:rules"))
    expect(page.locator("#drift")).to_contain_text(
        "was changed outside this system: 1 added, 1 removed (first@shop.com)"
    )
    expect(page.locator("#drift")).to_contain_text("Rule of-somebody was created outside this system")
    assert_accessible(page)
    page.get_by_role("link", name="Review restore plan").click()
    approve(page, "It was changed by hand")
    assert_accessible(page)
    page.get_by_role("link", name="View rules").click()
    expect(page.get_by_role("heading", name="inbound-mail")).to_be_visible()
    expect(page.locator("#drift")).not_to_contain_text("was changed outside this system")
    ignore_difference(page, "Their own mail, they told us")
    assert run_in_thread(rule_count, "first@shop.com") == 1


def ignore_difference(page: Page, because: str) -> None:
    """Ignore the one remaining difference: a rule that no plan of ours changes."""
    page.get_by_text("Ignore…").click()
    page.get_by_label("Reason for ignoring it").fill(because)
    page.get_by_role("button", name="Ignore difference").click()
    expect(page.locator("#drift").get_by_text("Ignored", exact=True)).to_be_visible()
    expect(page.get_by_role("link", name="Review restore plan")).to_have_count(0)


def empty_by_hand() -> None:
    """Replace the recipient of our rule, as another client."""
    client = aws.client("ses")
    rule = client.describe_active_receipt_rule_set()["Rules"][0]
    client.update_receipt_rule(RuleSetName="inbound-mail", Rule=rule | {"Recipients": ["stranger@shop.com"]})


def test_without_javascript_an_address_is_added_and_turned_off(
    new_page: NewPage, shop: Domain, live_server: LiveServer
) -> None:
    page = new_page(java_script_enabled=False)
    log_in_as(page.context, make_member(shop.customer), live_server.url)
    page.goto(reverse("receipt_rules:domain", args=[shop.id]))
    page.get_by_label("Address", exact=True).fill("billing")
    page.get_by_role("button", name="Add address").click()
    expect(page.get_by_role("link", name="Reload the page")).to_be_visible()
    page.get_by_role("button", name="Turn off billing@shop.com").click()
    expect(page.get_by_role("button", name="Turn on billing@shop.com")).to_be_visible()
    assert not Address.objects.get(address="billing@shop.com").is_active
