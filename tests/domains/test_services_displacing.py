"""Bob adds Alice's names without a proof. Her proof displaces his unproven domains, but not his proven ones."""

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
    delete_marked_domain,
    identity_at_ses,
    make_domain,
    mark_as_proven,
    publish,
    publish_proof,
    set_up_domain,
    waiting_jobs,
)
from tests.factories import make_staff

pytestmark = pytest.mark.django_db
NAME = "alice.com"


def set_up_unproven(sandbox: Sandbox, bob: Customer, name: str = NAME) -> Domain:
    """Return Bob's domain, set up at SES and waiting for records that he cannot publish."""
    domain = set_up_domain(sandbox, name, customer=bob)
    assert (domain.stage, domain.proven_at) == (Stage.READY, None)
    return domain


def prove(sandbox: Sandbox, domain: Domain) -> Domain:
    """Prove the domain by its challenge, then set it up."""
    publish_proof(sandbox, domain)
    assert ownership_claims_services.check_claim(domain)
    identity_services.set_up(domain_id=domain.id)
    domain.refresh_from_db()
    return domain


def tags_of(name: str) -> dict[str, str]:
    found: dict[str, Any] = identity_at_ses(name) or {"Tags": []}
    return {tag["Key"]: tag["Value"] for tag in found["Tags"]}


@pytest.mark.parametrize("stage", [Stage.STARTING, Stage.READY])
def test_an_unproven_domain_in_any_stage_does_not_block_a_claim(
    sandbox: Sandbox, alice: Customer, stage: Stage
) -> None:
    make_domain(NAME, stage=stage, proven_at=None)
    hers = preflight_services.add(text=NAME, customer=alice, actor=None)
    assert (hers.stage, hers.claim_reason) == (Stage.CLAIM, ClaimReason.RIVAL)


@pytest.mark.parametrize("stage", [Stage.STARTING, Stage.READY, Stage.DELETING])
def test_a_proven_domain_blocks_others_even_when_at_risk(sandbox: Sandbox, alice: Customer, stage: Stage) -> None:
    make_domain(NAME, stage=stage, state="at_risk", known_state="at_risk")
    with pytest.raises(Refused) as refused:
        preflight_services.add(text=NAME, customer=alice, actor=None)
    assert refused.value.code == "DOMAIN_ALREADY_REGISTERED"


@pytest.mark.parametrize(("bobs", "hers"), [("shop.alice.com", NAME), (NAME, "shop.alice.com")])
def test_an_unproven_domain_below_or_above_requires_no_proof_of_the_owner(
    sandbox: Sandbox, alice: Customer, bob: Customer, bobs: str, hers: str
) -> None:
    make_domain(bobs, customer=bob, stage=Stage.READY, proven_at=None)
    assert preflight_services.add(text=hers, customer=alice, actor=None).stage == Stage.STARTING
    assert mail.outbox == []


def test_a_proof_displaces_an_unproven_domain_and_creates_a_new_identity(
    sandbox: Sandbox, alice: Customer, bob: Customer
) -> None:
    bobs = set_up_unproven(sandbox, bob)
    tenant = "bobs-tenant"
    client = aws.client("sesv2")
    client.create_tenant(TenantName=tenant)
    client.create_tenant_resource_association(TenantName=tenant, ResourceArn=aws.identity_arn(NAME))
    hers = prove(sandbox, preflight_services.add(text=NAME, customer=alice, actor=None))
    bobs.refresh_from_db()
    assert (hers.stage, hers.adopted) == (Stage.READY, False)
    assert hers.proven_at is not None
    assert hers.id in tags_of(NAME).values()
    assert client.list_tenant_resources(TenantName=tenant)["TenantResources"] == []
    assert (bobs.stage, bobs.dkim_tokens, bobs.verification_token) == (Stage.CLAIM, [], "")
    assert "Another account" in bobs.stage_problem


