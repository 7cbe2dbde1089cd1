"""An operator moves a customer into a tenant: a dry run first, then live until it is done, then back again."""

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
from tests.browser.people import enter_as
from tests.browser.threads import aside
from tests.browser.worker import running_worker
from tests.factories import make_staff
from tests.operations.factories import make_sender, tenants_in_ses

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

A_WHILE = 60_000  # milliseconds: some rounds of the worker's and the page's clocks on a busy machine


@pytest.fixture
def olga(sandbox: Sandbox) -> User:
    return make_staff(Role.OPERATOR)


@pytest.fixture
def northwind(olga: User) -> Customer:
    customer: Customer = aside(make_sender, "Northwind", domains=2)
    return customer


@pytest.fixture
def worker(northwind: Customer, sandbox: Sandbox) -> Iterator[None]:
    with running_worker(sandbox):
        yield


def test_a_dry_run_then_the_move_then_back(
    olga: User, northwind: Customer, worker: None, new_page: NewPage, live_server: LiveServer
) -> None:
    page = new_page(viewport={"width": 1280, "height": 900})
    enter_as(page.context, olga, live_server.url)
    page.goto(reverse("operations:migrations"))
    expect(page.get_by_text("No migrations yet")).to_be_visible()
    page.goto(reverse("customers:detail", args=[northwind.pk]))
    page.get_by_role("link", name="Move it into one").click()
    expect(page.get_by_text("Nothing has changed yet")).to_be_visible()
    expect(page.locator("main [data-summary]", has_text="10 API calls")).to_be_visible()
    assert_accessible(page)
    assert aside(tenants_in_ses) == {}
    page.get_by_label("Reason").fill("The first one")
    page.get_by_role("button", name="Migrate customer").click()
    said = page.locator("main [data-summary]")
    expect(said).to_have_text("All steps are done and confirmed by SES.", timeout=A_WHILE)
    assert_accessible(page)
    ((name, resources),) = aside(tenants_in_ses).items()
    assert len(resources) == 3
    assert Tenant.objects.get(customer=northwind, name=name).sends_since is not None
    page.get_by_label("Reason for the rollback").fill("Their sender is not ready")
    page.get_by_role("button", name="Roll back").click()
    expect(page.locator("main").get_by_text("Rolled back", exact=True).first).to_be_visible(timeout=A_WHILE)
    assert len(aside(tenants_in_ses)[name]) == 1
