"""Mistakes made on the pages of the fake DNS host, and records entered there by hand."""

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from accounts.models.people import Customer
from domains.models.domains import Domain
from sandbox import panel
from sandbox.dns.mistaken import RECORD_MISTAKES
from sandbox.process import Sandbox
from tests.domains.factories import make_domain, set_up_domain
from tests.messages import message_text
from tests.sandbox.zone_pages import key, post, swap, values

pytestmark = pytest.mark.django_db


# Mistakes


def test_a_mistake_is_made_named_and_fixed(sandbox: Sandbox, alice: Customer, alice_client: Client) -> None:
    domain = set_up_domain(sandbox, "shop.example.co.uk", customer=alice)
    post(alice_client, "example.co.uk", "publish_missing")
    name = f"{domain.dkim_tokens[0]}._domainkey.shop.example.co.uk"
    broken = swap(alice_client, "example.co.uk", "mistake", key=key(domain, "dkim-1"), code="name.doubled_zone")
    assert "Name doubled" in broken.text
    assert "shop.example.co.uk dkim: Success → TemporaryFailure" in broken.text.replace("&gt;", ">")
    assert not values(sandbox, "example.co.uk", name, "CNAME")
    assert values(sandbox, "example.co.uk", f"{name}.example.co.uk", "CNAME")
    fixed = post(alice_client, "example.co.uk", "publish", key=key(domain, "dkim-1"))
    assert "fixed" in message_text(fixed)
    assert values(sandbox, "example.co.uk", name, "CNAME")
    assert not values(sandbox, "example.co.uk", f"{name}.example.co.uk", "CNAME")


def test_every_mistake_of_the_menu_is_recognised_and_fixed(sandbox: Sandbox, alice: Customer) -> None:
    domain = set_up_domain(sandbox, "shop.example.com", customer=alice)
    host, tried = sandbox.control, set()
    for row in panel.zone_page("example.com", [domain]).rows:
        for mistake in row.mistakes:
            host.make_mistake("example.com", row.as_wanted, mistake.code)
            broken = panel.zone_page("example.com", [domain]).row(row.key)
            assert broken.mistake is not None, (row.label, mistake.code)
            assert not broken.is_right
            host.publish("example.com", row.as_wanted)
            assert panel.zone_page("example.com", [domain]).row(row.key).is_right, (row.label, mistake.code)
            tried.add(mistake.code)
    assert tried == {mistake.code for mistake in RECORD_MISTAKES}


def test_the_same_record_of_the_parent_is_no_mistake(sandbox: Sandbox, alice: Customer, alice_client: Client) -> None:
    domains = [set_up_domain(sandbox, name, customer=alice) for name in ("alice.com", "shop.alice.com")]
    for record in ("apex-spf", "dmarc", "mail-from-spf"):
        post(alice_client, "alice.com", "publish", key=key(domains[0], record))
    for row in panel.zone_page("alice.com", domains).rows:
        assert row.mistake is None, (row.label, row.mistake)


def test_a_mistake_that_does_not_apply_is_refused(sandbox: Sandbox, alice: Customer, alice_client: Client) -> None:
    domain = set_up_domain(sandbox, "alice.com", customer=alice)
    refused = post(alice_client, "alice.com", "mistake", key=key(domain, "identity"), code="value.null_mx")
    assert "Choose a mistake from the list" in message_text(refused)
    assert not values(sandbox, "alice.com", "alice.com", "MX")


@pytest.mark.parametrize("code", ["zone.servfail", "zone.silent", "zone.lame", "zone.bogus"])
def test_nameservers_are_broken_and_fixed(
    sandbox: Sandbox, alice: Customer, alice_client: Client, settings: Settings, code: str
) -> None:
    make_domain("alice.com", customer=alice)
    alice_client.get(reverse("sandbox:zones"))
    post(alice_client, "alice.com", "break_zone", code=code)
    assert [fault.fault for fault in sandbox.control.dns_faults()] == [code.removeprefix("zone.")]
    page = alice_client.get(reverse("sandbox:zone", args=["alice.com"]))
    assert "on purpose" in page.text
    post(alice_client, "alice.com", "mend_zone")
    assert sandbox.control.dns_faults() == ()


def test_nameservers_disagree_until_fixed(sandbox: Sandbox, alice: Customer, alice_client: Client) -> None:
    make_domain("alice.com", customer=alice, verification_token="token")
    alice_client.get(reverse("sandbox:zones"))
    refused = post(alice_client, "alice.com", "break_zone", code="zone.disagree")
    assert "Publish a record first" in message_text(refused)
    post(alice_client, "alice.com", "publish_missing")
    post(alice_client, "alice.com", "break_zone", code="zone.disagree")
    second = sandbox.control.nameservers("alice.com")[1]
    behind = sandbox.zones.view("alice.com", second)
    assert behind is not None
    assert behind.find("_amazonses.alice.com", "TXT").records == ()
    post(alice_client, "alice.com", "mend_zone")
    fixed = sandbox.zones.view("alice.com", second)
    assert fixed is not None
    assert fixed.find("_amazonses.alice.com", "TXT").records


