"""The main job as a customer does it: add a domain, publish its records one by one, and watch it become verified."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from inbound_admin.sandbox.process import Sandbox
from tests.browser.axe import assert_accessible
from tests.browser.worker import running_worker
from tests.factories import make_member

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PASSWORD = "correct horse battery"
A_WHILE = 30_000  # milliseconds: several rounds of the worker's and the page's clocks


@pytest.fixture
def alice(sandbox: Sandbox) -> Iterator[str]:
    with running_worker(sandbox):
        yield make_member(email="alice@alice.com", password=PASSWORD).email


def sign_in(page: Page, email: str) -> None:
    page.goto("/")
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()


def test_a_customer_adds_a_domain_and_sees_it_turn_verified(
    browser_page: Page, sandbox: Sandbox, alice: str
) -> None:
    page = browser_page
    sign_in(page, alice)
    page.get_by_role("link", name="Add a domain").first.click()
    page.get_by_role("textbox", name="Domain").fill("shop.example.co.uk")
    page.get_by_role("button", name="Look at it").click()
    page.get_by_role("button", name="Add shop.example.co.uk").click()
    expect(page.get_by_text("Prove ownership")).to_be_visible(timeout=A_WHILE)
    assert_accessible(page)
    rows = page.locator("[data-record-key]")
    print(rows.count(), page.content()[:100])
