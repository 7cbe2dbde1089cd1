"""What is wanted is stored and logged with who and why; the worker then tells Amazon what differs, and no more."""

from typing import Any

import pytest
from django.utils import timezone

from accounts.models.people import User
from audit.models import Change
from domains.checking import services as checking_services
from domains.checking.core.judgement import SesStatus
from domains.identity import services as identity_services
from domains.identity_status import services as identity_status_services
from domains.models.domains import Domain, OnMxFailure, Stage
from domains.preflight import services as preflight_services
from domains.records.selectors import UNSIGNED, records_page
from domains.settings import services as settings_services
from domains.settings.services import DesiredSettings
from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsProblem, Refused
from sandbox.process import Sandbox
from tests.domains.factories import at_amazon, make_domain, publish, set_up_domain, turn_identity, waiting_jobs
from tests.factories import make_customer, make_member, make_staff

pytestmark = pytest.mark.django_db


@pytest.fixture
def olga() -> User:
    return make_staff(email="olga@ops.example")


def wanted(domain: Domain, **fields: Any) -> DesiredSettings:
    return DesiredSettings(**{name: getattr(domain, name) for name in DesiredSettings.__dataclass_fields__} | fields)


def test_a_setting_is_told_to_amazon_in_one_call_and_logged_with_who_and_why(sandbox: Sandbox, olga: User) -> None:
    domain = set_up_domain(sandbox, "shop.com")
    settings_services.configure(
        domain=domain, desired=wanted(domain, mail_from_label="mail"), actor=olga, because="bounce is taken"
    )
    assert waiting_jobs(domain)[-1] == "domains.configure"
    domain.refresh_from_db()
    assert domain.is_configuring
    sandbox.control.clear_calls()
    settings_services.apply_settings(domain_id=domain.id)
    assert sandbox.control.call_counts() == {"SetIdentityMailFromDomain": 1}
    change = Change.objects.get(what="domain.mail_from")
    assert (change.actor_name, change.because) == ("olga@ops.example", "bounce is taken")
    assert (change.before, change.after) == ({"mail_from": "bounce.shop.com"}, {"mail_from": "mail.shop.com"})
    assert len(change.aws_request_ids) == 1
    domain.refresh_from_db()
    assert not domain.is_configuring


def test_wanting_what_is_told_already_calls_nobody(sandbox: Sandbox, olga: User) -> None:
    domain = set_up_domain(sandbox)
    sandbox.control.clear_calls()
    settings_services.configure(domain=domain, desired=wanted(domain), actor=olga)
    assert "domains.configure" not in waiting_jobs(domain)
    settings_services.apply_settings(domain_id=domain.id)
    assert sandbox.control.call_counts() == {}


def test_recommended_records_are_ours_alone_and_logged_once(sandbox: Sandbox, olga: User) -> None:
    domain = set_up_domain(sandbox)
    for _ in range(2):
        settings_services.configure(domain=domain, desired=wanted(domain, wants_dmarc=False), actor=olga)
    assert "domains.configure" not in waiting_jobs(domain)
    assert Change.objects.get(what="domain.recommended").after == {"wants_dmarc": False}
    domain.refresh_from_db()
    assert "dmarc" not in {record.key for record in domain.records}


@pytest.mark.parametrize("label", ["two.words", "-x", "x_y", "a" * 64, "shop.com"])
def test_a_name_for_bounces_that_is_no_label_is_refused(sandbox: Sandbox, olga: User, label: str) -> None:
    domain = make_domain("shop.com", stage=Stage.READY)
    with pytest.raises(Refused, match="only letters, digits and hyphens"):
        settings_services.configure(domain=domain, desired=wanted(domain, mail_from_label=label), actor=olga)


def test_a_name_for_bounces_that_receives_mail_here_is_refused(sandbox: Sandbox, olga: User) -> None:
    domain = make_domain("shop.com", stage=Stage.READY)
    make_domain("in.shop.com")
    with pytest.raises(Refused, match="receives mail"):
        settings_services.configure(domain=domain, desired=wanted(domain, mail_from_label="in"), actor=olga)


def test_the_longer_name_of_an_adopted_identity_stays_when_something_else_is_changed(
    sandbox: Sandbox, olga: User
) -> None:
    domain = make_domain("shop.com", stage=Stage.READY, mail_from_label="a.b", ses_mail_from="a.b.shop.com")
    settings_services.configure(domain=domain, desired=wanted(domain, dkim_signing=False), actor=olga)
    domain.refresh_from_db()
    assert (domain.mail_from_label, domain.dkim_signing) == ("a.b", False)


