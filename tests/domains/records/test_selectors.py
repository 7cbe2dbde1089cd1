"""The page of a domain's records."""

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from domains.checking import services as checking_services
from sandbox.process import Sandbox
from tests.domains.factories import publish, set_up_domain
from tests.factories import make_customer, make_member

pytestmark = pytest.mark.django_db


def test_a_failed_lookup_shows_the_last_verified_state_as_past(sandbox: Sandbox, client: Client) -> None:
    domain = set_up_domain(sandbox, "shop.com", customer=make_customer("Alice Ltd"))
    publish(sandbox, domain)
    sandbox.control.tick()
    checking_services.check([domain], now=timezone.now())
    client.force_login(make_member(domain.customer))
    page = reverse("domains:detail", args=[domain.pk])
    assert "verified when last found" not in client.get(page).text
    sandbox.control.set_dns_fault("shop.com", "servfail")
    domain.refresh_from_db()
    checking_services.check([domain], now=timezone.now())
    text = client.get(page).text
    assert "required records verified when last found" in text
    assert "We couldn&#x27;t check" in text
