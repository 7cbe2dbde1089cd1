"""Differences between Amazon's identities and our domains: seen, decided, and gone when they are mended."""

import pytest

from accounts.models.people import User
from accounts.roles import Role
from audit.models import Change
from domains.identity import services as identity_services
from domains.models.domains import Domain, Stage
from domains.settings import services as settings_services
from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsProblem, Refused
from operations.drift import services as drift_services
from operations.drift.core import Decision
from operations.identity_drift import services as identity_drift_services
from operations.models import Difference, DriftCheck
from sandbox.process import Sandbox
from tests.domains.factories import at_amazon, make_domain, seed_identities
from tests.factories import make_customer, make_staff
from tests.operations.factories import make_ready

pytestmark = pytest.mark.django_db


@pytest.fixture
def olga() -> User:
    return make_staff(Role.OPERATOR)


def looked() -> list[Difference]:
    identity_drift_services.request_check()
    identity_drift_services.work()
    return list(Difference.objects.filter(gone_at=None))


def the_only() -> Difference:
    (found,) = looked()
    return found


def decide(found: Difference, decision: Decision, actor: User, **more: object) -> None:
    drift_services.decide(difference=found, decision=decision, because="as agreed", actor=actor, **more)  # type: ignore[arg-type]  # by name
    identity_drift_services.work()


def set_mail_from_by_hand(name: str, mail_from: str) -> None:
    aws.client("ses").set_identity_mail_from_domain(
        Identity=name, MailFromDomain=mail_from, BehaviorOnMXFailure="RejectMessage"
    )


def delete_by_hand(name: str) -> None:
    aws.client("sesv2").delete_email_identity(EmailIdentity=name)


def still_open() -> bool:
    return Difference.objects.filter(gone_at=None).exists()


def test_where_nothing_differs_nothing_is_shown_and_a_hundred_cost_three_calls(sandbox: Sandbox) -> None:
    customer = make_customer()
    for number in range(100):
        make_ready(f"d{number}.com", customer)
    sandbox.control.clear_calls()
    assert looked() == []
    assert sum(sandbox.control.call_counts().values()) == 3
    look = DriftCheck.objects.get(area="identities")
    assert (look.calls, look.problem, look.asked_at) == (3, "", None)


def test_an_identity_that_nobody_holds_becomes_a_customers(sandbox: Sandbox, olga: User) -> None:
    seed_identities(["shop.com"], ownership="Success", dkim="Success")
    found = the_only()
    assert (found.kind, found.may_adopt, found.may_restore) == ("unowned", True, False)
    with pytest.raises(Refused, match="Choose the customer"):
        decide(found, Decision.ADOPT, olga)
    with pytest.raises(Refused, match="can’t be restored"):
        decide(found, Decision.RESTORE, olga)
    alice = make_customer("Alice")
    sandbox.control.clear_calls()
    decide(found, Decision.ADOPT, olga, customer=alice)
    domain = Domain.objects.get()
    assert (domain.customer, domain.stage, domain.adopted) == (alice, Stage.READY, True)
    assert sandbox.control.write_calls() == ()
    assert not still_open()


def test_a_claim_holds_no_identity(sandbox: Sandbox) -> None:
    seed_identities(["shop.com"])
    make_domain("shop.com", stage=Stage.CLAIM)
    assert the_only().kind == "unowned"


def test_what_is_on_its_way_is_no_difference(sandbox: Sandbox) -> None:
    for name, stage in (("new.com", Stage.STARTING), ("old.com", Stage.DELETING)):
        make_domain(name, stage=stage)
    seed_identities(["old.com"])
    make_ready("told.com", make_customer(), mail_from_label="mail")  # Amazon has still to be told
    assert looked() == []


def test_a_lost_identity_is_set_up_anew(sandbox: Sandbox, olga: User) -> None:
    domain = make_ready("shop.com", make_customer("Alice"))
    delete_by_hand("shop.com")
    found = the_only()
    assert (found.kind, found.customer) == ("gone", domain.customer)
    decide(found, Decision.RESTORE, olga)
    assert not still_open()
    Domain.objects.filter(pk=domain.pk).update(state="verified")  # as checks had left it
    identity_services.set_up(domain_id=domain.pk)
    domain.refresh_from_db()
    assert domain.stage == Stage.READY
    assert at_amazon("shop.com")