def test_the_displaced_customer_is_notified_once_without_the_owners_name(
    sandbox: Sandbox, alice: Customer, bob: Customer
) -> None:
    bobs = set_up_unproven(sandbox, bob)
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
def test_a_proof_displaces_unproven_related_domains_and_deletes_their_identities(
    sandbox: Sandbox, alice: Customer, bob: Customer, bobs: str, hers: str
) -> None:
    his = set_up_unproven(sandbox, bob, bobs)
    own = set_up_domain(sandbox, hers, customer=alice)
    publish(sandbox, own)
    sandbox.control.tick()
    checking_services.check_now(domain=own)
    his.refresh_from_db()
    assert (his.stage, his.claim_reason, his.stage_problem) == (Stage.CLAIM, ClaimReason.RELATED, "")
    assert "domains.unmake" in waiting_jobs(his)
    deletion_services.delete_displaced_identity(domain_id=his.id)
    his.refresh_from_db()
    assert (identity_at_ses(bobs), his.identity_deletion_wanted) == (None, False)
    assert identity_at_ses(hers) is not None
    assert Alert.objects.get(kind="domain.displaced").object_id == his.id


def test_a_proven_related_domain_is_kept(sandbox: Sandbox, alice: Customer, bob: Customer) -> None:
    his = mark_as_proven(set_up_unproven(sandbox, bob, "shop.alice.com"))
    hers = preflight_services.add(text=NAME, customer=alice, actor=None)
    assert hers.claim_reason == ClaimReason.RELATED
    prove(sandbox, hers)
    his.refresh_from_db()
    assert (his.stage, his.identity_deletion_wanted) == (Stage.READY, False)


def test_a_displaced_domain_that_is_proven_later_is_set_up_again(
    sandbox: Sandbox, alice: Customer, bob: Customer
) -> None:
    his = set_up_unproven(sandbox, bob, "shop.alice.com")
    prove(sandbox, require_proof(preflight_services.add(text=NAME, customer=alice, actor=None)))
    his.refresh_from_db()
    assert his.stage == Stage.CLAIM
    prove(sandbox, his)
    assert his.stage == Stage.READY
    assert his.id in tags_of("shop.alice.com").values()
    assert Alert.objects.get(kind="domain.displaced").state == "recovered"
    deletion_services.delete_displaced_identity(domain_id=his.id)
    assert identity_at_ses("shop.alice.com") is not None


def require_proof(domain: Domain) -> Domain:
    """Turn the domain into a claim that waits for its proof."""
    ownership_claims_services.require_proof(domain, ClaimReason.RECORDS_ANSWER)
    return domain


def test_a_failed_deletion_of_a_displaced_identity_is_retried(sandbox: Sandbox, alice: Customer, bob: Customer) -> None:
    his = set_up_unproven(sandbox, bob, "shop.alice.com")
    prove(sandbox, require_proof(preflight_services.add(text=NAME, customer=alice, actor=None)))
    sandbox.control.add_fault("error", "DeleteEmailIdentity", times=3)
    with pytest.raises(AwsProblem):
        deletion_services.delete_displaced_identity(domain_id=his.id)
    his.refresh_from_db()
    assert his.identity_deletion_wanted
    ProcrastinateJob.objects.filter(task_name="domains.unmake").delete()
    reconciler_services.queue_unfinished()
    assert ProcrastinateJob.objects.filter(task_name="domains.unmake", status="todo").count() == 1
    deletion_services.delete_displaced_identity(domain_id=his.id)
    assert identity_at_ses("shop.alice.com") is None


