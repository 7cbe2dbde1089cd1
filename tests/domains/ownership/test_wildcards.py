"""A wildcard of Alice's domain leads into Bob's zone: what he publishes there never proves her domain."""

from collections.abc import Callable
from typing import Any

import pytest

from accounts.models.people import Customer
from domains.checking import services as checking_services
from domains.deletion import services as deletion_services
from domains.dns.core import Question
from domains.identity import services as identity_services
from domains.models.domains import Domain, Stage
from domains.ownership import core as ownership_core
from domains.ownership.core import ClaimReason
from domains.ownership_claims import services as ownership_claims_services
from domains.preflight import services as preflight_services
from domains.wildcards import services as wildcards_services
from domains.wildcards.core import sibling_of
from notifications.models.alerts import Alert
from sandbox.process import Sandbox
from tests.domains.factories import (
    identity_at_ses,
    make_domain,
    publish,
    publish_proof,
    set_up_domain,
)

pytestmark = pytest.mark.django_db
NAME, TARGET = "alice.com", "app.bobs-hosting.com"
Publish = Callable[..., None]


@pytest.fixture
def at_dns(sandbox: Sandbox) -> Publish:
    """Return a function that adds a record in the zone of its name."""
    sandbox.control.add_zone(NAME, ["ns1.alices-host.test", "ns2.alices-host.test"])
    sandbox.control.add_zone("bobs-hosting.com", ["ns1.bobs-host.test"])

    def add(name: str, type: str, value: str) -> None:  # noqa: A002 - the record's own word for it
        sandbox.control.add_record(sandbox.control.zone_for(name.removeprefix("*.")) or "", name, type, value)

    return add


@pytest.fixture
def bobs_claim(at_dns: Publish, bob: Customer) -> Domain:
    return make_domain(NAME, customer=bob, stage=Stage.CLAIM, claim_token="b", claim_reason="related")


def value_of(claim: Domain) -> str:
    return ownership_core.challenge(claim.parsed, claim.claim_token).value


def challenge_name(claim: Domain) -> str:
    return f"{ownership_core.LABEL}.{claim.name}"


def check(domain: Domain) -> str:
    Domain.objects.update(last_dns_check=None)
    message = checking_services.check_now(domain=domain)
    domain.refresh_from_db()
    return message


# The challenge


def test_a_challenge_behind_a_wildcard_cname_proves_nothing_and_the_page_says_what_to_add(
    bobs_claim: Domain, at_dns: Publish
) -> None:
    at_dns(f"*.{NAME}", "CNAME", TARGET)
    at_dns(TARGET, "TXT", value_of(bobs_claim))
    message = check(bobs_claim)
    assert (bobs_claim.stage, bobs_claim.proven_at) == (Stage.CLAIM, None)
    assert "Add the TXT record itself at exactly this name" in message
    assert "wildcard" in bobs_claim.headline
    seen = bobs_claim.record_checks.get()
    assert (seen.state, seen.code, seen.verified_at) == ("wrong", "dns.rival.wildcard", None)


def test_the_record_itself_proves_the_domain_beside_the_wildcard(
    sandbox: Sandbox, alice: Customer, bobs_claim: Domain, at_dns: Publish
) -> None:
    at_dns(f"*.{NAME}", "CNAME", TARGET)
    at_dns(TARGET, "TXT", value_of(bobs_claim))
    hers = preflight_services.add(text=NAME, customer=alice, actor=None)
    publish_proof(sandbox, hers)
    assert ownership_claims_services.check_claim(hers)
    assert not ownership_claims_services.check_claim(bobs_claim)
    assert Domain.objects.get(pk=hers.pk).is_proven


def test_a_value_in_a_wildcard_text_record_proves_nothing(bobs_claim: Domain, at_dns: Publish) -> None:
    at_dns(f"*.{NAME}", "TXT", value_of(bobs_claim))
    check(bobs_claim)
    assert bobs_claim.stage == Stage.CLAIM


def test_another_text_of_a_wildcard_spoils_no_proof(sandbox: Sandbox, bobs_claim: Domain, at_dns: Publish) -> None:
    at_dns(f"*.{NAME}", "TXT", "v=spf1 -all")
    publish_proof(sandbox, bobs_claim)
    assert ownership_claims_services.check_claim(bobs_claim)


def test_a_cname_placed_at_the_name_of_the_challenge_proves_the_domain(bobs_claim: Domain, at_dns: Publish) -> None:
    at_dns(challenge_name(bobs_claim), "CNAME", TARGET)
    at_dns(TARGET, "TXT", value_of(bobs_claim))
    assert ownership_claims_services.check_claim(bobs_claim)


