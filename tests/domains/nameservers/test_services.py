"""A subdomain delegated as its own zone: every name typed or exported is relative to that zone."""

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from domains.checking import services as checking_services
from domains.checking.core.judgement import State
from domains.dns.core import Answer
from domains.models.domains import Domain
from domains.nameservers import services as nameservers_services
from sandbox.process import Sandbox
from tests.api_client import api_of, ok
from tests.domains.factories import make_domain, records_to_publish, set_up_domain
from tests.factories import make_customer, make_member

pytestmark = pytest.mark.django_db


def delegated_domain(sandbox: Sandbox) -> Domain:
    """Return a domain that was set up in its parent's zone and delegated later."""
    domain = set_up_domain(sandbox, "shop.example.com", customer=make_customer("Alice Ltd"))
    assert domain.zone == ""
    sandbox.control.add_zone("shop.example.com", nameservers=["ada.ns.cloudflare.com", "bob.ns.cloudflare.com"])
    checking_services.check([domain], now=timezone.now())
    return Domain.objects.get(pk=domain.pk)


def test_page_files_share_link_and_api_follow_the_delegation(sandbox: Sandbox, client: Client) -> None:
    domain, key = delegated_domain(sandbox), "dkim-1"
    assert (domain.hosted.zone, domain.parsed.zone) == ("shop.example.com", "example.com")
    record = next(record for record in domain.records if record.key == key)
    name = record.name.removesuffix(".shop.example.com")
    assert domain.provider == "Cloudflare"
    member = make_member(domain.customer)
    client.force_login(member)
    page = client.get(reverse("domains:detail", args=[domain.pk])).text
    assert f">{name}<" in page
    assert f">{name}.shop<" not in page
    assert "shop.example.com is a zone of its own. Add the records in that zone" in page
    zone_file = client.get(reverse("domains:export_file", args=[domain.pk, "zone"])).text
    assert "$ORIGIN shop.example.com." in zone_file
    assert "Add them to the zone shop.example.com" in client.get(reverse("domains:print", args=[domain.pk])).text
    exported = ok(api_of(member).get(f"/api/v2/domains/{domain.pk}/exports/zone"))
    assert "$ORIGIN shop.example.com." in exported["text"]


def test_records_in_the_delegated_zone_are_verified(sandbox: Sandbox) -> None:
    domain = delegated_domain(sandbox)
    sandbox.control.publish_missing("shop.example.com", records_to_publish(domain))
    sandbox.control.tick()
    checking_services.check([domain], now=timezone.now())
    assert domain.state == State.VERIFIED


def test_a_delegated_domain_is_added_with_its_zone(sandbox: Sandbox) -> None:
    sandbox.control.add_zone("example.com")
    sandbox.control.add_zone("shop.example.com", nameservers=["ns1.shop.example.com"])
    assert set_up_domain(sandbox, "in.shop.example.com").zone == "shop.example.com"


def test_a_failed_lookup_keeps_the_zone(sandbox: Sandbox) -> None:
    domain = delegated_domain(sandbox)
    sandbox.control.set_dns_fault("example.com", "servfail")
    nameservers_services.update_zones([domain])
    assert Domain.objects.get(pk=domain.pk).zone == "shop.example.com"


def test_a_removed_delegation_is_detected(sandbox: Sandbox) -> None:
    domain = delegated_domain(sandbox)
    sandbox.control.remove_zone("shop.example.com")
    nameservers_services.update_zones([domain])
    assert Domain.objects.get(pk=domain.pk).zone == ""


def test_nested_delegations_are_followed(sandbox: Sandbox) -> None:
    domain = make_domain("in.mail.shop.example.com")
    for zone in ("example.com", "shop.example.com", "mail.shop.example.com"):
        sandbox.control.add_zone(zone, nameservers=[f"ns1.{zone}"])
    nameservers_services.update_zones([domain])
    assert domain.zone == "mail.shop.example.com"


def test_a_slow_older_lookup_does_not_replace_a_newer_one(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    domain = delegated_domain(sandbox)
    older, ask = Domain.objects.get(pk=domain.pk), nameservers_services._ns_answers

    def slowly(questions: object) -> list[Answer]:
        """Ask while the zone is delegated; then it is removed, and another check finds that, before this one stores."""
        answers = ask(questions)  # type: ignore[arg-type]
        monkeypatch.setattr(nameservers_services, "_ns_answers", ask)
        sandbox.control.remove_zone("shop.example.com")
        nameservers_services.update_zones([domain])
        return answers

    monkeypatch.setattr(nameservers_services, "_ns_answers", slowly)
    nameservers_services.update_zones([older])
    assert Domain.objects.get(pk=domain.pk).zone == ""
    assert older.zone == ""


def test_an_unchanged_zone_counts_as_newer_too(sandbox: Sandbox) -> None:
    domain = delegated_domain(sandbox)
    before = Domain.objects.get(pk=domain.pk).zone_at
    nameservers_services.update_zones([domain])
    after = Domain.objects.get(pk=domain.pk).zone_at
    assert before is not None
    assert after is not None
    assert after > before
