"""Each way in which Bob could take Alice's domain, or learn about it, is blocked."""

from datetime import timedelta
from functools import partial

import pytest
from django.core import mail
from django.utils import timezone
from pytest_django import Settings

from accounts.models.people import Customer
from audit.models import Change
from domains.checking import services as checking_services
from domains.deletion import services as deletion_services
from domains.identity import services as identity_services
from domains.models.domains import Domain, Stage
from domains.overrides import services as overrides_services
from domains.ownership import core as ownership_core
from domains.ownership.core import PROOF_UNCHECKED, ClaimReason
from domains.ownership_claims import services as ownership_claims_services
from domains.preflight import services as preflight_services
from domains.settings import services as settings_services
from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsProblem, Refused
from notifications.email import services as email_services
from sandbox.process import Sandbox
from tests.domains.factories import (
    delete_marked_domain,
    identity_at_ses,
    make_domain,
    make_zone,
    mark_as_proven,
    mark_as_receiving,
    publish,
    publish_proof,
    records_to_publish,
    second_resolver,
    set_identity_status,
    set_up_domain,
    waiting_jobs,
)
from tests.factories import make_customer, make_staff, make_user
from tests.notifications.factories import prefer

pytestmark = pytest.mark.django_db


def make_claim(sandbox: Sandbox, bob: Customer, name: str = "old.com") -> Domain:
    """Return Bob's claim of an identity that somebody created in SES by hand."""
    aws.client("sesv2").create_email_identity(EmailIdentity=name)
    domain = set_up_domain(sandbox, name, customer=bob)
    assert (domain.stage, domain.claim_reason) == (Stage.CLAIM, ClaimReason.IDENTITY_EXISTS)
    return domain


@pytest.mark.parametrize("text", ["shop.com", "https://SHOP.com/", "me@shop.com", "shop.com."])
def test_a_name_in_use_is_refused_however_it_is_written(
    sandbox: Sandbox, alice: Customer, bob: Customer, text: str
) -> None:
    make_domain("shop.com", customer=alice)
    for attempt in (partial(preflight_services.add, actor=None), preflight_services.run_preflight):
        with pytest.raises(Refused) as refused:
            attempt(text=text, customer=bob)
        assert refused.value.code == "DOMAIN_ALREADY_REGISTERED"
        assert "Alice" not in str(refused.value)


def test_the_customers_own_domain_is_refused_as_already_listed(sandbox: Sandbox, alice: Customer) -> None:
    make_domain("shop.com", customer=alice)
    with pytest.raises(Refused, match="already in your list"):
        preflight_services.add(text="shop.com", customer=alice, actor=None)
    Domain.objects.update(stage=Stage.DELETING)
    with pytest.raises(Refused, match="is being deleted. Add it again once it has left your list"):
        preflight_services.add(text="shop.com", customer=alice, actor=None)


@pytest.mark.parametrize(
    ("held", "added"),
    [("alice.com", "shop.alice.com"), ("a.b.alice.com", "alice.com"), ("alice.co.uk", "x.y.alice.co.uk")],
)
def test_a_name_below_or_above_alices_must_be_proven_and_she_is_notified(
    sandbox: Sandbox, alice: Customer, bob: Customer, held: str, added: str
) -> None:
    make_domain(held, customer=alice)
    domain = preflight_services.add(text=added, customer=bob, actor=None)
    assert (domain.stage, domain.claim_reason) == (Stage.CLAIM, ClaimReason.RELATED)
    identity_services.set_up(domain_id=domain.id)
    assert sandbox.control.calls() == ()
    (message,) = mail.outbox
    assert message.to == ["alice@alice.example"]
    assert added in message.subject
    assert "bob" not in f"{message.subject} {message.body}".lower()
    change = Change.objects.get(what="domain.claimed_nearby")
    assert (change.customer_id, change.after) == (alice.id, {"name": added})


def test_a_name_in_another_zone_needs_no_proof(sandbox: Sandbox, alice: Customer, bob: Customer) -> None:
    make_domain("alice.co.uk", customer=alice)
    make_domain("xshop.com", customer=alice)
    for name in ("bob.co.uk", "shop.com"):
        assert preflight_services.add(text=name, customer=bob, actor=None).stage == Stage.STARTING
    assert mail.outbox == []


def test_a_customers_own_subdomain_needs_no_proof(sandbox: Sandbox, alice: Customer) -> None:
    make_domain("alice.com", customer=alice)
    assert preflight_services.add(text="shop.alice.com", customer=alice, actor=None).stage == Stage.STARTING


