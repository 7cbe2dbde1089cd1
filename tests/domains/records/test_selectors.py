"""The page of a domain's records."""

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from domains.checking import services as checking_services
from sandbox.process import Sandbox
from tests.domains.factories import publish, set_identity_status, set_up_domain
from tests.domains.sharing.test_views import progress_tone
from tests.factories import make_customer, make_member

pytestmark = pytest.mark.django_db


def test_a_failed_lookup_shows_the_last_verified_state_as_past(sandbox: Sandbox, client: Client) -> None:
    domain = set_up_domain(sandbox, "shop.com", customer=make_customer("Alice Ltd"))
    publish(sandbox, domain)
    sandbox.control.tick()
    checking_services.check([domain], now=timezone.now())
    client.force_login(make_member(domain.customer))
    page = reverse("domains:detail", args=[domain.pk])
    before = client.get(page).text
    assert "verified when last found" not in before
    assert progress_tone(before) == "good"
    sandbox.control.set_dns_fault("shop.com", "servfail")
    domain.refresh_from_db()
    checking_services.check([domain], now=timezone.now())
    text = client.get(page).text
    assert "required records verified when last found" in text
    assert progress_tone(text) == "mute"
    assert "We couldn&#x27;t check" in text


def test_no_record_is_said_to_be_marked_once_all_are_right_and_ses_has_given_up(
    sandbox: Sandbox, client: Client
) -> None:
    domain = set_up_domain(sandbox, "shop.com", customer=make_customer("Alice Ltd"))
    publish(sandbox, domain)
    set_identity_status("shop.com", mail_from="Failed")
    checking_services.check([domain], now=timezone.now())
    assert domain.mail_from_status == "FAILED"
    client.force_login(make_member(domain.customer))
    text = client.get(reverse("domains:detail", args=[domain.pk])).text
    assert "Fix the records marked below" not in text
    assert "Restart verification." in text


def test_a_wrong_ownership_record_that_nobody_needs_asks_for_nothing(sandbox: Sandbox, client: Client) -> None:
    domain = set_up_domain(sandbox, "shop.com", customer=make_customer("Alice Ltd"))
    publish(sandbox, domain)
    sandbox.control.tick()
    record = next(each for each in domain.records if each.key == "identity")
    for row in sandbox.control.records("shop.com"):
        if row.name == record.name:
            sandbox.control.remove_record("shop.com", row.id)
    checking_services.check([domain], now=timezone.now())
    client.force_login(make_member(domain.customer))
    text = client.get(reverse("domains:detail", args=[domain.pk])).text
    assert "so this record isn&#x27;t needed" in text
    assert "Not needed" in text
    assert "The ownership record wasn&#x27;t found" not in text