def test_no_cname_counts_where_a_wildcard_has_one_too(bobs_claim: Domain, at_dns: Publish) -> None:
    """A DNS host may choose the target of a wildcard at random (weighted records)."""
    at_dns(challenge_name(bobs_claim), "CNAME", TARGET)
    at_dns(TARGET, "TXT", value_of(bobs_claim))
    at_dns(f"*.{NAME}", "CNAME", "other.bobs-hosting.com")
    check(bobs_claim)
    assert bobs_claim.stage == Stage.CLAIM


def test_a_challenge_behind_a_dname_proves_nothing(bobs_claim: Domain, at_dns: Publish) -> None:
    at_dns(NAME, "DNAME", "bobs-hosting.com")
    at_dns(f"{ownership_core.LABEL}.bobs-hosting.com", "TXT", value_of(bobs_claim))
    check(bobs_claim)
    assert bobs_claim.stage == Stage.CLAIM


@pytest.mark.parametrize("wildcard", [f"*.{NAME}", f"*.shop.{NAME}"])
def test_a_wildcard_above_a_subdomain_or_below_it_proves_nothing(bob: Customer, at_dns: Publish, wildcard: str) -> None:
    claim = make_domain(f"shop.{NAME}", customer=bob, stage=Stage.CLAIM, claim_token="b", claim_reason="related")
    at_dns(wildcard, "CNAME", TARGET)
    at_dns(TARGET, "TXT", value_of(claim))
    check(claim)
    assert claim.stage == Stage.CLAIM