def test_bobs_claim_reveals_nothing_about_alice(sandbox: Sandbox, alice: Customer, bob: Customer) -> None:
    make_domain("secret-project.alice.com", customer=alice)
    domain = preflight_services.add(text="alice.com", customer=bob, actor=None)
    visible = (
        str(list(Change.objects.filter(customer_id=bob.id).values()))
        + ownership_core.WHY[ClaimReason(domain.claim_reason)]
    )
    assert "secret-project" not in visible
    assert "Alice" not in visible


def test_an_unproven_claim_learns_nothing_and_blocks_nothing(sandbox: Sandbox, alice: Customer, bob: Customer) -> None:
    make_domain("one.alice.com", customer=alice)
    preflight_services.add(text="alice.com", customer=bob, actor=None)
    mail.outbox.clear()
    assert preflight_services.add(text="two.alice.com", customer=alice, actor=None).stage == Stage.STARTING
    assert mail.outbox == []
    assert not Change.objects.filter(customer_id=bob.id, after__name="two.alice.com").exists()


@pytest.mark.parametrize("key", ["identity", "inbound-mx", "mail-from-mx", "dkim-1"])
def test_any_remaining_record_of_the_former_holder_requires_a_proof(
    sandbox: Sandbox, alice: Customer, bob: Customer, key: str
) -> None:
    """Alice left and her records stay; SES would verify them for anyone."""
    gone = mark_as_receiving(set_up_domain(sandbox, "shop.com", customer=alice))
    publish(sandbox, gone)
    delete(gone)
    for record in sandbox.control.records("shop.com"):
        was = next((r for r in gone.records if (r.name, r.type) == (record.name, record.type)), None)
        if was and was.key != key:
            sandbox.control.remove_record("shop.com", record.id)
    domain = set_up_domain(sandbox, "shop.com", customer=bob)
    assert (domain.stage, domain.claim_reason) == (Stage.CLAIM, ClaimReason.RECORDS_ANSWER)
    publish_proof(sandbox, domain)
    assert ownership_claims_services.check_claim(domain)
    identity_services.set_up(domain_id=domain.id)
    domain.refresh_from_db()
    assert domain.stage == Stage.READY


def test_no_identity_stays_at_ses_while_a_claim_is_unproven(sandbox: Sandbox, alice: Customer, bob: Customer) -> None:
    """Old DKIM records are found only after SES returned the tokens, so the identity exists by then."""
    gone = set_up_domain(sandbox, "shop.com", customer=alice)
    sandbox.control.publish(make_zone(sandbox, gone), next(r for r in records_to_publish(gone) if r.key == "dkim-2"))
    delete(gone)
    domain = set_up_domain(sandbox, "shop.com", customer=bob)
    assert (domain.stage, domain.dkim_tokens) == (Stage.CLAIM, [])
    assert identity_at_ses("shop.com") is None
    publish_proof(sandbox, domain)
    assert ownership_claims_services.check_claim(domain)
    identity_services.set_up(domain_id=domain.id)
    assert identity_at_ses("shop.com") is not None


def test_a_wildcard_is_not_a_record_of_an_earlier_setup(sandbox: Sandbox, alice: Customer) -> None:
    sandbox.control.add_zone("shop.com")
    sandbox.control.add_record("shop.com", "*.shop.com", "CNAME", "elsewhere.com")
    assert set_up_domain(sandbox, "shop.com", customer=alice).stage == Stage.READY


def test_a_failed_lookup_postpones_the_setup(sandbox: Sandbox, bob: Customer) -> None:
    sandbox.control.add_zone("shop.com")
    sandbox.control.set_dns_fault("shop.com", "servfail")
    domain = set_up_domain(sandbox, "shop.com", customer=bob)
    assert domain.stage == Stage.STARTING
    assert "doesn't answer" in domain.stage_problem
    assert waiting_jobs(domain) == ["domains.set_up"]
    sandbox.control.clear_dns_faults()
    identity_services.set_up(domain_id=domain.id)
    domain.refresh_from_db()
    assert (domain.stage, domain.stage_problem) == (Stage.READY, "")


def test_an_existing_identity_is_neither_shown_nor_changed_before_the_proof(sandbox: Sandbox, bob: Customer) -> None:
    aws.client("sesv2").create_email_identity(EmailIdentity="old.com")
    before = identity_at_ses("old.com")
    domain = set_up_domain(sandbox, "old.com", customer=bob)
    assert domain.stage == Stage.CLAIM
    assert (domain.dkim_tokens, domain.verification_token, domain.ses_mail_from) == ([], "", "")
    assert identity_at_ses("old.com") == before


def test_deleting_an_unproven_claim_keeps_the_identity(sandbox: Sandbox, bob: Customer) -> None:
    domain = make_claim(sandbox, bob)
    delete(domain)
    assert not Domain.objects.filter(pk=domain.pk).exists()
    assert identity_at_ses("old.com") is not None


