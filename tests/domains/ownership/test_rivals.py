"""Two customers claim one domain: an unproven claim blocks nobody, and the first proof decides."""

import pytest
from django.test import Client

from accounts.models.people import Customer
from domains.checking import services as checking_services
from domains.deletion import services as deletion_services
from domains.models.domains import Domain, Stage
from domains.overrides import services as overrides_services
from domains.ownership.core import TOO_LATE
from domains.ownership_claims import services as ownership_claims_services
from domains.preflight import services as preflight_services
from inbound_admin.lib import aws
from inbound_admin.lib.errors import Refused
from sandbox.process import Sandbox
from tests.api_client import api_of, ok
from tests.domains.factories import identity_at_ses, make_domain, publish_proof
from tests.factories import make_customer, make_member, make_staff

pytestmark = pytest.mark.django_db
NAME = "alice.com"


@pytest.fixture
def alice() -> Customer:
    return make_customer("Alice Ltd")


@pytest.fixture
def bobs_claim(sandbox: Sandbox) -> Domain:
    return make_domain(
        NAME, customer=make_customer("Bob Ltd"), stage=Stage.CLAIM, claim_token="b", claim_reason="related"
    )


def test_an_unproven_claim_does_not_block_another_claim(alice: Customer, bobs_claim: Domain) -> None:
    hers = preflight_services.add(text=NAME, customer=alice, actor=None)
    assert (hers.stage, hers.claim_reason) == (Stage.CLAIM, "rival")


def test_the_first_proof_wins_and_the_other_claim_shows_it(
    alice: Customer, bobs_claim: Domain, sandbox: Sandbox
) -> None:
    hers = preflight_services.add(text=NAME, customer=alice, actor=None)
    publish_proof(sandbox, hers)
    assert ownership_claims_services.check_claim(hers)
    publish_proof(sandbox, bobs_claim)
    assert not ownership_claims_services.check_claim(bobs_claim)
    bobs_claim.refresh_from_db()
    assert bobs_claim.stage == Stage.CLAIM
    assert "Another account has proven ownership" in bobs_claim.stage_problem
    assert "Alice" not in bobs_claim.stage_problem


def test_a_claim_to_a_name_that_another_proved_says_only_that_and_what_to_do(
    client: Client, alice: Customer, bobs_claim: Domain, sandbox: Sandbox
) -> None:
    hers = make_domain(NAME, customer=alice, stage=Stage.READY)
    publish_proof(sandbox, bobs_claim)
    assert not ownership_claims_services.check_claim(bobs_claim)
    bob = make_member(bobs_claim.customer, email="bob@bob.com")
    client.force_login(bob)
    page = client.get(f"/domains/{bobs_claim.pk}/").text
    assert "Another account has proven ownership of this domain." in page
    assert f"/domains/{bobs_claim.pk}/delete/" in page
    for other in ("Prove that you own", "Publish one TXT record", "Setup is delayed", "verified"):
        assert other not in page.partition('id="live"')[2].partition("</main>")[0], other
    sentence = "Another account has proven ownership of this domain."
    assert sentence in client.get("/domains/").text
    assert "another account has proven ownership of it" in client.get(f"/domains/{bobs_claim.pk}/sending/").text
    seen = ok(api_of(bob).get(f"/api/v2/domains/{bobs_claim.pk}"))
    assert sentence in str(seen)
    assert "Prove that you own" not in str(seen)
    Domain.objects.filter(pk=hers.pk).delete()
    bobs_claim.refresh_from_db()
    assert ownership_claims_services.check_claim(bobs_claim)


def test_a_claim_asks_for_the_proof_again_once_the_name_is_free(
    alice: Customer, bobs_claim: Domain, sandbox: Sandbox
) -> None:
    Domain.objects.filter(pk=bobs_claim.pk).update(stage_problem=TOO_LATE)
    bobs_claim.refresh_from_db()
    assert bobs_claim.headline == TOO_LATE
    assert not ownership_claims_services.check_claim(bobs_claim)
    bobs_claim.refresh_from_db()
    assert (bobs_claim.stage_problem, bobs_claim.headline) == ("", "Prove that you own this domain.")