@pytest.mark.parametrize("fault", ["servfail", "silent"])
def test_a_failed_lookup_of_the_sibling_waits(
    sandbox: Sandbox, settings: Any, bobs_claim: Domain, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.DNS_TIMEOUT_SECONDS = 0.2
    publish_proof(sandbox, bobs_claim)
    monkeypatch.setattr("domains.wildcards.services.secrets.token_hex", lambda _: "drawn")
    sandbox.control.set_dns_fault(f"_inbound-admin-drawn.{NAME}", fault)
    message = check(bobs_claim)
    assert ownership_core.FOUND_UNCHECKED in message
    assert (bobs_claim.stage, bobs_claim.record_checks.get().state) == (Stage.CLAIM, "could_not_check")
    assert ownership_core.FOUND_UNCHECKED in bobs_claim.headline
    sandbox.control.clear_dns_faults()
    assert "Ownership is proven" in check(bobs_claim)


def test_the_sibling_is_another_one_each_time(
    sandbox: Sandbox, bobs_claim: Domain, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[str] = []

    def draw(question: Question, label: str) -> Question:
        drawn.append(label)
        return sibling_of(question, label)

    monkeypatch.setattr(wildcards_services, "sibling_of", draw)
    record = ownership_core.challenge(bobs_claim.parsed, bobs_claim.claim_token)
    for _ in range(2):
        wildcards_services.standings_of_challenges({bobs_claim: record})
    assert len(set(drawn)) == 2


# The records of SES


def test_a_txt_record_of_ses_behind_a_wildcard_takes_the_setup_back(
    sandbox: Sandbox, alice: Customer, bob: Customer, at_dns: Publish
) -> None:
    at_dns(f"*.{NAME}", "CNAME", TARGET)
    his = set_up_domain(sandbox, NAME, customer=bob)
    assert his.stage == Stage.READY
    at_dns(TARGET, "TXT", his.verification_token)
    sandbox.control.tick()
    message = check(his)
    assert (his.stage, his.proven_at, his.verified_at) == (Stage.CLAIM, None, None)
    assert his.claim_reason == ClaimReason.WILDCARD
    assert "wildcard" in message
    alert = Alert.objects.get(kind="domain.undone")
    assert (alert.state, alert.customer_id) == ("open", bob.pk)
    assert "A wildcard record (*)" in alert.why
    assert f"Publish the record shown on the page of {NAME} to set it up again." in alert.why
    assert (his.identity_status, his.dkim_tokens) == ("", [])
    deletion_services.delete_displaced_identity(domain_id=his.id)
    assert identity_at_ses(NAME) is None
    check(his)
    assert his.stage == Stage.CLAIM
    hers = preflight_services.add(text=NAME, customer=alice, actor=None)
    publish_proof(sandbox, hers)
    assert ownership_claims_services.check_claim(hers)
    identity_services.set_up(domain_id=hers.id)
    assert Domain.objects.get(pk=hers.pk).stage == Stage.READY


def test_a_txt_record_that_is_removed_after_ses_saw_it_takes_the_setup_back_too(
    sandbox: Sandbox, bob: Customer, at_dns: Publish
) -> None:
    at_dns(f"*.{NAME}", "CNAME", TARGET)
    his = set_up_domain(sandbox, NAME, customer=bob)
    at_dns(TARGET, "TXT", his.verification_token)
    sandbox.control.tick()
    for record in sandbox.control.records("bobs-hosting.com"):
        if record.type == "TXT":
            sandbox.control.remove_record("bobs-hosting.com", record.id)
    check(his)
    assert his.claim_reason == ClaimReason.WILDCARD


def test_the_form_of_the_txt_record_at_the_domain_itself_counts_only_without_an_alias(
    sandbox: Sandbox, bob: Customer, at_dns: Publish
) -> None:
    at_dns(f"www.{NAME}", "CNAME", TARGET)
    his = set_up_domain(sandbox, f"www.{NAME}", customer=bob)
    at_dns(TARGET, "TXT", f"amazonses:{his.verification_token}")
    sandbox.control.tick()
    check(his)
    assert his.claim_reason == ClaimReason.WILDCARD


def test_records_at_their_own_names_prove_the_domain_beside_a_wildcard(
    sandbox: Sandbox, alice: Customer, at_dns: Publish
) -> None:
    at_dns(f"*.{NAME}", "CNAME", TARGET)
    hers = set_up_domain(sandbox, NAME, customer=alice)
    publish(sandbox, hers)
    sandbox.control.tick()
    check(hers)
    assert (hers.is_proven, hers.state, hers.verified_at is not None) == (True, "verified", True)


@pytest.mark.parametrize("kept", ["identity", "dkim-"])
def test_the_txt_record_or_the_dkim_records_alone_prove_the_domain(
    sandbox: Sandbox, alice: Customer, at_dns: Publish, kept: str
) -> None:
    at_dns(f"*.{NAME}", "CNAME", TARGET)
    hers = set_up_domain(sandbox, NAME, customer=alice)
    for record in hers.records:
        if record.key.startswith(kept):
            at_dns(record.name, record.type, record.value)
    sandbox.control.tick()
    check(hers)
    assert hers.is_proven


def test_dkim_records_behind_a_dname_prove_nothing(sandbox: Sandbox, bob: Customer, at_dns: Publish) -> None:
    at_dns(f"_domainkey.{NAME}", "DNAME", "_domainkey.bobs-hosting.com")
    his = set_up_domain(sandbox, NAME, customer=bob)
    for record in his.records:
        if record.key.startswith("dkim-"):
            at_dns(record.name.replace(NAME, "bobs-hosting.com"), record.type, record.value)
    sandbox.control.tick()
    check(his)
    assert not his.is_proven


def test_a_failed_lookup_of_the_sibling_is_neither_a_proof_nor_a_refusal(
    sandbox: Sandbox, alice: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    hers = set_up_domain(sandbox, NAME, customer=alice)
    publish(sandbox, hers)
    sandbox.control.tick()
    monkeypatch.setattr("domains.wildcards.services.secrets.token_hex", lambda _: "drawn")
    for name in (NAME, f"_domainkey.{NAME}"):
        sandbox.control.set_dns_fault(f"_inbound-admin-drawn.{name}", "servfail")
    message = check(hers)
    assert (hers.stage, hers.proven_at, hers.verified_at) == (Stage.READY, None, None)
    assert (hers.state, hers.summary) == ("could_not_check", ownership_core.PROOF_UNCHECKED)
    assert ownership_core.PROOF_UNCHECKED in message
    sandbox.control.clear_dns_faults()
    check(hers)
    assert (hers.is_proven, hers.state) == (True, "verified")


def test_a_proven_domain_stays_with_its_holder_whatever_a_wildcard_answers(
    sandbox: Sandbox, alice: Customer, at_dns: Publish
) -> None:
    hers = set_up_domain(sandbox, NAME, customer=alice)
    publish(sandbox, hers)
    sandbox.control.tick()
    check(hers)
    for record in sandbox.control.records(NAME):
        if record.type in ("TXT", "CNAME"):
            sandbox.control.remove_record(NAME, record.id)
    at_dns(f"*.{NAME}", "CNAME", TARGET)
    at_dns(TARGET, "TXT", hers.verification_token)
    sandbox.control.tick()
    check(hers)
    assert (hers.stage, hers.is_proven) == (Stage.READY, True)