def test_deleting_a_domain_keeps_an_identity_that_another_recreated(sandbox: Sandbox, bob: Customer) -> None:
    domain = set_up_domain(sandbox, "shop.com", customer=bob)
    aws.client("sesv2").delete_email_identity(EmailIdentity="shop.com")
    aws.client("sesv2").create_email_identity(EmailIdentity="shop.com")
    delete(domain)
    assert not Domain.objects.filter(pk=domain.pk).exists()
    assert identity_at_ses("shop.com") is not None


def test_restarting_verification_does_not_adopt_a_foreign_identity(sandbox: Sandbox, bob: Customer) -> None:
    domain = set_up_domain(sandbox, "shop.com", customer=bob)
    aws.client("sesv2").delete_email_identity(EmailIdentity="shop.com")
    aws.client("sesv2").create_email_identity(EmailIdentity="shop.com")
    settings_services.restart_verification(domain=domain, actor=make_staff())
    identity_services.set_up(domain_id=domain.id)
    domain.refresh_from_db()
    assert (domain.stage, domain.claim_reason) == (Stage.CLAIM, ClaimReason.IDENTITY_EXISTS)
    delete(domain)
    assert identity_at_ses("shop.com") is not None


def test_restarting_verification_needs_no_proof_for_own_records(sandbox: Sandbox, alice: Customer) -> None:
    domain = set_up_domain(sandbox, "shop.com", customer=alice)
    publish(sandbox, domain)
    set_identity_status("shop.com", ownership="Failed", dkim="Failed")
    checking_services.check_now(domain=domain)
    settings_services.restart_verification(domain=domain, actor=make_staff())
    identity_services.set_up(domain_id=domain.id)
    domain.refresh_from_db()
    assert domain.stage == Stage.READY


def test_a_challenge_found_at_one_of_two_resolvers_is_no_proof(
    sandbox: Sandbox, bob: Customer, settings: Settings
) -> None:
    domain = make_claim(sandbox, bob)
    with second_resolver() as other:
        settings.DNS_RESOLVERS = (sandbox.dns_address, other)
        publish_proof(sandbox, domain)
        assert not ownership_claims_services.check_claim(domain)
    domain.refresh_from_db()
    assert domain.stage == Stage.CLAIM


def test_a_challenge_is_proven_although_one_resolver_is_silent(
    sandbox: Sandbox, bob: Customer, settings: Settings
) -> None:
    domain = make_claim(sandbox, bob)
    settings.DNS_RESOLVERS = (sandbox.dns_address, "127.0.0.1:9")
    publish_proof(sandbox, domain)
    assert ownership_claims_services.check_claim(domain)


def test_a_failed_lookup_proves_nothing(sandbox: Sandbox, bob: Customer) -> None:
    domain = make_claim(sandbox, bob)
    publish_proof(sandbox, domain)
    sandbox.control.set_dns_fault("old.com", "servfail")
    assert not ownership_claims_services.check_claim(domain)


def test_the_challenge_of_an_earlier_claim_proves_nothing(sandbox: Sandbox, alice: Customer, bob: Customer) -> None:
    """Alice proved it, deleted it, and left her challenge in DNS."""
    first = make_claim(sandbox, alice)
    publish_proof(sandbox, first)
    assert ownership_claims_services.check_claim(first)
    delete(first)
    aws.client("sesv2").create_email_identity(EmailIdentity="old.com")
    second = preflight_services.add(text="old.com", customer=bob, actor=None)
    identity_services.set_up(domain_id=second.id)
    second.refresh_from_db()
    assert second.stage == Stage.CLAIM
    assert second.claim_token != first.claim_token
    assert not ownership_claims_services.check_claim(second)


def test_a_check_with_an_outdated_challenge_proves_nothing(sandbox: Sandbox, bob: Customer) -> None:
    domain = make_claim(sandbox, bob)
    publish_proof(sandbox, domain)
    Domain.objects.filter(pk=domain.pk).update(claim_token="replaced")
    assert not ownership_claims_services.check_claim(domain)
    domain.refresh_from_db()
    assert domain.stage == Stage.CLAIM


def test_a_claim_being_deleted_is_not_accepted(sandbox: Sandbox, bob: Customer) -> None:
    domain = make_claim(sandbox, bob)
    publish_proof(sandbox, domain)
    deletion_services.mark_for_deletion(
        domain=Domain.objects.get(pk=domain.pk), typed_name="old.com", actor=make_user()
    )
    assert not ownership_claims_services.check_claim(domain)
    with pytest.raises(Refused, match="already settled"):
        ownership_claims_services.approve_claim(domain=domain, because="He called", actor=make_user())
    delete_marked_domain(domain_id=domain.id)
    assert identity_at_ses("old.com") is not None
    assert not ownership_claims_services.check_claim(domain)


