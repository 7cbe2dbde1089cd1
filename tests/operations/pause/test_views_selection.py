"""Which tenants a bulk action is about: all that the list's filters find."""

import runpy

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from accounts.models.people import Customer
from accounts.roles import Role
from operations.pause.services import MOST_TENANTS
from tests.domains.factories import make_domain
from tests.factories import make_staff
from tests.tenants.factories import make_tenant

pytestmark = pytest.mark.django_db


@pytest.fixture
def tess_client(client: Client) -> Client:
    client.force_login(make_staff(Role.TRUST_AND_SAFETY))
    return client


def test_all_tenants_that_match_are_selected_on_every_page(tess_client: Client) -> None:
    for number in range(51):
        make_tenant(name=f"many-{number:02}")
    make_tenant(name="another")
    assert "All 51 tenants on all pages" in tess_client.get(reverse("tenants:list"), {"q": "many-"}).text
    assert "on all pages" not in tess_client.get(reverse("tenants:list"), {"q": "another"}).text
    page = tess_client.get(reverse("operations:pause_many"), {"all": "1", "q": "many-", "do": "pause"}).text
    assert "Pause 51 tenants?" in page
    assert "another" not in page


def test_more_tenants_than_one_batch_takes_are_refused_at_once(
    tess_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("operations.pause.services.MOST_TENANTS", 1)
    make_tenant()
    make_tenant()
    refused = tess_client.get(reverse("operations:pause_many"), {"all": "1", "do": "pause"})
    assert (refused.status_code, "Select at most 1 tenants at once" in refused.text) == (422, True)


def test_a_pause_of_all_domains_with_too_many_tenants_is_refused_with_words(
    tess_client: Client, settings: Settings
) -> None:
    """The redirect names the tenants in its URL, of which gunicorn takes a limited length."""
    customers = Customer.objects.bulk_create(Customer(name=f"Customer {number}") for number in range(MOST_TENANTS + 60))
    for number, customer in enumerate(customers):
        make_tenant(customer, region="us-east-1" if number < 50 else "eu-west-1")
        make_domain(f"d{number}.example", customer=customer)
    answer = tess_client.get(reverse("operations:start_bulk"), {"do": "pause", "all": "1"})
    location = answer["Location"]
    limit = runpy.run_path(str(settings.BASE_DIR / "gunicorn.conf.py"))["limit_request_line"]
    assert len(f"GET {location} HTTP/1.1") < limit
    refused = tess_client.get(location)
    assert (refused.status_code, f"Select at most {MOST_TENANTS} tenants at once" in refused.text) == (422, True)
    few = tess_client.get(reverse("operations:start_bulk"), {"do": "pause", "all": "1", "q": "d25"})["Location"]
    assert "Pause 10 tenants?" in tess_client.get(few).text
