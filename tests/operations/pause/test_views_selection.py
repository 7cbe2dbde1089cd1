"""Which tenants a bulk action is about: all that the list's filters find."""

import pytest
from django.test import Client
from django.urls import reverse

from accounts.roles import Role
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