def test_staff_can_approve_a_claim_only_with_a_reason(sandbox: Sandbox, bob: Customer) -> None:
    domain = make_claim(sandbox, bob)
    sam = make_user("sam@ops.example")
    with pytest.raises(Refused, match="Enter the reason"):
        ownership_claims_services.approve_claim(domain=domain, because=" ", actor=sam)
    ownership_claims_services.approve_claim(domain=domain, because="We saw the contract", actor=sam)
    approved = Change.objects.get(what="domain.claim_approved")
    assert (approved.actor_name, approved.because) == ("sam@ops.example", "We saw the contract")
    identity_services.set_up(domain_id=domain.id)
    domain.refresh_from_db()
    assert (domain.stage, domain.adopted) == (Stage.READY, True)
    with pytest.raises(Refused, match="no claim"):
        ownership_claims_services.approve_claim(domain=domain, because="Again", actor=sam)


def test_an_approved_domain_that_is_set_up_no_longer_waits_for_a_lookup(sandbox: Sandbox, bob: Customer) -> None:
    domain = set_up_domain(sandbox, "shop.com", customer=bob)
    later = timezone.now() + timedelta(hours=6)
    Domain.objects.filter(pk=domain.pk).update(state="could_not_check", summary=PROOF_UNCHECKED, next_check_at=later)
    ownership_claims_services.approve_claim(domain=domain, because="We saw the contract", actor=make_user())
    domain.refresh_from_db()
    assert domain.is_proven
    assert domain.next_check_at
    assert domain.next_check_at <= timezone.now()


def test_a_transferred_domain_no_longer_belongs_to_alice(sandbox: Sandbox, alice: Customer, bob: Customer) -> None:
    domain = mark_as_proven(set_up_domain(sandbox, "shop.com", customer=alice))
    prefer(alice.members.get(), by_mail="off")  # it is always sent
    overrides_services.transfer(domain=domain, to=bob, because="Sold", actor=make_user())
    email_services.send_due(now=timezone.now())
    sent = {message.to[0]: f"{message.subject} {message.body}" for message in mail.outbox}
    assert sorted(sent) == ["alice@alice.example", "bob@bob.example"]
    to_alice, to_bob = sent["alice@alice.example"], sent["bob@bob.example"]
    assert "Bob" not in to_alice
    assert "Mail received before is still delivered to your endpoints" in to_alice
    assert "Alice" not in to_bob
    assert "only stored until you choose endpoints" in to_bob
    with pytest.raises(Refused) as refused:
        preflight_services.add(text="shop.com", customer=alice, actor=None)
    assert "Bob" not in str(refused.value)
    assert preflight_services.add(text="sub.shop.com", customer=alice, actor=None).stage == Stage.CLAIM


def test_a_domain_is_not_free_until_ses_has_deleted_its_identity(
    sandbox: Sandbox, alice: Customer, bob: Customer
) -> None:
    domain = mark_as_proven(set_up_domain(sandbox, "shop.com", customer=alice))
    deletion_services.mark_for_deletion(domain=domain, typed_name="shop.com", actor=make_user())
    with pytest.raises(Refused):
        preflight_services.add(text="shop.com", customer=bob, actor=None)
    sandbox.control.add_fault("error", "DeleteEmailIdentity", times=3)
    with pytest.raises(AwsProblem):
        delete_marked_domain(domain_id=domain.id)
    with pytest.raises(Refused):
        preflight_services.add(text="shop.com", customer=bob, actor=None)
    delete_marked_domain(domain_id=domain.id)
    assert preflight_services.add(text="shop.com", customer=bob, actor=None).stage == Stage.STARTING


def delete(domain: Domain) -> None:
    deletion_services.mark_for_deletion(domain=domain, typed_name=domain.name, actor=make_user())
    delete_marked_domain(domain_id=domain.id)


def test_claim_emails_are_limited_per_day_and_all_claims_are_logged(
    sandbox: Sandbox, alice: Customer, settings: Settings
) -> None:
    settings.UNSOLICITED_MAILS_PER_DAY = 3
    make_domain("alice.com", customer=alice, stage=Stage.READY)
    for number in range(7):
        preflight_services.add(text=f"n{number}.alice.com", customer=make_customer(), actor=None)
    assert len(mail.outbox) == 3
    assert Change.objects.filter(what="domain.claimed_nearby", customer_id=alice.id).count() == 7
