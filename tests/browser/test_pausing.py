"""Trust & Safety pauses a tenant, and the customer sees why; a suspension by SES cannot be resumed here."""

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from accounts.roles import Role
from sandbox.process import Sandbox
from tenants.models.tenants import Tenant
from tenants.status import services as status_services
from tests.browser.axe import assert_accessible
from tests.browser.conftest import NewPage, Picture
from tests.browser.people import log_in_as
from tests.browser.threads import run_in_thread
from tests.browser.worker import running_worker
from tests.factories import make_customer, make_member, make_staff
from tests.tenants.factories import set_up_tenant

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

TIMEOUT_MS = 40_000  # milliseconds: a few rounds of the worker and of polling on a busy machine
MESSAGE = "Your newsletter went to people who never asked for it."


@pytest.fixture
def tenant(sandbox: Sandbox) -> Tenant:
    return set_up_tenant(make_customer("Northwind"))


@pytest.fixture
def tess_page(browser_page: Page, live_server: LiveServer) -> Page:
    log_in_as(browser_page.context, make_staff(Role.TRUST_AND_SAFETY, email="tess@staff.example"), live_server.url)
    return browser_page


def test_the_customer_of_a_paused_tenant_sees_why_until_it_is_resumed(
    sandbox: Sandbox, tenant: Tenant, tess_page: Page, new_page: NewPage, live_server: LiveServer, picture: Picture
) -> None:
    alice_page = new_page()
    log_in_as(alice_page.context, make_member(tenant.customer, email="alice@northwind.example"), live_server.url)
    pause(tess_page, tenant, picture)
    expect_status(tess_page, "pausing")  # no worker runs yet, so SES does not know
    expect(tess_page.get_by_text("Mail may still be sent until SES confirms the pause.")).to_be_visible()
    with running_worker(sandbox):
        expect_status(tess_page, "paused")  # without reloading the page
        picture(tess_page, "tenant_paused")
        see_the_notice(alice_page, picture)
        resume(tess_page)
        expect_status(tess_page, "active")
    alice_page.goto("/domains/")
    expect(alice_page.get_by_text("Sending for Northwind is paused")).to_have_count(0)


def pause(page: Page, tenant: Tenant, picture: Picture) -> None:
    page.goto(reverse("tenants:list"))
    page.get_by_role("link", name=tenant.name).click()
    expect_status(page, "active")
    page.get_by_role("link", name="Pause…").click()
    expect(page.get_by_role("heading", name="Continues")).to_be_visible()
    page.get_by_label("Reason").select_option("spam")
    page.get_by_label("Staff note").fill("Forty reports since noon.")
    page.get_by_label("Message to the customer (optional)").fill(MESSAGE)
    page.get_by_role("button", name="Review pause").click()
    expect(page.get_by_role("heading", name="Banner on the customer’s pages")).to_be_visible()
    expect(page.get_by_text(MESSAGE)).to_have_count(2)  # in the notice and in the email
    assert_accessible(page)
    picture(page, "pause_preview")
    page.get_by_role("button", name=f"Pause {tenant.name}").click()


def resume(page: Page) -> None:
    page.get_by_role("link", name="Resume…").click()
    page.get_by_role("textbox", name="Reason").fill("They removed the list.")
    page.get_by_role("button", name="Resume").click()


def expect_status(page: Page, standing: str) -> None:
    expect(page.locator("#live [data-standing]").first).to_have_attribute("data-standing", standing, timeout=TIMEOUT_MS)


def see_the_notice(page: Page, picture: Picture) -> None:
    """Check that each page shows the notice and still works."""
    page.goto("/domains/")
    expect(page.get_by_text("Sending for Northwind is paused")).to_be_visible()
    expect(page.get_by_text(MESSAGE)).to_be_visible()
    expect(page.get_by_text("What to do:")).to_be_visible()
    assert_accessible(page)
    picture(page, "customer_paused")
    page.get_by_role("link", name="Add domain").first.click()
    expect(page.get_by_role("textbox", name="Domain")).to_be_visible()
    expect(page.get_by_text("Sending for Northwind is paused")).to_be_visible()


def test_a_tenant_suspended_by_ses_cannot_be_resumed_until_ses_lifts_it(tenant: Tenant, tess_page: Page) -> None:
    tess_page.goto(f"{reverse('sandbox:tenants')}?tenant={tenant.pk}")
    tess_page.get_by_role("button", name="Suspend tenant").click()
    expect(tess_page.get_by_text(f"{tenant.name} suspended.")).to_be_visible()
    run_in_thread(status_services.read_tenant, tenant_id=tenant.pk)
    tess_page.goto(reverse("tenants:detail", args=[tenant.pk]))
    expect_status(tess_page, "suspended")
    expect(tess_page.get_by_role("link", name="Resume…")).to_have_count(0)
    expect(tess_page.get_by_text("open a case with AWS Support", exact=False).first).to_be_visible()
    assert_accessible(tess_page)
    tess_page.goto(reverse("operations:resume", args=[tenant.pk]))
    expect(tess_page.get_by_text("Resume is not available")).to_be_visible()
    tess_page.goto(f"{reverse('sandbox:tenants')}?tenant={tenant.pk}")
    tess_page.get_by_role("button", name="Lift suspension").click()
    run_in_thread(status_services.read_tenant, tenant_id=tenant.pk)
    tess_page.goto(reverse("tenants:detail", args=[tenant.pk]))
    expect_status(tess_page, "active")
