"""An operator migrates a customer to a tenant: a dry run, then the migration, then the rollback."""

from collections.abc import Iterator

import pytest
from django.urls import reverse
from playwright.sync_api import expect
from pytest_django.live_server_helper import LiveServer

from accounts.models.people import Customer, User
from accounts.roles import Role
from sandbox.process import Sandbox
from tenants.models.tenants import Tenant
from tests.browser.axe import assert_accessible
from tests.browser.conftest import NewPage
from tests.browser.people import log_in_as
from tests.browser.threads import run_in_thread
from tests.browser.worker import running_worker
from tests.factories import make_staff
from tests.operations.factories import make_sender, tenants_in_ses

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

TIMEOUT_MS = 60_000  # milliseconds: a few rounds of the worker and of polling on a busy machine


@pytest.fixture
def olga(sandbox: Sandbox) -> User:
    return make_staff(Role.OPERATOR)


@pytest.fixture
def northwind(olga: User) -> Customer:
    customer: Customer = run_in_thread(make_sender, "Northwind", domains=2)
    return customer


@pytest.fixture
def worker(northwind: Customer, sandbox: Sandbox) -> Iterator[None]:
    with running_worker(sandbox):
        yield


def test_an_operator_plans_runs_and_rolls_back_a_migration(
    olga: User, northwind: Customer, worker: None, new_page: NewPage, live_server: LiveServer
) -> None:
    page = new_page(viewport={"width": 1280, "height": 900})
    log_in_as(page.context, olga, live_server.url)
    page.goto(reverse("operations:migrations"))
    expect(page.get_by_text("No migrations yet")).to_be_visible()
    page.goto(reverse("customers:detail", args=[northwind.pk]))
    page.get_by_role("link", name="Move it into one").click()
    expect(page.get_by_text("Nothing has changed yet")).to_be_visible()
    expect(page.locator("main [data-summary]", has_text="13 API calls")).to_be_visible()
    assert_accessible(page)
    assert run_in_thread(tenants_in_ses) == {}
    page.get_by_label("Reason").fill("The first one")
    page.get_by_role("button", name="Migrate customer").click()
    summary = page.locator("main [data-summary]")
    expect(summary).to_have_text("All steps are done and confirmed by SES.", timeout=TIMEOUT_MS)
    assert_accessible(page)
    ((name, resources),) = run_in_thread(tenants_in_ses).items()
    assert len(resources) == 3
    assert Tenant.objects.get(customer=northwind, name=name).sends_since is not None
    page.get_by_label("Reason for the rollback").fill("Their sender is not ready")
    page.get_by_role("button", name="Roll back").click()
    expect(page.locator("main").get_by_text("Rolled back", exact=True).first).to_be_visible(timeout=TIMEOUT_MS)
    assert len(run_in_thread(tenants_in_ses)[name]) == 1
