"""The main task in a browser without JavaScript: every button is a form, and the response is the next page."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect
from pytest_django import Settings

from domains.models.domains import Domain
from sandbox.process import Sandbox
from tests.browser import dns_host
from tests.browser.people import sign_in
from tests.browser.worker import running_worker
from tests.factories import make_member

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

NAME = "shop.example.co.uk"
MOST_RELOADS = 200  # page loads, a tenth of a second each, while the worker runs


@pytest.fixture
def alice(sandbox: Sandbox, settings: Settings) -> Iterator[str]:
    settings.CHECK_NOW_EVERY_SECONDS = 0
    with running_worker(sandbox):
        yield make_member(email="alice@alice.com").email


def test_the_main_task_needs_no_javascript(scriptless_page: Page, alice: str) -> None:
    page = scriptless_page
    sign_in(page, alice)
    add(page)
    publish_missing_records(page)
    see_it_verified(page)
    change_the_mail_from_domain(page)
    publish_missing_records(page)
    see_it_verified(page)
    delete(page)


def add(page: Page) -> None:
    page.get_by_role("link", name="Add domain").first.click()
    page.get_by_role("textbox", name="Domain").fill(NAME)
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("button", name=f"Add {NAME}").click()
    expect(page.get_by_role("heading", name=NAME)).to_be_visible()
    load_until(page, page.locator("#group-ownership"))
    for record in Domain.objects.get().records:
        expect(page.locator(f"#record-{record.key}")).to_contain_text(record.value)


def publish_missing_records(page: Page) -> None:
    dns_host.open_zone(page, "example.co.uk")
    dns_host.publish_all(page)
    page.get_by_role("link", name="View in").click()


def see_it_verified(page: Page) -> None:
    page.get_by_role("button", name="Check now").click()
    expect(page.get_by_role("status").get_by_text("Checked just now.")).to_be_visible()
    expect(page.get_by_text("Ready to send.").last).to_be_visible()
    expect(page.get_by_text("5 of 5 required records verified")).to_be_visible()


def change_the_mail_from_domain(page: Page) -> None:
    page.get_by_role("link", name="Settings", exact=True).click()
    label = page.get_by_role("textbox", name="MAIL FROM domain")
    label.fill("two words")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("The MAIL FROM subdomain can contain only").first).to_be_visible()
    expect(label).to_have_value("two words")
    label.fill("returns")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    page.get_by_role("link", name="Records", exact=True).click()
    load_until(page, page.locator("#record-mail-from-mx").get_by_text(f"returns.{NAME}"))


def delete(page: Page) -> None:
    page.get_by_role("link", name="Settings", exact=True).click()
    page.get_by_role("link", name=f"Delete {NAME}").click()
    typed = page.get_by_label(f"Type {NAME} to delete it")
    typed.fill("shop")
    page.get_by_role("button", name=f"Delete {NAME}").click()
    expect(page.get_by_role("alert").last).to_be_visible()
    expect(typed).to_have_value("shop")
    typed.fill(NAME)
    page.get_by_role("button", name=f"Delete {NAME}").click()
    expect(page.get_by_text(f"{NAME} is being deleted.")).to_be_visible()
    load_until(page, page.get_by_text("Add your first domain"))


def load_until(page: Page, wanted: Locator) -> None:
    """Reload until it is shown, as a person must without htmx."""
    for _ in range(MOST_RELOADS):
        if wanted.first.is_visible():
            return
        page.goto(page.url)
    expect(wanted.first).to_be_visible()