def test_verified_records_prove_a_domain_and_the_proof_outlives_them(
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


def test_old_records_never_prove_a_domain_for_another_customer(
    sandbox: Sandbox, alice: Customer, bob: Customer
) -> None:
    """Alice deletes it and her records stay: Bob has to prove the name, and she can add it again."""
    gone = set_up_domain(sandbox, NAME, customer=alice)
    publish(sandbox, gone)
    deletion_services.mark_for_deletion(domain=gone, typed_name=NAME, actor=make_staff())
    delete_marked_domain(domain_id=gone.id)
    bobs = set_up_domain(sandbox, NAME, customer=bob)
    sandbox.control.tick()
    checking_services.check_now(domain=bobs)
    bobs.refresh_from_db()
    assert (bobs.stage, bobs.is_proven) == (Stage.CLAIM, False)
    assert prove(sandbox, preflight_services.add(text=NAME, customer=alice, actor=None)).is_proven


def test_a_claim_below_a_customers_own_domain_requires_no_proof_of_them(
    sandbox: Sandbox, alice: Customer, bob: Customer
) -> None:
    make_domain(NAME, customer=alice, stage=Stage.READY)
    make_domain("shop.alice.com", customer=bob, stage=Stage.CLAIM)
    assert preflight_services.add(text="shop.alice.com", customer=alice, actor=None).stage == Stage.STARTING


def test_a_mail_from_name_is_reserved_only_by_a_proven_domain(sandbox: Sandbox, alice: Customer, bob: Customer) -> None:
    hers = mark_as_proven(set_up_domain(sandbox, NAME, customer=alice))
    his = make_domain("post.alice.com", customer=bob, stage=Stage.READY, proven_at=None)
    wanted = replace(desired_settings(hers), mail_from_label="post")
    settings_services.configure(domain=hers, desired=wanted, actor=make_staff())
    hers.refresh_from_db()
    assert hers.mail_from == his.name
    mark_as_proven(his)
    settings_services.configure(domain=hers, desired=replace(wanted, mail_from_label="bounce"), actor=make_staff())
    with pytest.raises(Refused, match="can't be the MAIL FROM domain"):
        settings_services.configure(domain=hers, desired=wanted, actor=make_staff())


def test_staff_can_adopt_an_identity_of_an_unproven_domain(sandbox: Sandbox, alice: Customer, bob: Customer) -> None:
    bobs = set_up_unproven(sandbox, bob)
    request = AdoptionRequest(customer=alice, actor=None, because="It is hers")
    (outcome,) = adoption_services.adopt(names=[NAME], request=request)
    bobs.refresh_from_db()
    assert (outcome.status, bobs.stage) == (adoption_services.AdoptionStatus.ADOPT, Stage.CLAIM)
    assert Domain.objects.get(pk=outcome.domain_id).is_proven


def test_staff_cannot_adopt_an_identity_of_a_proven_domain(sandbox: Sandbox, alice: Customer, bob: Customer) -> None:
    bobs = mark_as_proven(set_up_unproven(sandbox, bob))
    (outcome,) = adoption_services.adopt(
        names=[NAME], request=AdoptionRequest(customer=alice, actor=None, because="It is hers")
    )
    bobs.refresh_from_db()
    assert (outcome.status, bobs.stage) == (adoption_services.AdoptionStatus.TAKEN, Stage.READY)


def test_an_import_stores_a_claim_next_to_an_unproven_domain(sandbox: Sandbox, alice: Customer, bob: Customer) -> None:
    make_domain(NAME, customer=bob, stage=Stage.READY, proven_at=None)
    request = AdoptionRequest(customer=alice, actor=None, because="Moved in")
    outcome = adoption_services.import_domain(name=NAME, request=request, found=adoption_services.SesIdentities({}))
    assert Domain.objects.get(pk=outcome.domain_id).stage == Stage.CLAIM


def test_staff_can_approve_a_domain_that_waits_for_its_records(
    sandbox: Sandbox, alice: Customer, bob: Customer
) -> None:
    hers = set_up_unproven(sandbox, alice)
    ownership_claims_services.approve_claim(domain=hers, because="Known in person", actor=make_staff())
    hers.refresh_from_db()
    assert (hers.stage, hers.is_proven) == (Stage.READY, True)
    with pytest.raises(Refused):
        preflight_services.add(text=NAME, customer=bob, actor=None)
    with pytest.raises(Refused, match="no claim to approve"):
        ownership_claims_services.approve_claim(domain=hers, because="Again", actor=make_staff())


def test_a_proof_waits_for_the_deletion_of_the_other_domain(sandbox: Sandbox, alice: Customer, bob: Customer) -> None:
    bobs = set_up_unproven(sandbox, bob)
    hers = preflight_services.add(text=NAME, customer=alice, actor=None)
    deletion_services.mark_for_deletion(domain=bobs, typed_name=NAME, actor=make_staff())
    publish_proof(sandbox, hers)
    assert not ownership_claims_services.check_claim(hers)
    hers.refresh_from_db()
    assert "as soon as that's finished" in hers.stage_problem
    delete_marked_domain(domain_id=bobs.id)
    assert ownership_claims_services.check_claim(hers)