def test_staff_cannot_approve_a_claim_after_another_was_proven(alice: Customer, bobs_claim: Domain) -> None:
    make_domain(NAME, customer=alice, stage=Stage.READY)
    with pytest.raises(Refused, match="another account has proven ownership"):
        ownership_claims_services.approve_claim(domain=bobs_claim, because="He asked nicely", actor=make_staff())


def test_a_proven_domain_cannot_be_claimed(alice: Customer, sandbox: Sandbox) -> None:
    make_domain(NAME, customer=make_customer("Bob Ltd"), stage=Stage.READY)
    with pytest.raises(Refused, match="already in use"):
        preflight_services.add(text=NAME, customer=alice, actor=None)


def test_a_customer_cannot_add_a_domain_twice(alice: Customer, sandbox: Sandbox) -> None:
    make_domain(NAME, customer=alice, stage=Stage.CLAIM)
    with pytest.raises(Refused, match="already in your list"):
        preflight_services.add(text=NAME, customer=alice, actor=None)


def test_a_transfer_to_a_customer_with_a_claim_is_refused(alice: Customer, bobs_claim: Domain) -> None:
    held = make_domain(NAME, customer=alice, stage=Stage.READY)
    with pytest.raises(Refused, match="Approve or delete that claim"):
        overrides_services.transfer(domain=held, to=bobs_claim.customer, because="Sold", actor=make_staff())


def test_a_late_claim_does_not_stop_other_checks(alice: Customer, bobs_claim: Domain, sandbox: Sandbox) -> None:
    make_domain(NAME, customer=alice, stage=Stage.READY)
    publish_proof(sandbox, bobs_claim)
    Domain.objects.filter(pk=bobs_claim.pk).update(next_check_at="2020-01-01T00:00Z")
    from django.utils import timezone

    assert checking_services.check_due(now=timezone.now()) >= 1


def test_the_loser_can_delete_the_claim_and_the_winners_identity_stays(
    alice: Customer, bobs_claim: Domain, sandbox: Sandbox
) -> None:
    Domain.objects.filter(pk=bobs_claim.pk).update(dkim_tokens=["t"])
    aws.client("sesv2").create_email_identity(
        EmailIdentity=NAME, Tags=[{"Key": "inbound-admin:domain", "Value": bobs_claim.id}]
    )
    make_domain(NAME, customer=alice, stage=Stage.READY)
    deletion_services.mark_for_deletion(domain=bobs_claim, typed_name=NAME, actor=make_staff())
    assert not Domain.objects.filter(pk=bobs_claim.pk).exists()
    assert identity_at_ses(NAME) is not None


def test_a_failed_lookup_is_not_reported_as_a_missing_challenge(bobs_claim: Domain, sandbox: Sandbox) -> None:
    sandbox.control.add_zone(NAME)
    sandbox.control.set_dns_fault(NAME, "servfail")
    message = checking_services.check_now(domain=bobs_claim)
    assert "couldn't check" in message
    assert "wasn't found" not in message
    assert "We couldn't check the TXT record." in Domain.objects.get(pk=bobs_claim.pk).headline
    sandbox.control.clear_dns_faults()
    Domain.objects.update(last_dns_check=None)
    checking_services.check_now(domain=Domain.objects.get(pk=bobs_claim.pk))
    assert Domain.objects.get(pk=bobs_claim.pk).headline == "Prove that you own this domain."


def test_a_challenge_with_a_mistake_is_wrong(bobs_claim: Domain, sandbox: Sandbox) -> None:
    sandbox.control.add_zone(NAME)
    sandbox.control.add_record(NAME, f"_inbound-admin-challenge.{NAME}", "TXT", r'"\"inbound-admin-claim=b\""')
    checking_services.check_now(domain=bobs_claim)
    assert bobs_claim.record_checks.get(key="challenge").state == "wrong"