@pytest.mark.parametrize("stage", [Stage.CLAIM, Stage.STARTING, Stage.DELETING])
def test_nothing_is_changed_before_the_domain_is_set_up_or_once_it_goes(olga: User, stage: Stage) -> None:
    domain = make_domain("shop.com", stage=stage)
    domain.stage = Stage.READY  # as the page that asks was loaded earlier
    asked: list[Any] = [
        lambda: settings_services.configure(domain=domain, desired=wanted(domain, mail_from_label="mail"), actor=olga),
        lambda: settings_services.rotate_dkim(domain=domain, actor=olga, because="leaked"),
        lambda: settings_services.restart_verification(domain=domain, actor=olga),
    ]
    for ask in asked:
        with pytest.raises(Refused):
            ask()
    domain.refresh_from_db()
    assert (domain.stage, domain.mail_from_label, domain.new_dkim_wanted) == (stage, "bounce", False)


def test_new_keys_need_a_reason(olga: User) -> None:
    domain = make_domain(stage=Stage.READY)
    with pytest.raises(Refused, match="Enter the reason"):
        settings_services.rotate_dkim(domain=domain, actor=olga, because="  ")


def test_an_identity_without_dkim_gets_keys_with_their_zone(sandbox: Sandbox, olga: User) -> None:
    """Made with VerifyDomainIdentity alone, as it was done before DKIM was usual."""
    aws.client("ses").verify_domain_identity(Domain="old.com")
    domain = set_up_domain(sandbox, "old.com")
    Domain.objects.filter(pk=domain.pk).update(stage=Stage.STARTING, claim_proven_at=domain.created_at)
    identity_services.set_up(domain_id=domain.id)
    domain.refresh_from_db()
    assert (domain.stage, domain.dkim_tokens) == (Stage.READY, [])
    assert domain.verification_token
    settings_services.rotate_dkim(domain=domain, actor=olga, because="upgrade")
    settings_services.apply_settings(domain_id=domain.id)
    domain.refresh_from_db()
    assert [record.value.partition(".")[2] for record in domain.records if record.key.startswith("dkim-")] == [
        "dkim.amazonses.com"
    ] * 3


def test_why_amazon_was_not_told_is_on_the_page_until_it_is(sandbox: Sandbox, olga: User) -> None:
    domain = set_up_domain(sandbox)
    settings_services.configure(domain=domain, desired=wanted(domain, dkim_signing=False), actor=olga)
    sandbox.control.add_fault("error", "PutEmailIdentityDkimAttributes", times=3)
    with pytest.raises(AwsProblem) as problem:
        settings_services.apply_settings(domain_id=domain.id)
    domain.refresh_from_db()
    assert domain.stage_problem == str(problem.value)
    assert domain.is_configuring
    settings_services.apply_settings(domain_id=domain.id)
    domain.refresh_from_db()
    assert (domain.stage_problem, domain.is_configuring) == ("", False)


def test_what_was_wanted_while_the_domain_was_set_up_is_told_after_it(sandbox: Sandbox) -> None:
    domain = preflight_services.add(text="shop.com", customer=make_customer(), actor=None)
    sandbox.control.add_fault("error", "SetIdentityMailFromDomain", times=3)
    with pytest.raises(AwsProblem):
        identity_services.set_up(domain_id=domain.id)
    Domain.objects.filter(pk=domain.pk).update(dkim_signing=False)
    identity_services.set_up(domain_id=domain.id)
    assert waiting_jobs(domain)[-1] == "domains.configure"
    settings_services.apply_settings(domain_id=domain.id)
    identity = at_amazon("shop.com")
    assert identity is not None
    assert identity["DkimAttributes"]["SigningEnabled"] is False


def test_starting_again_makes_amazon_look_again_at_all_that_it_gave_up(sandbox: Sandbox, olga: User) -> None:
    domain = set_up_domain(sandbox, "shop.com")
    turn_identity("shop.com", ownership="Failed", dkim="Failed", mail_from="Failed")
    settings_services.restart_verification(domain=domain, actor=olga)
    identity_services.set_up(domain_id=domain.id)
    identity = at_amazon("shop.com")
    assert identity is not None
    statuses = {
        identity["VerificationStatus"],
        identity["DkimAttributes"]["Status"],
        identity["MailFromAttributes"]["MailFromDomainStatus"],
    }
    assert statuses == {SesStatus.PENDING}


def test_starting_again_tells_a_new_identity_of_the_settings_that_it_lost(sandbox: Sandbox, olga: User) -> None:
    domain = set_up_domain(sandbox, "shop.com")
    settings = wanted(domain, dkim_signing=False, on_mx_failure=OnMxFailure.REJECT)
    settings_services.configure(domain=domain, desired=settings, actor=olga)
    settings_services.apply_settings(domain_id=domain.id)
    before = at_amazon("shop.com")
    aws.client("sesv2").delete_email_identity(EmailIdentity="shop.com")
    domain.refresh_from_db()
    settings_services.restart_verification(domain=domain, actor=olga)
    identity_services.set_up(domain_id=domain.id)
    settings_services.apply_settings(domain_id=domain.id)
    assert at_amazon("shop.com") == before