def test_a_lost_identity_that_is_taken_as_it_is_has_to_be_proven_again(sandbox: Sandbox, olga: User) -> None:
    domain = make_ready("shop.com", make_customer("Alice"))
    delete_by_hand("shop.com")
    decide(the_only(), Decision.ADOPT, olga)
    domain.refresh_from_db()
    assert (domain.stage, domain.claim_reason, domain.verified_at) == (Stage.CLAIM, "gone", None)
    assert domain.claim_token
    assert not still_open()
    assert at_amazon("shop.com") is None


def test_a_mail_from_set_by_hand_is_taken_over_or_undone(sandbox: Sandbox, olga: User) -> None:
    domain = make_ready("shop.com", make_customer("Alice"))
    set_mail_from_by_hand("shop.com", "hand.shop.com")
    found = the_only()
    assert (found.kind, found.found["mail_from"]) == ("mail_from", "hand.shop.com")
    decide(found, Decision.ADOPT, olga)
    domain.refresh_from_db()
    assert (domain.mail_from, domain.ses_mail_from, domain.on_mx_failure) == (
        "hand.shop.com",
        "hand.shop.com",
        "RejectMessage",
    )
    assert not domain.is_configuring
    assert not still_open()
    set_mail_from_by_hand("shop.com", "other.shop.com")
    decide(the_only(), Decision.RESTORE, olga)
    settings_services.apply_settings(domain_id=domain.pk)
    assert looked() == []
    known = at_amazon("shop.com")
    assert known is not None
    assert known["MailFromAttributes"]["MailFromDomain"] == "hand.shop.com"


def test_signing_switched_off_by_hand_is_taken_over_or_undone(sandbox: Sandbox, olga: User) -> None:
    domain = make_ready("shop.com", make_customer("Alice"))
    aws.client("sesv2").put_email_identity_dkim_attributes(EmailIdentity="shop.com", SigningEnabled=False)
    found = the_only()
    assert (found.kind, "is off in SES" in found.sentence) == ("signing", True)
    decide(found, Decision.RESTORE, olga)
    settings_services.apply_settings(domain_id=domain.pk)
    assert looked() == []
    aws.client("sesv2").put_email_identity_dkim_attributes(EmailIdentity="shop.com", SigningEnabled=False)
    decide(the_only(), Decision.ADOPT, olga)
    domain.refresh_from_db()
    assert not domain.dkim_signing
    assert not still_open()


def test_what_is_left_with_a_reason_stays_left_until_it_changes(sandbox: Sandbox, olga: User) -> None:
    make_ready("shop.com", make_customer("Alice"))
    set_mail_from_by_hand("shop.com", "hand.shop.com")
    found = the_only()
    decide(found, Decision.IGNORE, olga)
    assert (the_only().pk, the_only().decision) == (found.pk, Decision.IGNORE)
    set_mail_from_by_hand("shop.com", "other.shop.com")
    assert the_only().decision == ""


def test_a_look_that_failed_touches_no_difference(sandbox: Sandbox) -> None:
    seed_identities(["shop.com"])
    found = the_only()
    for operation in ("ListEmailIdentities", "GetIdentityDkimAttributes"):
        make_ready(f"{operation.lower()}.com", make_customer())
        sandbox.control.add_fault("error", operation, times=9)
        identity_drift_services.request_check()
        with pytest.raises(AwsProblem):
            identity_drift_services.work()
        sandbox.control.clear_faults()
        look = DriftCheck.objects.get(area="identities")
        found.refresh_from_db()
        assert (look.problem != "", look.asked_at is not None, found.gone_at) == (True, True, None)


def test_only_operators_decide_and_each_decision_is_told(sandbox: Sandbox, olga: User) -> None:
    seed_identities(["shop.com"])
    found = the_only()
    for role in (Role.SUPPORT, Role.TRUST_AND_SAFETY):
        with pytest.raises(Refused, match="Ask an operator"):
            decide(found, Decision.IGNORE, make_staff(role))
    decide(found, Decision.IGNORE, olga)
    change = Change.objects.get(what="drift.ignored")
    assert (change.actor_name, change.because) == (olga.email, "as agreed")
