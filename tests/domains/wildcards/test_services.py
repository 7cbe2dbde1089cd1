"""Honest domains are proven beside wildcards, delegated names and lost nameservers; what is elsewhere proves none."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from accounts.models.people import Customer
from domains.checking import services as checking_services
from domains.checking.core.judgement import SesStatus
from domains.dns.core import Question
from domains.models.domains import Domain, Stage
from domains.nameservers import services as nameservers_services
from domains.nameservers.services import AnswersByQuestion
from domains.ownership import core as ownership_core
from domains.ownership.core import ClaimReason
from domains.ownership_claims import services as ownership_claims_services
from domains.wildcards import services as wildcards_services
from domains.wildcards.core import Standing
from sandbox.process import Sandbox
from tests.domains.factories import make_domain, publish, publish_proof, set_up_domain

pytestmark = pytest.mark.django_db
NAME, SERVERS = "alice.com", ("ns1.alices-host.test", "ns2.alices-host.test")
Add = Callable[..., None]


@pytest.fixture
def at_dns(sandbox: Sandbox) -> Add:
    sandbox.control.add_zone(NAME, SERVERS)
    sandbox.control.add_zone("bobs-hosting.com", ["ns1.bobs-host.test"])
    sandbox.control.add_record(NAME, f"www.{NAME}", "A", "203.0.113.7")

    def add(name: str, type: str, value: str, zone: str = NAME) -> None:  # noqa: A002 - the record's own word for it
        sandbox.control.add_record(zone, name, type, value)

    return add


def claim_of(name: str, customer: Customer) -> Domain:
    return make_domain(name, customer=customer, stage=Stage.CLAIM, claim_token="t", claim_reason="related")


def check(domain: Domain) -> None:
    Domain.objects.update(last_dns_check=None)
    checking_services.check_now(domain=domain)
    domain.refresh_from_db()


def add_all(hers: Domain, at_dns: Add, prefix: str) -> None:
    for record in hers.records:
        if record.key.startswith(prefix):
            at_dns(record.name, record.type, record.value)


@pytest.mark.parametrize(
    ("type_", "value"),
    [("MX", "10 mail.alice.com."), ("A", "203.0.113.7"), ("TXT", "v=spf1 -all"), ("CNAME", "www.alice.com.")],
)
def test_a_wildcard_of_any_type_hinders_no_challenge_and_no_setup(
    sandbox: Sandbox, alice: Customer, at_dns: Add, type_: str, value: str
) -> None:
    hers = set_up_domain(sandbox, NAME, customer=alice)
    claim = claim_of(f"shop.{NAME}", alice)
    at_dns(f"*.{NAME}", type_, value)
    publish(sandbox, hers)
    publish_proof(sandbox, claim)
    sandbox.control.tick()
    check(hers)
    assert (hers.is_proven, hers.stage) == (True, Stage.READY)
    assert ownership_claims_services.check_claim(claim)


@pytest.mark.parametrize("fault", ["servfail", "silent"])
def test_records_prove_a_domain_whose_nameservers_cannot_be_asked(
    sandbox: Sandbox, settings: Any, alice: Customer, at_dns: Add, fault: str
) -> None:
    settings.DNS_TIMEOUT_SECONDS = 0.2
    hers = set_up_domain(sandbox, NAME, customer=alice)
    claim = claim_of(f"shop.{NAME}", alice)
    publish(sandbox, hers)
    publish_proof(sandbox, claim)
    sandbox.control.tick()
    for server in SERVERS:
        sandbox.control.set_dns_fault(server, fault)
    check(hers)
    assert hers.is_proven
    assert ownership_claims_services.check_claim(claim)


def test_one_lame_nameserver_hinders_no_proof(sandbox: Sandbox, alice: Customer, at_dns: Add) -> None:
    claim = claim_of(NAME, alice)
    publish_proof(sandbox, claim)
    sandbox.control.set_dns_fault(NAME, "lame", SERVERS[0])
    assert ownership_claims_services.check_claim(claim)


def test_a_challenge_delegated_by_cname_in_a_zone_of_the_subdomain_proves_it(
    sandbox: Sandbox, alice: Customer, at_dns: Add
) -> None:
    """The nameservers of the registrable domain only refer to those of the subdomain."""
    zone = f"shop.{NAME}"
    sandbox.control.add_zone(zone, ["ns1.shops-host.test"])
    claim = claim_of(zone, alice)
    record = ownership_core.challenge(claim.parsed, claim.claim_token)
    at_dns(record.name, "CNAME", "proof.bobs-hosting.com.", zone)
    at_dns("proof.bobs-hosting.com", "TXT", record.value, "bobs-hosting.com")
    assert ownership_claims_services.check_claim(claim)


def test_a_delegated_zone_of_dkim_keys_proves_nothing(sandbox: Sandbox, bob: Customer, at_dns: Add) -> None:
    sandbox.control.add_zone(f"_domainkey.{NAME}", ["ns1.bobs-host.test"])
    his = set_up_domain(sandbox, NAME, customer=bob)
    for record in his.records:
        if record.key.startswith("dkim-"):
            at_dns(record.name, record.type, record.value, f"_domainkey.{NAME}")
    sandbox.control.tick()
    assert wildcards_services.proofs_by_ses([his]) == {}
    check(his)
    assert (his.proven_at, his.claim_reason) == (None, ClaimReason.WILDCARD)


def test_a_delegated_zone_of_dkim_keys_hinders_no_proof_by_the_txt_record(
    sandbox: Sandbox, alice: Customer, at_dns: Add
) -> None:
    sandbox.control.add_zone(f"_domainkey.{NAME}", ["ns1.bobs-host.test"])
    hers = set_up_domain(sandbox, NAME, customer=alice)
    add_all(hers, at_dns, "identity")
    sandbox.control.tick()
    check(hers)
    assert hers.is_proven


def test_dkim_keys_whose_status_is_unknown_are_not_taken_for_absent(
    sandbox: Sandbox, alice: Customer, at_dns: Add
) -> None:
    """SES verified the domain by them, and they were replaced while its status was read."""
    at_dns(f"*.{NAME}", "CNAME", "www.alice.com.")
    hers = set_up_domain(sandbox, NAME, customer=alice)
    hers.identity_status, hers.dkim_status = SesStatus.SUCCESS, SesStatus.UNKNOWN
    assert wildcards_services.proofs_by_ses([hers]) == {hers.pk: Standing.UNKNOWN}
    hers.dkim_status = SesStatus.PENDING
    assert wildcards_services.proofs_by_ses([hers]) == {hers.pk: Standing.SHARED}


def test_all_claims_of_a_batch_are_looked_at_together_and_only_those_whose_value_was_found(
    sandbox: Sandbox, alice: Customer, bob: Customer, at_dns: Add, monkeypatch: pytest.MonkeyPatch
) -> None:
    claims = [claim_of(f"shop{n}.{NAME}", alice if n % 2 else bob) for n in range(6)]
    for claim in claims[:4]:
        publish_proof(sandbox, claim)
    asked: list[str] = []
    plain = nameservers_services.query_resolvers

    def query(questions: Sequence[Question]) -> AnswersByQuestion:
        asked.append(" ".join(question.name for question in questions))
        return plain(questions)

    monkeypatch.setattr(nameservers_services, "query_resolvers", query)
    assert ownership_claims_services.check_claims(claims) == {claim.pk for claim in claims[:4]}
    (looked,) = [names for names in asked if "_inbound-admin-" in names]
    assert len(looked.split()) == 8
    assert "shop4" not in looked
