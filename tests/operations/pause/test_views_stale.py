"""A page that shows a pause decides about that pause only, and not about one that came after it was opened."""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from sandbox.process import Sandbox
from tenants.models.tenants import Tenant
from tenants.pause import services as pause_services
from tests.tenants.factories import make_tess, pause_tenant, set_up_tenant

pytestmark = pytest.mark.django_db
SAID = "somebody else made changes"


@pytest.fixture
def paused(sandbox: Sandbox) -> Tenant:
    tenant = set_up_tenant()
    pause_tenant(tenant)
    return tenant


@pytest.fixture
def tess_client(client: Client) -> Client:
    client.force_login(make_tess())
    return client


def seen_on(page: str, name: str = "seen") -> list[str]:
    return re.findall(rf'name="{name}" value="([^"]+)"', page)


def pause_anew(tenant: Tenant) -> None:
    """A colleague resumes the tenant, and pauses it for another reason."""
    pause_services.resume(tenant=tenant, because="Settled.", actor=make_tess())
    pause_tenant(tenant, reason="phishing", text="A phishing page was reported.")


@pytest.mark.parametrize("name", ["operations:resume", "tenants:keep"])
def test_a_page_of_an_earlier_pause_does_nothing_to_a_later_one(tess_client: Client, paused: Tenant, name: str) -> None:
    url, later = reverse(name, args=[paused.pk]), timezone.localdate() + timedelta(days=9)
    (seen,) = seen_on(tess_client.get(url).text)
    pause_anew(paused)
    given = {"because": "They removed the list.", "review_on": later.isoformat()}
    answer = tess_client.post(url, given | {"seen": seen}, follow=True)
    paused.refresh_from_db()
    assert (SAID in answer.text, paused.is_paused, paused.pause_review_on) == (True, True, None)
    (seen,) = seen_on(answer.text)
    tess_client.post(url, given | {"seen": seen})
    paused.refresh_from_db()
    assert (paused.is_paused, paused.pause_review_on) == ((False, None) if "resume" in name else (True, later))


def test_a_later_review_date_is_not_overwritten_by_an_older_page(tess_client: Client, paused: Tenant) -> None:
    url, later = reverse("tenants:keep", args=[paused.pk]), timezone.localdate() + timedelta(days=9)
    (seen,) = seen_on(tess_client.get(url).text)
    pause_services.keep_paused(tenant=paused, because="Waiting for them.", review_on=later, actor=make_tess())
    assert SAID in tess_client.post(url, {"because": "x", "seen": seen}, follow=True).text
    paused.refresh_from_db()
    assert paused.pause_review_on == later


def test_a_bulk_resume_ends_no_pause_that_its_page_did_not_show(tess_client: Client, paused: Tenant) -> None:
    url, other = reverse("operations:pause_many"), set_up_tenant()
    pause_tenant(other)
    page = tess_client.get(url, {"do": "resume", "tenant": [paused.pk, other.pk]}).text
    pause_anew(paused)
    given = {"do": "resume", "because": "Settled.", "tenant": [paused.pk, other.pk]}
    answer = tess_client.post(url, given | {"shown": seen_on(page, "shown")})
    assert (answer.status_code, SAID in answer.text) == (422, True)
    assert Tenant.objects.filter(is_paused=True).count() == 2
    tess_client.post(url, given | {"shown": seen_on(answer.text, "shown")})
    assert not Tenant.objects.filter(is_paused=True).exists()
