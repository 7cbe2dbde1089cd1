"""The longest names that DNS, SES and our forms allow widen no page, on a phone or a desktop."""

from collections.abc import Iterator

import pytest
from django.urls import reverse
from playwright.sync_api import Page
from pytest_django.live_server_helper import LiveServer

from accounts.api_keys.services import create_api_key
from accounts.models.people import Customer, User
from accounts.roles import Role
from domains.models.domains import Domain
from receipt_rules.models.addresses import Address
from receipt_rules.models.endpoints import Endpoint
from sandbox.process import Sandbox
from tests.browser.conftest import NewPage
from tests.browser.people import log_in_as
from tests.browser.test_every_page import DESK, OPEN_DETAILS, PHONES, find_overflow
from tests.browser.threads import run_in_thread
from tests.domains.factories import set_up_domain
from tests.factories import make_customer, make_member, make_staff
from tests.receipt_rules.factories import make_address, make_endpoint
from tests.tenants.factories import make_tenant

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
LONG = "Rechtsschutzversicherungsgesellschaft" * 3
TABS = ("detail", "diagnosis", "history", "dns_history", "exports", "mail_records", "share", "sending", "settings")


@pytest.fixture
def domain(sandbox: Sandbox) -> Domain:
    """Create a customer, member, domain, address, endpoint, tenant and API key, each with the longest name."""
    customer = make_customer(LONG)
    member = make_member(customer, email=f"{'p' * 64}@example.com", first_name=LONG[:100], last_name=LONG[:100])
    domain = run_in_thread(set_up_domain, sandbox, f"{'w' * 63}.{'v' * 60}.com", customer=customer)
    endpoint = make_endpoint(customer, name=LONG[:80])
    make_address(f"{'a' * 64}@{domain.name}", domain, endpoint=endpoint)
    make_tenant(customer)
    create_api_key(user=member, name=LONG[:80], scopes=("read",), actor=member)
    return domain


def _pages(domain: Domain) -> Iterator[tuple[User, str]]:
    member, staff = domain.customer.members.get(), make_staff(Role.ADMIN)
    of_domain = [reverse(f"domains:{tab}", args=[domain.pk]) for tab in TABS]
    shared = [reverse(name) for name in ("operations:overview", "domains:list", "receipt_rules:addresses")]
    shared += [reverse("receipt_rules:endpoints"), reverse("operations:changes")]
    shared += [reverse("receipt_rules:domain", args=[domain.pk])]
    shared += [reverse("receipt_rules:address", args=[Address.objects.get().pk])]
    shared += [reverse("receipt_rules:endpoint", args=[Endpoint.objects.get().pk])]
    yield from ((member, url) for url in (*of_domain, *shared, reverse("accounts:keys")))
    customers = [reverse("customers:list"), reverse("customers:detail", args=[Customer.objects.get().pk])]
    staffs = [*customers, reverse("tenants:list"), reverse("domains:support", args=[domain.pk])]
    yield from ((staff, url) for url in (*shared, *staffs, f"{reverse('operations:find')}?q=rechts"))


def test_the_longest_names_widen_no_page(domain: Domain, new_page: NewPage, live_server: LiveServer) -> None:
    page = new_page(viewport=DESK)
    faults = [fault for user, url in _pages(domain) for fault in _check_page(page, user, url, live_server.url)]
    assert not faults, "\n".join(" ".join(fault.split()) for fault in faults)


def _check_page(page: Page, user: User, url: str, site: str) -> Iterator[str]:
    log_in_as(page.context, user, site)
    answer = page.goto(url)
    assert answer is not None
    assert answer.status == 200, url
    page.evaluate(OPEN_DETAILS)
    yield from (f"{url}: {fault}" for fault in find_overflow(page, (PHONES[0], DESK)))
    page.set_viewport_size(DESK)