def test_new_keys_are_new_keys(sandbox: Sandbox, olga: User) -> None:
    domain = set_up_domain(sandbox, "shop.com")
    old = list(domain.dkim_tokens)
    settings_services.rotate_dkim(domain=domain, actor=olga, because="The key leaked")
    settings_services.apply_settings(domain_id=domain.id)
    domain.refresh_from_db()
    identity = at_amazon("shop.com")
    assert identity is not None
    assert domain.dkim_tokens == identity["DkimAttributes"]["Tokens"]
    assert not set(domain.dkim_tokens) & set(old)


def verified(sandbox: Sandbox) -> Domain:
    domain = set_up_domain(sandbox, "shop.com")
    turn_identity("shop.com", ownership="Success", dkim="Success", mail_from="Success")
    identity_status_services.read_statuses([domain], now=timezone.now())
    assert set(domain.ses_statuses.values()) == {SesStatus.SUCCESS}
    return domain


def test_the_status_of_the_old_bounce_name_is_not_the_new_ones(sandbox: Sandbox, olga: User) -> None:
    domain = verified(sandbox)
    settings_services.configure(domain=domain, desired=wanted(domain, mail_from_label="mail"), actor=olga)
    settings_services.apply_settings(domain_id=domain.id)
    told = Domain.objects.get(pk=domain.pk)
    assert (told.ses_mail_from, told.mail_from_status, told.dkim_status) == (
        "mail.shop.com",
        SesStatus.UNKNOWN,
        SesStatus.SUCCESS,
    )


def test_what_happens_while_a_record_is_missing_changes_no_status(sandbox: Sandbox, olga: User) -> None:
    domain = verified(sandbox)
    settings_services.configure(domain=domain, desired=wanted(domain, on_mx_failure=OnMxFailure.REJECT), actor=olga)
    settings_services.apply_settings(domain_id=domain.id)
    assert Domain.objects.get(pk=domain.pk).mail_from_status == SesStatus.SUCCESS


def test_the_status_of_the_old_keys_is_not_the_new_ones(sandbox: Sandbox, olga: User) -> None:
    domain = verified(sandbox)
    settings_services.rotate_dkim(domain=domain, actor=olga, because="The key leaked")
    settings_services.apply_settings(domain_id=domain.id)
    told = Domain.objects.get(pk=domain.pk)
    assert (told.dkim_status, told.identity_status) == (SesStatus.UNKNOWN, SesStatus.SUCCESS)
    assert next(record.need for record in told.records if record.key == "identity") == "required"


def test_an_answer_about_what_was_told_before_is_no_status_of_what_is_told_now(sandbox: Sandbox) -> None:
    """The worker told SES another name, and other keys, while we waited for the answer about the old ones."""
    domain = verified(sandbox)
    Domain.objects.filter(pk=domain.pk).update(ses_mail_from="mail.shop.com", dkim_tokens=["a", "b", "c"])
    identity_status_services.read_statuses([domain], now=timezone.now())
    stored = Domain.objects.get(pk=domain.pk)
    assert (stored.mail_from_status, stored.dkim_status, stored.ses_mail_from) == ("", "", "mail.shop.com")


@pytest.mark.parametrize("others", [0, 5])
def test_what_somebody_set_at_amazon_has_no_status_of_ours(sandbox: Sandbox, others: int) -> None:
    domain = verified(sandbox)
    with aws.calling("ses", "set") as client:
        client.set_identity_mail_from_domain(Identity="shop.com", MailFromDomain="other.shop.com")
    turn_identity("shop.com", mail_from="Success")
    identity_status_services.read_statuses([domain, *(make_domain() for _ in range(others))], now=timezone.now())
    assert (domain.mail_from_status, domain.dkim_status) == (SesStatus.UNKNOWN, SesStatus.SUCCESS)


def test_keys_that_do_not_sign_are_called_so(sandbox: Sandbox, olga: User) -> None:
    domain = verified(sandbox)
    publish(sandbox, domain)
    checking_services.check([domain], now=timezone.now())
    settings_services.configure(domain=domain, desired=wanted(domain, dkim_signing=False), actor=olga)
    settings_services.apply_settings(domain_id=domain.id)
    page = records_page(Domain.objects.get(pk=domain.pk), can_check_in=0)
    assert UNSIGNED in [aspect.sentence for aspect in page.aspects]


def test_nobody_starts_again_what_amazon_has_not_given_up(sandbox: Sandbox) -> None:
    domain = set_up_domain(sandbox, "shop.com")
    with pytest.raises(Refused, match="can't be restarted"):
        settings_services.restart_verification(domain=domain, actor=make_member())