# By hand


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("", "alice.com"),
        ("@", "alice.com"),
        ("www", "www.alice.com"),
        ("www.alice.com", "www.alice.com.alice.com"),
        ("www.alice.com.", "www.alice.com"),
    ],
)
def test_a_typed_name_is_relative_to_the_zone(
    sandbox: Sandbox, alice: Customer, alice_client: Client, typed: str, name: str
) -> None:
    make_domain("alice.com", customer=alice)
    response = post(alice_client, "alice.com", "add", name=typed, type="TXT", ttl="300", value="hello")
    assert message_text(response).startswith(f"Added: {name} TXT hello")
    assert values(sandbox, "alice.com", name, "TXT") == ["hello"]


def test_the_priority_of_an_mx_record_is_its_own_field(sandbox: Sandbox, alice: Customer, alice_client: Client) -> None:
    make_domain("alice.com", customer=alice)
    fields = {"name": "@", "type": "MX", "ttl": "300", "value": "mx.alice.net"}
    without = post(alice_client, "alice.com", "add", **fields)
    assert without.status_code == 422
    assert "Enter a priority for the MX record" in without.text
    post(alice_client, "alice.com", "add", **fields, priority="20")
    assert values(sandbox, "alice.com", "alice.com", "MX") == ["20 mx.alice.net."]


def test_a_refused_record_shows_the_reason_and_stays_in_the_form(
    sandbox: Sandbox, alice: Customer, alice_client: Client
) -> None:
    make_domain("alice.com", customer=alice)
    typed = {"name": "@", "type": "A", "ttl": "300", "value": "nowhere"}
    for refused, status in ((post, 422), (swap, 200)):
        answer = refused(alice_client, "alice.com", "add", **typed)
        assert answer.status_code == status  # htmx does not swap a 422
        assert "valid A value" in answer.text
        assert 'value="nowhere"' in answer.text
    assert values(sandbox, "alice.com", "alice.com", "A") == []


def test_a_record_is_edited_in_place_and_removed(sandbox: Sandbox, alice: Customer, alice_client: Client) -> None:
    make_domain("alice.com", customer=alice)
    post(alice_client, "alice.com", "add", name="www", type="A", ttl="300", value="192.0.2.1")
    number = next(it.id for it in sandbox.control.records("alice.com") if it.type == "A")
    fields = {"id": number, "name": "www", "type": "A", "ttl": "60"}
    post(alice_client, "alice.com", "edit", **fields, value="192.0.2.2")
    assert values(sandbox, "alice.com", "www.alice.com", "A") == ["192.0.2.2"]
    wrong = post(alice_client, "alice.com", "edit", **(fields | {"ttl": "soon"}), value="192.0.2.3")
    assert wrong.status_code == 422
    assert f'id="record-{number}" open' in wrong.text
    post(alice_client, "alice.com", "remove", id=number)
    assert values(sandbox, "alice.com", "www.alice.com", "A") == []
    assert "no longer in the zone" in message_text(post(alice_client, "alice.com", "remove", id=number))


def test_a_policy_is_hosted_only_for_domains_of_the_zone(
    sandbox: Sandbox, alice: Customer, alice_client: Client
) -> None:
    domain = set_up_domain(sandbox, "shop.com", customer=alice)
    other = set_up_domain(sandbox, "other.com")
    swap(alice_client, "shop.com", "host_policy", domain=domain.id, policy="enforce", fault="expired")
    (site,) = sandbox.control.policies().values()
    assert ("mode: enforce" in site["policy"], site["fault"]) == (True, "expired")
    for wrong in ({"domain": other.id}, {"policy": "no"}, {"fault": "no"}):
        given = {"domain": domain.id, "policy": "enforce", "fault": ""} | wrong
        assert "Choose a domain" in swap(alice_client, "shop.com", "host_policy", **given).content.decode()
    swap(alice_client, "shop.com", "host_policy", domain=domain.id, policy="", fault="")
    assert sandbox.control.policies() == {}


def test_a_receiving_subdomain_catch_all_does_not_break_the_page(
    sandbox: Sandbox, alice: Customer, alice_client: Client
) -> None:
    domain = set_up_domain(sandbox, "shop.com", customer=alice)
    Domain.objects.filter(pk=domain.pk).update(
        mail_rules={"shop.com": "carried", "*.shop.com": "carried"},
        identity_status="SUCCESS",
        proven_at=domain.created_at,
    )
    page = alice_client.get(reverse("sandbox:zone", args=["shop.com"])).content.decode()
    assert "Inbound MX of *.shop.com" in page
