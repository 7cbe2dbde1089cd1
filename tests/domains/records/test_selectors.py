"""The page of a domain's records."""

import html

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from domains.checking import services as checking_services
from domains.models.domains import Domain
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


def shown(client: Client, domain: Domain) -> str:
    client.force_login(make_member(domain.customer))
    return html.unescape(client.get(reverse("domains:detail", args=[domain.pk])).text)


def test_what_is_wrong_with_the_zone_is_said_once(sandbox: Sandbox, client: Client) -> None:
    domain = set_up_domain(sandbox, "shop.com", customer=make_customer("Alice Ltd"))
    sandbox.control.remove_zone("shop.com")
    checking_services.check([domain], now=timezone.now())
    assert shown(client, domain).count("shop.com doesn't exist in DNS.") == 1


def test_that_no_record_could_be_checked_is_not_repeated_by_each_and_when_it_was_found_is_said_there(
    sandbox: Sandbox, client: Client
) -> None:
    domain = set_up_domain(sandbox, "shop.com", customer=make_customer("Alice Ltd"))
    publish(sandbox, domain)
    checking_services.check([domain], now=timezone.now())
    sandbox.control.set_dns_fault("shop.com", "servfail")
    domain.refresh_from_db()
    checking_services.check([domain], now=timezone.now())
    page = shown(client, domain)
    assert "We couldn't check this record" not in page
    assert page.count("It was last found on") == len(domain.records)


def test_how_to_receive_mail_is_said_once(sandbox: Sandbox, client: Client) -> None:
    domain = set_up_domain(sandbox, "shop.com", customer=make_customer("Alice Ltd"))
    publish(sandbox, domain)
    sandbox.control.tick()
    checking_services.check([domain], now=timezone.now())
    page = shown(client, domain)
    assert "Ready to send." in page
    assert page.count("The MX record comes last") == 1
