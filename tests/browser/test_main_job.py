"""The main task of a customer: add a domain, publish its records one by one, and watch it become verified."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from domains.models.domains import Domain
from sandbox.process import Sandbox
from tests.browser import dns_host
from tests.browser.axe import assert_accessible
from tests.browser.people import sign_in
from tests.browser.worker import running_worker
from tests.factories import make_member

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

TIMEOUT_MS = 40_000  # milliseconds: a few rounds of the worker and of polling on a busy machine
NAME = "shop.example.co.uk"


@pytest.fixture
def alice(sandbox: Sandbox) -> Iterator[str]:
    with running_worker(sandbox):
        yield make_member(email="alice@alice.com").email


def test_a_customer_adds_a_domain_and_sees_it_become_verified(browser_page: Page, alice: str) -> None:
    sign_in(browser_page, alice)
    add(browser_page)
    expect(browser_page.locator("#group-ownership")).to_be_visible(timeout=TIMEOUT_MS)
    assert_accessible(browser_page)
    keys = [record.key for record in Domain.objects.get().records]
    window = browser_page.context.new_page()
    dns_host.open_zone(window, "example.co.uk")
    first, *others = keys
    dns_host.publish(window, first)
    see_verified(browser_page, first)
    for key in others:
        dns_host.publish(window, key)
    for key in others:
        see_verified(browser_page, key)
    expect(browser_page.locator("#live [data-summary]")).to_have_text("Ready to send.", timeout=TIMEOUT_MS)
    expect(browser_page.get_by_text("5 of 5 required records verified")).to_be_visible()
    assert_accessible(browser_page)


def add(page: Page) -> None:
    page.get_by_role("link", name="Add domain").first.click()
    page.get_by_role("textbox", name="Domain").fill(NAME)
    assert_accessible(page)
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("button", name=f"Add {NAME}")).to_be_visible()
    assert_accessible(page)
    page.get_by_role("button", name=f"Add {NAME}").click()


def see_verified(page: Page, key: str) -> None:
    """Wait for the status without reloading the page."""
    expect(page.locator(f"#record-{key}")).to_have_attribute("data-state", "verified", timeout=TIMEOUT_MS)
