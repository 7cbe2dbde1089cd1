"""The shared page on a phone guides its reader from three mistakes to verified records."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from domains.checking import services as checking_services
from domains.models.domains import Domain
from domains.models.sharing import ShareLink
from domains.sharing import services as sharing_services
from domains.sharing.selectors import token_of
from sandbox.process import Sandbox
from tests.browser.axe import assert_accessible
from tests.browser.conftest import NewPage, Picture
from tests.browser.people import log_in_as
from tests.browser.threads import run_in_thread
from tests.browser.worker import running_worker
from tests.domains.factories import records_to_publish, set_up_domain
from tests.factories import make_customer, make_member

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PHONE = {"width": 390, "height": 844}
ZONE = "northwind-books.com"
MISTAKES = {"dkim-1": "name.doubled_zone", "mail-from-spf": "value.quoted", "mail-from-mx": "value.appended_zone"}
TIMEOUT_MS = 40_000  # milliseconds: a few rounds of the worker and of polling on a busy machine


@pytest.fixture
def domain(sandbox: Sandbox) -> Domain:
    """Create a domain with all records published, three of them with a mistake."""
    sandbox.control.add_zone(ZONE, ("ada.ns.cloudflare.com", "bob.ns.cloudflare.com"))

    def make() -> Domain:
        domain = set_up_domain(sandbox, ZONE, customer=make_customer("Northwind Books"))
        for record in records_to_publish(domain):
            if record.key in MISTAKES:
                sandbox.control.make_mistake(ZONE, record, MISTAKES[record.key])
            else:
                sandbox.control.publish(ZONE, record)
        sandbox.control.tick()
        checking_services.check([domain], now=timezone.now() - timedelta(minutes=1))
        return Domain.objects.get(pk=domain.pk)

    return run_in_thread(make)


@pytest.fixture
def link(domain: Domain) -> ShareLink:
    nora = make_member(domain.customer, email="nora@northwind-books.com")
    return sharing_services.create(domain=domain, actor=nora, meant_for="Dave")


def fix(sandbox: Sandbox, domain: Domain, key: str) -> None:
    """Fix the records as Dave would at his DNS host with what the page says."""
    record = next(record for record in records_to_publish(domain) if record.key == key)
    sandbox.control.publish(ZONE, record)


def todo(page: Page) -> list[str]:
    return [str(it.get_attribute("id")).removeprefix("todo-") for it in page.locator("li[id^='todo-']").all()]


def test_it_guides_from_three_mistakes_to_verified(
    sandbox: Sandbox, domain: Domain, link: ShareLink, new_page: NewPage, picture: Picture
) -> None:
    page = new_page(viewport=PHONE, has_touch=True, color_scheme="light")
    page.goto(f"/domains/shared/{token_of(link)}/")
    assert sorted(todo(page)) == sorted(MISTAKES)
    expect(page.locator("#todo-dkim-1")).to_contain_text("has the domain in its name twice")
    expect(page.locator("#todo-dkim-1")).to_contain_text("grey cloud")
    expect(page.locator("#todo-mail-from-spf")).to_contain_text("quotation marks")
    expect(page.locator("#todo-mail-from-mx")).to_contain_text("at the end of its value")
    expect(page.get_by_role("combobox", name="DNS host")).to_have_value("cloudflare")
    assert_accessible(page)
    picture(page, "shared_phone")

    fix(sandbox, domain, "dkim-1")
    page.get_by_role("button", name="I’ve added the records").click()
    expect(page.locator("[data-result]")).to_contain_text("Checked just now. 4 of 6 records found.")
    expect(page.locator("#there-dkim-1")).to_be_visible()
    expect(page.locator("#todo-dkim-1")).to_have_count(0)

    with running_worker(sandbox):  # the page notices the following fixes by polling
        for key in ("mail-from-spf", "mail-from-mx"):
            fix(sandbox, domain, key)
        expect(page.locator("#all-done")).to_be_visible(timeout=TIMEOUT_MS)
        expect(page.locator("#live")).not_to_have_attribute("hx-trigger", re.compile("."), timeout=TIMEOUT_MS)
    expect(page.locator("#all-done")).to_contain_text("All required records found")
    expect(page.locator("li[id^='todo-']")).to_have_count(0)
    expect(page.get_by_role("button", name="I’ve added the records")).to_have_count(0)
    assert_accessible(page)
    picture(page, "shared_phone_done")


def test_the_reader_chooses_another_dns_host_and_the_values_follow(link: ShareLink, new_page: NewPage) -> None:
    page = new_page(viewport=PHONE, has_touch=True, color_scheme="dark")
    page.goto(f"/domains/shared/{token_of(link)}/")
    page.get_by_role("combobox", name="DNS host").select_option("route53")
    expect(page.locator("#todo-mail-from-mx")).to_contain_text("10 feedback-smtp.eu-west-1.amazonses.com")
    expect(page).to_have_url(re.compile(r"\?host=route53$"))
    page.reload()
    expect(page.get_by_role("combobox", name="DNS host")).to_have_value("route53")
    assert_accessible(page)


def test_the_page_works_without_javascript(link: ShareLink, scriptless_page: Page) -> None:
    scriptless_page.goto(f"/domains/shared/{token_of(link)}/")
    scriptless_page.get_by_role("combobox", name="DNS host").select_option("route53")
    scriptless_page.get_by_role("button", name="Show").click()
    expect(scriptless_page.get_by_text("Record name").first).to_be_visible()


def test_a_customer_shares_the_link_by_qr_code(
    domain: Domain, link: ShareLink, new_page: NewPage, live_server: LiveServer, picture: Picture
) -> None:
    page = new_page(viewport={"width": 1280, "height": 800}, color_scheme="light")
    log_in_as(page.context, domain.customer.memberships.get().user, live_server.url)
    page.goto(f"/domains/{domain.pk}/share/")
    page.get_by_text("QR code", exact=True).click()
    code = page.get_by_role("img", name="QR code of the link")
    expect(code).to_be_visible()
    box = code.locator("svg").bounding_box()
    assert box
    assert box["width"] >= 150
    assert_accessible(page)
    picture(page, "share")
