"""Bob adds Alice's names without a proof. She proves hers, and what he has gives way; what he has proven does not."""

from dataclasses import replace
from typing import Any

import pytest
from django.core import mail
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from accounts.models.people import Customer
from audit.models import Change
from domains.adoption import services as adoption_services
from domains.adoption.services import AdoptionRequest
from domains.checking import services as checking_services
from domains.deletion import services as deletion_services
from domains.identity import services as identity_services
from domains.models.domains import Domain, Stage
from domains.ownership.core import ClaimReason
from domains.ownership_claims import services as ownership_claims_services
from domains.preflight import services as preflight_services
from domains.settings import services as settings_services
from domains.settings.services import desired_settings
from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsProblem, Refused
from notifications.email import services as email_services
from notifications.models.alerts import Alert
from operations.reconciler import services as reconciler_services
from sandbox.process import Sandbox
from tests.domains.factories import (
    at_amazon,
    carry_out_deletion,
    make_domain,
    proven,
    publish,
    publish_proof,
    set_up_domain,
    waiting_jobs,
)
from tests.factories import make_staff

pytestmark = pytest.mark.django_db
NAME = "alice.com"


def squatted(sandbox: Sandbox, bob: Customer, name: str = NAME) -> Domain:
    """Bob's, set up at Amazon and waiting for records that he cannot publish."""
    domain = set_up_domain(sandbox, name, customer=bob)
    assert (domain.stage, domain.proven_at) == (Stage.READY, None)
    return domain


def prove(sandbox: Sandbox, domain: Domain) -> Domain:
    """By the record, and then set up."""
    publish_proof(sandbox, domain)
    assert ownership_claims_services.check_claim(domain)
    identity_services.set_up(domain_id=domain.id)
    domain.refresh_from_db()
    return domain


def made_for(name: str) -> dict[str, str]:
    found: dict[str, Any] = at_amazon(name) or {"Tags": []}
    return {tag["Key"]: tag["Value"] for tag in found["Tags"]}


@pytest.mark.parametrize("stage", [Stage.STARTING, Stage.READY])
def test_an_unproven_row_in_any_stage_refuses_nobody(sandbox: Sandbox, alice: Customer, stage: Stage) -> None:
    make_domain(NAME, stage=stage, proven_at=None)
    hers = preflight_services.add(text=NAME, customer=alice, actor=None)
    assert (hers.stage, hers.claim_reason) == (Stage.CLAIM, ClaimReason.RIVAL)


@pytest.mark.parametrize("stage", [Stage.STARTING, Stage.READY, Stage.DELETING])
def test_a_proven_row_in_any_stage_refuses_everybody_also_when_its_records_are_gone(
    sandbox: Sandbox, alice: Customer, stage: Stage
) -> None:
    make_domain(NAME, stage=stage, state="at_risk", known_state="at_risk")
    with pytest.raises(Refused) as refused:
        preflight_services.add(text=NAME, customer=alice, actor=None)
    assert refused.value.code == "DOMAIN_ALREADY_REGISTERED"


@pytest.mark.parametrize(("bobs", "hers"), [("shop.alice.com", NAME), (NAME, "shop.alice.com")])
def test_an_unproven_row_below_or_above_asks_no_proof_of_the_owner(
    sandbox: Sandbox, alice: Customer, bob: Customer, bobs: str, hers: str
) -> None:
    make_domain(bobs, customer=bob, stage=Stage.READY, proven_at=None)
    assert preflight_services.add(text=hers, customer=alice, actor=None).stage == Stage.STARTING
    assert mail.outbox == []


def test_the_owner_who_proves_hers_displaces_what_was_set_up_and_gets_an_identity_of_her_own(
    sandbox: Sandbox, alice: Customer, bob: Customer
) -> None:
    bobs = squatted(sandbox, bob)
    tenant = "bobs-tenant"
    client = aws.client("sesv2")
    client.create_tenant(TenantName=tenant)
    client.create_tenant_resource_association(TenantName=tenant, ResourceArn=aws.identity_arn(NAME))
    hers = prove(sandbox, preflight_services.add(text=NAME, customer=alice, actor=None))
    bobs.refresh_from_db()
    assert (hers.stage, hers.adopted) == (Stage.READY, False)
    assert hers.proven_at is not None
    assert hers.id in made_for(NAME).values()
    assert client.list_tenant_resources(TenantName=tenant)["TenantResources"] == []
    assert (bobs.stage, bobs.dkim_tokens, bobs.verification_token) == (Stage.CLAIM, [], "")
    assert "Another account" in bobs.stage_problem


