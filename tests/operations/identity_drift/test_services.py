"""Differences between identities in SES and our domains are found, decided, and closed once fixed."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models.people import User
from accounts.roles import Role
from audit.models import Change
from domains.identity import services as identity_services
from domains.models.domains import Domain, Stage
from domains.settings import services as settings_services
from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsProblem, Refused
from notifications.models.alerts import Alert
from operations.drift import services as drift_services
from operations.drift.core import IDENTITIES_AREA, Decision
from operations.drift_store import services as drift_store_services
from operations.identity_drift import services as identity_drift_services
from operations.models import Difference, DriftCheck
from sandbox.process import Sandbox
from tests.domains.factories import identity_at_ses, make_domain, seed_identities
from tests.factories import make_customer, make_staff
from tests.operations.factories import make_ready

pytestmark = pytest.mark.django_db


@pytest.fixture
def olga() -> User:
    return make_staff(Role.OPERATOR)


def check_and_list() -> list[Difference]:
    drift_store_services.request_check(IDENTITIES_AREA)
    identity_drift_services.work()
    return list(Difference.objects.filter(gone_at=None))


def check_and_get_one() -> Difference:
    (found,) = check_and_list()
    return found


def decide(found: Difference, decision: Decision, actor: User, **more: object) -> None:
    drift_services.decide(difference=found, decision=decision, because="as agreed", actor=actor, **more)  # type: ignore[arg-type]  # by name
    identity_drift_services.work()


def set_mail_from_in_ses(name: str, mail_from: str) -> None:
    aws.client("ses").set_identity_mail_from_domain(
        Identity=name, MailFromDomain=mail_from, BehaviorOnMXFailure="RejectMessage"
    )


def delete_in_ses(name: str) -> None:
    aws.client("sesv2").delete_email_identity(EmailIdentity=name)


def has_open_difference() -> bool:
    return Difference.objects.filter(gone_at=None).exists()


def test_equal_identities_have_no_difference_and_a_hundred_cost_three_calls(sandbox: Sandbox) -> None:
    customer = make_customer()
    for number in range(100):
        make_ready(f"d{number}.com", customer)
    sandbox.control.clear_calls()
    assert check_and_list() == []
    assert sum(sandbox.control.call_counts().values()) == 3
    look = DriftCheck.objects.get(area="identities")
    assert (look.calls, look.problem, look.asked_at) == (3, "", None)


def test_an_unowned_identity_is_adopted_for_a_customer(sandbox: Sandbox, olga: User) -> None:
    seed_identities(["shop.com"], ownership="Success", dkim="Success")
    found = check_and_get_one()
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
    assert not has_open_difference()


def test_an_unowned_identity_whose_difference_is_gone_is_adopted_for_nobody(sandbox: Sandbox, olga: User) -> None:
    seed_identities(["shop.com"], ownership="Success", dkim="Success")
    found = check_and_get_one()
    Difference.objects.update(gone_at=timezone.now())
    with pytest.raises(Refused, match="no longer exists"):
        decide(found, Decision.ADOPT, olga, customer=make_customer("Alice"))
    assert not Domain.objects.exists()


def test_a_claim_does_not_own_an_identity(sandbox: Sandbox) -> None:
    seed_identities(["shop.com"])
    make_domain("shop.com", stage=Stage.CLAIM)
    assert check_and_get_one().kind == "unowned"


def test_changes_in_progress_are_no_difference(sandbox: Sandbox) -> None:
    for name, stage in (("new.com", Stage.STARTING), ("old.com", Stage.DELETING)):
        make_domain(name, stage=stage)
    seed_identities(["old.com"])
    make_ready("told.com", make_customer(), mail_from_label="mail")  # SES has not been updated yet
    assert check_and_list() == []


def test_a_missing_identity_is_set_up_again(sandbox: Sandbox, olga: User) -> None:
    domain = make_ready("shop.com", make_customer("Alice"))
    delete_in_ses("shop.com")
    found = check_and_get_one()
    assert (found.kind, found.customer) == ("gone", domain.customer)
    decide(found, Decision.RESTORE, olga)
    assert not has_open_difference()
    Domain.objects.filter(pk=domain.pk).update(state="verified")  # as the last check stored it
    identity_services.set_up(domain_id=domain.pk)
    domain.refresh_from_db()
    assert domain.stage == Stage.READY
    assert identity_at_ses("shop.com")


def test_adopting_a_missing_identity_requires_new_proof_of_ownership(sandbox: Sandbox, olga: User) -> None:
    domain = make_ready("shop.com", make_customer("Alice"))
    delete_in_ses("shop.com")
    decide(check_and_get_one(), Decision.ADOPT, olga)
    domain.refresh_from_db()
    assert (domain.stage, domain.claim_reason, domain.verified_at) == (Stage.CLAIM, "gone", None)
    assert domain.claim_token
    alert = Alert.objects.get(kind="domain.undone")
    assert (alert.state, alert.customer_id) == ("open", domain.customer_id)
    assert alert.why.startswith(
        "Amazon SES no longer has this domain, so it has to be set up again. Publish the record"
    )
    assert not has_open_difference()
    assert identity_at_ses("shop.com") is None


def test_a_manual_mail_from_change_is_adopted_or_reverted(sandbox: Sandbox, olga: User) -> None:
    domain = make_ready("shop.com", make_customer("Alice"))
    set_mail_from_in_ses("shop.com", "hand.shop.com")
    found = check_and_get_one()
    assert (found.kind, found.found["mail_from"]) == ("mail_from", "hand.shop.com")
    decide(found, Decision.ADOPT, olga)
    domain.refresh_from_db()
    assert (domain.mail_from, domain.ses_mail_from, domain.on_mx_failure) == (
        "hand.shop.com",
        "hand.shop.com",
        "RejectMessage",
    )
    assert not domain.is_configuring
    assert not has_open_difference()
    set_mail_from_in_ses("shop.com", "other.shop.com")
    decide(check_and_get_one(), Decision.RESTORE, olga)
    settings_services.apply_settings(domain_id=domain.pk)
    assert check_and_list() == []
    known = identity_at_ses("shop.com")
    assert known is not None
    assert known["MailFromAttributes"]["MailFromDomain"] == "hand.shop.com"


def test_manually_disabled_signing_is_adopted_or_reverted(sandbox: Sandbox, olga: User) -> None:
    domain = make_ready("shop.com", make_customer("Alice"))
    aws.client("sesv2").put_email_identity_dkim_attributes(EmailIdentity="shop.com", SigningEnabled=False)
    found = check_and_get_one()
    assert (found.kind, "is off in SES" in found.sentence) == ("signing", True)
    decide(found, Decision.RESTORE, olga)
    settings_services.apply_settings(domain_id=domain.pk)
    assert check_and_list() == []
    aws.client("sesv2").put_email_identity_dkim_attributes(EmailIdentity="shop.com", SigningEnabled=False)
    decide(check_and_get_one(), Decision.ADOPT, olga)
    domain.refresh_from_db()
    assert not domain.dkim_signing
    assert not has_open_difference()


def test_an_ignored_difference_stays_ignored_until_it_changes(sandbox: Sandbox, olga: User) -> None:
    make_ready("shop.com", make_customer("Alice"))
    set_mail_from_in_ses("shop.com", "hand.shop.com")
    found = check_and_get_one()
    decide(found, Decision.IGNORE, olga)
    assert (check_and_get_one().pk, check_and_get_one().decision) == (found.pk, Decision.IGNORE)
    set_mail_from_in_ses("shop.com", "other.shop.com")
    assert check_and_get_one().decision == ""


def test_a_failed_check_changes_no_difference(sandbox: Sandbox) -> None:
    seed_identities(["shop.com"])
    found = check_and_get_one()
    for operation in ("ListEmailIdentities", "GetIdentityDkimAttributes"):
        make_ready(f"{operation.lower()}.com", make_customer())
        sandbox.control.add_fault("error", operation, times=9)
        drift_store_services.request_check(IDENTITIES_AREA)
        with pytest.raises(AwsProblem):
            identity_drift_services.work()
        sandbox.control.clear_faults()
        look = DriftCheck.objects.get(area="identities")
        found.refresh_from_db()
        assert (look.problem != "", look.asked_at is not None, found.gone_at) == (True, True, None)


def test_a_check_asked_for_during_a_check_is_not_lost(sandbox: Sandbox) -> None:
    drift_store_services.request_check(IDENTITIES_AREA)
    identity_drift_services.check_all(now=timezone.now() - timedelta(minutes=1))
    assert DriftCheck.objects.get(area="identities").asked_at is not None
    identity_drift_services.work()
    assert DriftCheck.objects.get(area="identities").asked_at is None


def test_only_operators_decide_and_each_decision_is_logged(sandbox: Sandbox, olga: User) -> None:
    seed_identities(["shop.com"])
    found = check_and_get_one()
    for role in (Role.SUPPORT, Role.TRUST_AND_SAFETY):
        with pytest.raises(Refused, match="Ask an operator"):
            decide(found, Decision.IGNORE, make_staff(role))
    decide(found, Decision.IGNORE, olga)
    change = Change.objects.get(what="drift.ignored")
    assert (change.actor_name, change.because) == (olga.email, "as agreed")
