"""The morning task of each role: from the overview to the action."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from accounts.models.people import User
from accounts.roles import Role
from audit.models import Change
from domains.models.domains import Domain
from operations.models import Difference
from sandbox.process import Sandbox
from tenants.models.tenants import Tenant
from tenants.reputation.services import sync_all_recommendations
from tests.browser import dns_host
from tests.browser.axe import assert_accessible
from tests.browser.conftest import NewPage, Picture
from tests.browser.people import log_in_as
from tests.browser.showcase.activity import add_week_of_work
from tests.browser.showcase.world import BROKEN, Showcase, make_showcase
from tests.browser.threads import run_in_thread
from tests.browser.worker import make_diagnoses, running_worker
from tests.factories import make_customer, make_staff
from tests.tenants.factories import set_up_tenant

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

DESK = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}
TIMEOUT_MS = 40_000  # milliseconds: a few rounds of the worker and of polling on a busy machine
VERDICT = f"DKIM record 1 has {BROKEN} in its name twice. Your DNS host appended it."
CLIPBOARD = ("clipboard-read", "clipboard-write")


@pytest.fixture
def world(sandbox: Sandbox, transactional_db: None) -> Showcase:
    world = make_showcase(sandbox)
    add_week_of_work(world)
    return world


def open_overview(page: Page, person: User, site: str) -> None:
    """Sign in, which redirects to the overview."""
    log_in_as(page.context, person, site)
    page.goto("/")
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    assert_accessible(page)


def follow_attention(page: Page, sentence: str) -> None:
    """Follow a line of "Needs attention"."""
    page.locator("#main").get_by_role("link", name=sentence).click()


def test_support_finds_the_problem_of_a_domain_and_copies_the_reply(
    world: Showcase, new_page: NewPage, live_server: LiveServer, picture: Picture
) -> None:
    page = new_page(viewport=DESK, permissions=CLIPBOARD)
    open_overview(page, world.people["sam"], live_server.url)
    follow_attention(page, "domains have a problem")
    expect(page.get_by_role("link", name=BROKEN)).to_be_visible()
    page.goto(reverse("operations:overview"))
    search(page, f"https://{BROKEN.upper()}/")
    page.wait_for_url("**/operations/domains/**")
    make_diagnoses(page)
    expect(page.locator("#result [data-summary]")).to_have_text(VERDICT)
    expect(page.locator("#case")).to_contain_text("alice@acme.example")
    assert_fits_without_scrolling(page)
    assert_accessible(page)
    picture(page, "case")
    page.get_by_label("Draft reply", exact=True).fill("Hello, here is what to change.")
    page.locator("#copy-case-reply").click()
    expect(page.locator("#announcer")).to_have_text("Copied the draft reply")
    assert page.evaluate("navigator.clipboard.readText()") == "Hello, here is what to change."
    expect(page.locator("#copy-reply")).to_have_count(0)


def assert_fits_without_scrolling(page: Page) -> None:
    """Check that the problem, its start, who must act and the reply are visible at 1280 x 800."""
    page.set_viewport_size({"width": 1280, "height": 800})
    page.evaluate("scrollTo(0, 0)")
    for part in ("#case-title", "#case dl", "#case-reply", "#copy-case-reply"):
        expect(page.locator(part)).to_be_in_viewport(ratio=1)


def search(page: Page, text: str) -> None:
    page.keyboard.press("/")
    page.keyboard.type(text)
    page.keyboard.press("Enter")


def test_an_operator_decides_a_difference_and_opens_plan_and_pipeline(
    world: Showcase, browser_page: Page, live_server: LiveServer, picture: Picture
) -> None:
    page = browser_page
    open_overview(page, world.people["olga"], live_server.url)
    picture(page, "overview")
    follow_attention(page, "2 open differences between SES and the database")
    picture(page, "drift")
    page.get_by_role("link", name="The reputation policy of acme").click()
    page.get_by_label("Ignore").check()
    page.get_by_label("Reason").fill("They test until Friday.")
    page.get_by_role("button", name="Apply decision").click()
    page.wait_for_url("**/differences/")
    assert Difference.objects.get(kind="policy").because == "They test until Friday."
    page.goto(reverse("operations:overview"))
    expect(page.get_by_text("1 open difference between SES and the database")).to_be_visible()
    page.get_by_role("link", name="Inbound mail", exact=True).click()
    for tab in ("Plan", "Pipeline"):
        page.get_by_role("link", name=tab, exact=True).click()
        expect(page.get_by_role("link", name=tab, exact=True)).to_have_attribute("aria-current", "page")
        assert_accessible(page)


def test_trust_and_safety_pauses_a_risky_tenant_until_ses_confirms_and_resumes(
    sandbox: Sandbox, browser_page: Page, live_server: LiveServer, picture: Picture
) -> None:
    tenant = with_a_finding(sandbox)
    page = browser_page
    open_overview(page, make_staff(Role.TRUST_AND_SAFETY, email="tess@staff.example"), live_server.url)
    follow_attention(page, "1 tenant has an open reputation finding")
    picture(page, "tenants")
    page.get_by_role("link", name=tenant.name).click()
    page.get_by_role("link", name="Reputation").click()
    expect(page.get_by_text("Too many bounces since noon.")).to_be_visible()
    assert_accessible(page)
    with running_worker(sandbox):
        pause(page, tenant)
        expect_status(page, "paused", "Sending is paused (confirmed by SES).")
        page.get_by_role("link", name="Resume…").click()
        page.get_by_role("textbox", name="Reason").fill("They removed the list.")
        page.get_by_role("button", name="Resume").click()
        expect_status(page, "active", "Sending is enabled.")


def with_a_finding(sandbox: Sandbox) -> Tenant:
    """Create a tenant with a finding that we have read; its policy leaves pausing to us."""
    tenant = run_in_thread(set_up_tenant, make_customer("Northwind"), policy="none")
    Tenant.objects.filter(pk=tenant.pk).update(sends_since=tenant.created_at)
    sandbox.control.set_finding(tenant.name, "BOUNCE", "HIGH", "OPEN", "Too many bounces since noon.")
    run_in_thread(sync_all_recommendations, now=tenant.created_at)
    return tenant


def pause(page: Page, tenant: Tenant) -> None:
    page.get_by_role("link", name="Pause…").click()
    page.get_by_label("Reason").select_option("spam")
    page.get_by_label("Staff note").fill("Bounces above a tenth.")
    page.get_by_role("button", name="Review pause").click()
    page.get_by_role("button", name=f"Pause {tenant.name}").click()


def expect_status(page: Page, standing: str, sentence: str) -> None:
    """Wait for the text without reloading the page."""
    expect(page.locator("#live [data-standing]").first).to_have_attribute("data-standing", standing, timeout=TIMEOUT_MS)
    expect(page.locator("#live [data-summary]")).to_have_text(sentence)


def test_an_admin_overrides_a_state_and_finds_it_in_the_change_log(
    world: Showcase, browser_page: Page, live_server: LiveServer, picture: Picture
) -> None:
    page, domain = browser_page, world.domains["waiting"]
    open_overview(page, world.people["adam"], live_server.url)
    page.goto(reverse("domains:support", args=[domain.id]))
    form = page.locator("#override")
    form.get_by_label("Status").select_option("verified")
    form.get_by_label("Until").fill(f"{timezone.now() + timedelta(days=2):%Y-%m-%dT%H:%M}")
    form.get_by_label("Reason").fill("Amazon told us on the phone.")
    form.get_by_role("button", name="Override status").click()
    expect(page.get_by_role("button", name="End override")).to_be_visible()
    page.get_by_role("link", name="Change log", exact=True).click()
    page.get_by_label("Name, person, reason or ID").fill("Amazon told us")
    page.get_by_role("button", name="Filter").click()
    expect(page.locator("#results")).to_contain_text("Amazon told us on the phone.")
    expect(page.locator("#results li")).to_have_count(1)
    assert_accessible(page)
    picture(page, "changes")
    assert Change.objects.get(because__contains="Amazon told us").object_id == domain.id


def test_a_customer_diagnoses_and_fixes_a_record_on_a_phone(
    world: Showcase, new_page: NewPage, live_server: LiveServer, settings: Settings, picture: Picture
) -> None:
    settings.DIAGNOSIS_KEPT_SECONDS = 0
    page = new_page(viewport=PHONE, has_touch=True, permissions=CLIPBOARD)
    open_overview(page, world.people["alice"], live_server.url)
    picture(page, "overview_phone")
    page.get_by_role("link", name=BROKEN).click()
    page.get_by_role("link", name="Diagnosis").click()
    make_diagnoses(page)
    expect(page.locator("#result [data-summary]")).to_have_text(VERDICT)
    assert_accessible(page)
    picture(page, "diagnosis_phone")
    page.locator("#to-type").get_by_role("button", name="Copy value").click()
    assert page.evaluate("navigator.clipboard.readText()").endswith(".dkim.amazonses.com")
    window = page.context.new_page()
    dns_host.open_zone(window, BROKEN)
    dns_host.fix(window, "dkim-1")
    page.reload()
    make_diagnoses(page)
    expect(page.locator("#record-dkim-1")).to_contain_text("DKIM record 1 is correct.")
    assert Domain.objects.get(name=BROKEN).customer == world.acme