def test_the_loser_is_told_once_and_not_by_whom(sandbox: Sandbox, alice: Customer, bob: Customer) -> None:
    bobs = squatted(sandbox, bob)
    hers = preflight_services.add(text=NAME, customer=alice, actor=None)
    prove(sandbox, hers)
    email_services.send_due(now=timezone.now())
    (message,) = [message for message in mail.outbox if message.to == ["bob@bob.example"]]
    assert "has proven ownership" in message.body
    assert "Alice" not in f"{message.subject}{message.body}"
    assert Change.objects.filter(what="domain.displaced", object_id=bobs.id).count() == 1
    publish_proof(sandbox, bobs)
    bobs.refresh_from_db()
    assert not ownership_claims_services.check_claim(bobs)


@pytest.mark.parametrize(("bobs", "hers"), [("shop.alice.com", NAME), (NAME, "shop.alice.com")])
def test_a_proof_sends_unproven_neighbours_back_and_takes_their_identity_away(
    sandbox: Sandbox, alice: Customer, bob: Customer, bobs: str, hers: str
) -> None:
    his = squatted(sandbox, bob, bobs)
    own = set_up_domain(sandbox, hers, customer=alice)
    publish(sandbox, own)
    sandbox.control.tick()
    checking_services.check_now(domain=own)
    his.refresh_from_db()
    assert (his.stage, his.claim_reason, his.stage_problem) == (Stage.CLAIM, ClaimReason.RELATED, "")
    assert "domains.unmake" in waiting_jobs(his)
    deletion_services.delete_displaced_identity(domain_id=his.id)
    his.refresh_from_db()
    assert (at_amazon(bobs), his.identity_deletion_wanted) == (None, False)
    assert at_amazon(hers) is not None
    assert Alert.objects.get(kind="domain.displaced").object_id == his.id


def test_a_neighbour_that_is_proven_stays_as_it_is(sandbox: Sandbox, alice: Customer, bob: Customer) -> None:
    his = proven(squatted(sandbox, bob, "shop.alice.com"))
    hers = preflight_services.add(text=NAME, customer=alice, actor=None)
    assert hers.claim_reason == ClaimReason.RELATED
    prove(sandbox, hers)
    his.refresh_from_db()
    assert (his.stage, his.identity_deletion_wanted) == (Stage.READY, False)


def test_a_neighbour_who_proves_his_after_all_is_set_up_again_and_the_alert_is_over(
    sandbox: Sandbox, alice: Customer, bob: Customer
) -> None:
    his = squatted(sandbox, bob, "shop.alice.com")
    prove(sandbox, claimed(preflight_services.add(text=NAME, customer=alice, actor=None)))
    his.refresh_from_db()
    assert his.stage == Stage.CLAIM
    prove(sandbox, his)
    assert his.stage == Stage.READY
    assert his.id in made_for("shop.alice.com").values()
    assert Alert.objects.get(kind="domain.displaced").state == "recovered"
    deletion_services.delete_displaced_identity(domain_id=his.id)
    assert at_amazon("shop.alice.com") is not None


def claimed(domain: Domain) -> Domain:
    """As a claim that waits for its proof."""
    ownership_claims_services.require_proof(domain, ClaimReason.RECORDS_ANSWER)
    return domain


def test_an_identity_that_could_not_be_unmade_is_tried_again(sandbox: Sandbox, alice: Customer, bob: Customer) -> None:
    his = squatted(sandbox, bob, "shop.alice.com")
    prove(sandbox, claimed(preflight_services.add(text=NAME, customer=alice, actor=None)))
    sandbox.control.add_fault("error", "DeleteEmailIdentity", times=3)
    with pytest.raises(AwsProblem):
        deletion_services.delete_displaced_identity(domain_id=his.id)
    his.refresh_from_db()
    assert his.identity_deletion_wanted
    ProcrastinateJob.objects.filter(task_name="domains.unmake").delete()
    reconciler_services.queue_unfinished()
    assert ProcrastinateJob.objects.filter(task_name="domains.unmake", status="todo").count() == 1
    deletion_services.delete_displaced_identity(domain_id=his.id)
    assert at_amazon("shop.alice.com") is None


def test_records_that_amazon_confirms_prove_a_domain_and_it_stays_proven_without_them(
    sandbox: Sandbox, alice: Customer, bob: Customer
) -> None:
    hers = set_up_domain(sandbox, NAME, customer=alice)
    publish(sandbox, hers)
    sandbox.control.tick()
    checking_services.check_now(domain=hers)
    hers.refresh_from_db()
    assert hers.is_proven
    for record in sandbox.control.records(NAME):
        if record.type not in ("SOA", "NS"):
            sandbox.control.remove_record(NAME, record.id)
    Domain.objects.filter(pk=hers.pk).update(last_dns_check=None)
    checking_services.check_now(domain=Domain.objects.get(pk=hers.pk))
    hers.refresh_from_db()
    assert hers.is_proven
    with pytest.raises(Refused):
        preflight_services.add(text=NAME, customer=bob, actor=None)


