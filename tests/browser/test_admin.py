"""Django admin as a part of the product: no axe violations in light and dark mode, and a link back to the product."""

from datetime import timedelta

import pytest
from django.contrib.admin.utils import quote
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page
from pytest_django.live_server_helper import LiveServer

from accounts.roles import Role
from domains.models.domains import Domain, Stage
from domains.overrides import services as overrides_services
from receipt_rules.models.runs import Run
from tests.browser.axe import violations
from tests.browser.conftest import NewPage
from tests.browser.people import log_in_as
from tests.domains.factories import make_domain
from tests.factories import make_staff

LISTS = (
    "admin:index",
    "admin:domains_domain_changelist",
    "admin:audit_change_changelist",
    "admin:receipt_rules_run_changelist",
    "admin:receipt_rules_address_changelist",
    "admin:operations_difference_changelist",
    "admin:accounts_user_changelist",
    "admin:accounts_customer_changelist",
)


@pytest.fixture
def domain(transactional_db: None) -> Domain:
    """Return a domain on hold, with an override and an exception, so that every column has a value."""
    adam = make_staff(Role.ADMIN, email="adam@inbound-admin.example")
    made = make_domain("shop.com", stage=Stage.READY)
    until = timezone.now() + timedelta(days=3)
    overrides_services.override_state(domain=made, state="verified", because="Moves", until=until, actor=adam)
    overrides_services.expect_record(
        domain=made, key="inbound-mx", value="mx.acme.net", because="Elsewhere", actor=adam
    )
    overrides_services.hold(domain=made, because="Abuse", actor=adam)
    Run.objects.create(kind="approved", region="eu-west-1", digest="d", touched="t", summary="Adds one", calls=3)
    made.refresh_from_db()
    return made


@pytest.mark.browser
def test_every_list_and_a_domain_are_accessible_and_link_back(
    domain: Domain, new_page: NewPage, live_server: LiveServer
) -> None:
    page = new_page(color_scheme="light")
    log_in_as(page.context, domain.held_by, live_server.url)
    urls = [*map(reverse, LISTS), reverse("admin:domains_domain_change", args=[quote(domain.pk)])]
    faults = [f"{url} {colours}: {found}" for url in urls for colours, found in _faults(page, url)]
    assert not faults, "\n".join(faults)
    page.get_by_role("link", name="Inbound Admin").first.click()
    assert "/admin" not in page.url


def _faults(page: Page, url: str) -> list[tuple[str, str]]:
    answer = page.goto(url)
    assert answer is not None
    assert (answer.status, page.url.endswith(url)) == (200, True)
    found = []
    for colours in ("light", "dark"):
        page.emulate_media(color_scheme=colours)
        found += [(colours, each) for each in violations(page)]
    return found