def test_old_records_never_prove_a_domain_for_a_stranger(sandbox: Sandbox, alice: Customer, bob: Customer) -> None:
    """Alice leaves, her records stay: Bob has to prove the name, and she can come back."""
    gone = set_up_domain(sandbox, NAME, customer=alice)
    publish(sandbox, gone)
    deletion_services.mark_for_deletion(domain=gone, typed_name=NAME, actor=make_staff())
    carry_out_deletion(domain_id=gone.id)
    bobs = set_up_domain(sandbox, NAME, customer=bob)
    sandbox.control.tick()
    checking_services.check_now(domain=bobs)
    bobs.refresh_from_db()
    assert (bobs.stage, bobs.is_proven) == (Stage.CLAIM, False)
    assert prove(sandbox, preflight_services.add(text=NAME, customer=alice, actor=None)).is_proven


def test_a_claim_to_a_name_below_ones_own_domain_asks_no_proof_of_its_holder(
    sandbox: Sandbox, alice: Customer, bob: Customer
) -> None:
    make_domain(NAME, customer=alice, stage=Stage.READY)
    make_domain("shop.alice.com", customer=bob, stage=Stage.CLAIM)
    assert preflight_services.add(text="shop.alice.com", customer=alice, actor=None).stage == Stage.STARTING


def test_a_name_for_bounces_is_not_taken_by_a_stranger_without_a_proof(
    sandbox: Sandbox, alice: Customer, bob: Customer
) -> None:
    hers = proven(set_up_domain(sandbox, NAME, customer=alice))
    his = make_domain("post.alice.com", customer=bob, stage=Stage.READY, proven_at=None)
    wanted = replace(desired_settings(hers), mail_from_label="post")
    settings_services.configure(domain=hers, desired=wanted, actor=make_staff())
    hers.refresh_from_db()
    assert hers.mail_from == his.name
    proven(his)
    settings_services.configure(domain=hers, desired=replace(wanted, mail_from_label="bounce"), actor=make_staff())
    with pytest.raises(Refused, match="can't be the MAIL FROM domain"):
        settings_services.configure(domain=hers, desired=wanted, actor=make_staff())


def test_our_staff_adopt_an_identity_past_whoever_has_not_proven_it(
    sandbox: Sandbox, alice: Customer, bob: Customer
) -> None:
    bobs = squatted(sandbox, bob)
    wish = AdoptionRequest(customer=alice, actor=None, because="It is hers")
    (outcome,) = adoption_services.adopt(names=[NAME], request=wish)
    bobs.refresh_from_db()
    assert (outcome.status, bobs.stage) == (adoption_services.AdoptionStatus.ADOPT, Stage.CLAIM)
    assert Domain.objects.get(pk=outcome.domain_id).is_proven


def test_our_staff_adopt_nothing_that_another_has_proven(sandbox: Sandbox, alice: Customer, bob: Customer) -> None:
    bobs = proven(squatted(sandbox, bob))
    (outcome,) = adoption_services.adopt(
        names=[NAME], request=AdoptionRequest(customer=alice, actor=None, because="It is hers")
    )
    bobs.refresh_from_db()
    assert (outcome.status, bobs.stage) == (adoption_services.AdoptionStatus.TAKEN, Stage.READY)


def test_an_import_stores_a_claim_beside_an_unproven_row(sandbox: Sandbox, alice: Customer, bob: Customer) -> None:
    make_domain(NAME, customer=bob, stage=Stage.READY, proven_at=None)
    wish = AdoptionRequest(customer=alice, actor=None, because="Moved in")
    outcome = adoption_services.import_domain(name=NAME, request=wish, found=adoption_services.SesIdentities({}))
    assert Domain.objects.get(pk=outcome.domain_id).stage == Stage.CLAIM


def test_staff_vouch_for_a_domain_that_waits_for_its_records(sandbox: Sandbox, alice: Customer, bob: Customer) -> None:
    hers = squatted(sandbox, alice)
    ownership_claims_services.approve_claim(domain=hers, because="Known in person", actor=make_staff())
    hers.refresh_from_db()
    assert (hers.stage, hers.is_proven) == (Stage.READY, True)
    with pytest.raises(Refused):
        preflight_services.add(text=NAME, customer=bob, actor=None)
    with pytest.raises(Refused, match="no claim to approve"):
        ownership_claims_services.approve_claim(domain=hers, because="Again", actor=make_staff())


def test_a_proof_while_the_other_row_is_being_deleted_waits_for_it(
    sandbox: Sandbox, alice: Customer, bob: Customer
) -> None:
    bobs = squatted(sandbox, bob)
    hers = preflight_services.add(text=NAME, customer=alice, actor=None)
    deletion_services.mark_for_deletion(domain=bobs, typed_name=NAME, actor=make_staff())
    publish_proof(sandbox, hers)
    assert not ownership_claims_services.check_claim(hers)
    hers.refresh_from_db()
    assert "as soon as that's finished" in hers.stage_problem
    carry_out_deletion(domain_id=bobs.id)
    assert ownership_claims_services.check_claim(hers)
