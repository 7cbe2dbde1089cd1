"""Desired settings are stored and logged with actor and reason, and the worker applies only the differences to
SES.
"""

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models.people import User
from audit.models import Change
from domains.checking import services as checking_services
from domains.checking.core.judgement import SesStatus
from domains.domain_list import selectors as domain_list_selectors
from domains.identity import services as identity_services
from domains.identity_status import services as identity_status_services
from domains.models.domains import Domain, Stage
from domains.preflight import services as preflight_services
from domains.records.selectors import UNSIGNED, records_page
from domains.settings import services as settings_services
from domains.settings.services import DesiredSettings
from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsProblem, Refused
from sandbox.process import Sandbox
from tests.domains.factories import (
    identity_at_ses,
    make_domain,
    publish,
    set_identity_status,
    set_up_domain,
    waiting_jobs,
)
from tests.factories import make_customer, make_member, make_staff, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def olga() -> User:
    return make_staff(email="olga@ops.example")


def desired_settings(domain: Domain, **fields: Any) -> DesiredSettings:
    return DesiredSettings(**{name: getattr(domain, name) for name in DesiredSettings.__dataclass_fields__} | fields)


def test_a_setting_is_applied_in_one_call_and_logged(sandbox: Sandbox, olga: User) -> None:
    domain = set_up_domain(sandbox, "shop.com")
    settings_services.configure(
        domain=domain, desired=desired_settings(domain, mail_from_label="mail"), actor=olga, because="bounce is taken"
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


def test_two_changes_by_the_api_at_once_are_both_kept(
    sandbox: Sandbox, olga: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    domain = set_up_domain(sandbox, "shop.com")
    waited = settings_services.wait_until_applied

    def another_request_follows(row: Domain) -> Domain:
        monkeypatch.undo()
        found = waited(row)
        Domain.objects.filter(pk=row.pk).update(wants_apex_spf=False)
        return found

    monkeypatch.setattr(settings_services, "wait_until_applied", another_request_follows)
    settings_services.change_and_wait(domain=domain, mail_from=None, spf=None, dmarc=False, actor=olga)
    domain.refresh_from_db()
    assert (domain.wants_apex_spf, domain.wants_dmarc) == (False, False)


def test_an_applied_setting_makes_no_call(sandbox: Sandbox, olga: User) -> None:
    domain = set_up_domain(sandbox)
    sandbox.control.clear_calls()
    settings_services.configure(domain=domain, desired=desired_settings(domain), actor=olga)
    assert "domains.configure" not in waiting_jobs(domain)
    settings_services.apply_settings(domain_id=domain.id)
    assert sandbox.control.call_counts() == {}


def test_recommended_records_are_changed_without_a_call_and_logged_once(sandbox: Sandbox, olga: User) -> None:
    domain = set_up_domain(sandbox)
    for _ in range(2):
        settings_services.configure(domain=domain, desired=desired_settings(domain, wants_dmarc=False), actor=olga)
    assert "domains.configure" not in waiting_jobs(domain)
    assert Change.objects.get(what="domain.recommended").after == {"wants_dmarc": False}
    domain.refresh_from_db()
    assert "dmarc" not in {record.key for record in domain.records}


@pytest.mark.parametrize("label", ["two.words", "-x", "x_y", "a" * 64, "shop.com"])
def test_a_mail_from_name_that_is_no_label_is_refused(sandbox: Sandbox, olga: User, label: str) -> None:
    domain = make_domain("shop.com", stage=Stage.READY)
    with pytest.raises(Refused, match="only letters, digits and hyphens"):
        settings_services.configure(domain=domain, desired=desired_settings(domain, mail_from_label=label), actor=olga)


def test_a_mail_from_name_that_receives_mail_is_refused(sandbox: Sandbox, olga: User) -> None:
    domain = make_domain("shop.com", stage=Stage.READY)
    make_domain("in.shop.com")
    with pytest.raises(Refused, match="receives mail"):
        settings_services.configure(domain=domain, desired=desired_settings(domain, mail_from_label="in"), actor=olga)


def test_changing_another_setting_keeps_the_long_mail_from_name_of_an_adopted_identity(
    sandbox: Sandbox, olga: User
) -> None:
    domain = make_domain("shop.com", stage=Stage.READY, mail_from_label="a.b", ses_mail_from="a.b.shop.com")
    settings_services.configure(domain=domain, desired=desired_settings(domain, dkim_signing=False), actor=olga)
    domain.refresh_from_db()
    assert (domain.mail_from_label, domain.dkim_signing) == ("a.b", False)


@pytest.mark.parametrize("stage", [Stage.CLAIM, Stage.STARTING, Stage.DELETING])
def test_settings_are_refused_before_setup_and_during_deletion(olga: User, stage: Stage) -> None:
    domain = make_domain("shop.com", stage=stage)
    domain.stage = Stage.READY  # as if the page had been loaded earlier
    calls: list[Any] = [
        lambda: settings_services.configure(
            domain=domain, desired=desired_settings(domain, mail_from_label="mail"), actor=olga
        ),
        lambda: settings_services.rotate_dkim(domain=domain, actor=olga, because="leaked"),
        lambda: settings_services.restart_verification(domain=domain, actor=olga),
    ]
    for call in calls:
        with pytest.raises(Refused):
            call()
    domain.refresh_from_db()
    assert (domain.stage, domain.mail_from_label, domain.new_dkim_wanted) == (stage, "bounce", False)


def test_rotating_dkim_keys_needs_a_reason(olga: User) -> None:
    domain = make_domain(stage=Stage.READY)
    with pytest.raises(Refused, match="Enter the reason"):
        settings_services.rotate_dkim(domain=domain, actor=olga, because="  ")


def test_rotating_keys_of_an_identity_without_dkim_creates_them(sandbox: Sandbox, olga: User) -> None:
    """It was created by VerifyDomainIdentity alone, without DKIM."""
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


def test_a_failed_call_is_shown_until_it_succeeds(sandbox: Sandbox, olga: User) -> None:
    domain = set_up_domain(sandbox)
    settings_services.configure(domain=domain, desired=desired_settings(domain, dkim_signing=False), actor=olga)
    sandbox.control.add_fault("error", "PutEmailIdentityDkimAttributes", times=3)
    with pytest.raises(AwsProblem) as problem:
        settings_services.apply_settings(domain_id=domain.id)
    domain.refresh_from_db()
    assert domain.stage_problem == str(problem.value)
    assert domain.is_configuring
    settings_services.apply_settings(domain_id=domain.id)
    domain.refresh_from_db()
    assert (domain.stage_problem, domain.is_configuring) == ("", False)


def test_a_setting_changed_during_setup_is_applied_after_it(sandbox: Sandbox) -> None:
    domain = preflight_services.add(text="shop.com", customer=make_customer(), actor=None)
    sandbox.control.add_fault("error", "SetIdentityMailFromDomain", times=3)
    with pytest.raises(AwsProblem):
        identity_services.set_up(domain_id=domain.id)
    Domain.objects.filter(pk=domain.pk).update(dkim_signing=False)
    identity_services.set_up(domain_id=domain.id)
    assert waiting_jobs(domain)[-1] == "domains.configure"
    settings_services.apply_settings(domain_id=domain.id)
    identity = identity_at_ses("shop.com")
    assert identity is not None
    assert identity["DkimAttributes"]["SigningEnabled"] is False


def test_restarting_verification_sets_all_failed_statuses_to_pending(sandbox: Sandbox, olga: User) -> None:
    domain = set_up_domain(sandbox, "shop.com")
    set_identity_status("shop.com", ownership="Failed", dkim="Failed", mail_from="Failed")
    settings_services.restart_verification(domain=domain, actor=olga)
    identity_services.set_up(domain_id=domain.id)
    identity = identity_at_ses("shop.com")
    assert identity is not None
    statuses = {
        identity["VerificationStatus"],
        identity["DkimAttributes"]["Status"],
        identity["MailFromAttributes"]["MailFromDomainStatus"],
    }
    assert statuses == {SesStatus.PENDING}


def test_restarting_verification_applies_the_settings_to_a_new_identity(sandbox: Sandbox, olga: User) -> None:
    domain = set_up_domain(sandbox, "shop.com")
    settings = desired_settings(domain, dkim_signing=False, on_mx_failure=Domain.OnMxFailure.REJECT)
    settings_services.configure(domain=domain, desired=settings, actor=olga)
    settings_services.apply_settings(domain_id=domain.id)
    before = identity_at_ses("shop.com")
    aws.client("sesv2").delete_email_identity(EmailIdentity="shop.com")
    domain.refresh_from_db()
    settings_services.restart_verification(domain=domain, actor=olga)
    identity_services.set_up(domain_id=domain.id)
    settings_services.apply_settings(domain_id=domain.id)
    assert identity_at_ses("shop.com") == before


def test_rotated_keys_differ_from_the_old_ones(sandbox: Sandbox, olga: User) -> None:
    domain = set_up_domain(sandbox, "shop.com")
    old = list(domain.dkim_tokens)
    settings_services.rotate_dkim(domain=domain, actor=olga, because="The key leaked")
    settings_services.apply_settings(domain_id=domain.id)
    domain.refresh_from_db()
    identity = identity_at_ses("shop.com")
    assert identity is not None
    assert domain.dkim_tokens == identity["DkimAttributes"]["Tokens"]
    assert not set(domain.dkim_tokens) & set(old)


def verified(sandbox: Sandbox) -> Domain:
    domain = set_up_domain(sandbox, "shop.com")
    set_identity_status("shop.com", ownership="Success", dkim="Success", mail_from="Success")
    identity_status_services.read_statuses([domain], now=timezone.now())
    assert set(domain.ses_statuses.values()) == {SesStatus.SUCCESS}
    return domain


def test_the_status_of_the_old_mail_from_domain_is_cleared(sandbox: Sandbox, olga: User) -> None:
    domain = verified(sandbox)
    settings_services.configure(domain=domain, desired=desired_settings(domain, mail_from_label="mail"), actor=olga)
    settings_services.apply_settings(domain_id=domain.id)
    stored = Domain.objects.get(pk=domain.pk)
    assert (stored.ses_mail_from, stored.mail_from_status, stored.dkim_status) == (
        "mail.shop.com",
        SesStatus.UNKNOWN,
        SesStatus.SUCCESS,
    )


def test_changing_the_behaviour_on_mx_failure_keeps_the_status(sandbox: Sandbox, olga: User) -> None:
    domain = verified(sandbox)
    settings_services.configure(
        domain=domain, desired=desired_settings(domain, on_mx_failure=Domain.OnMxFailure.REJECT), actor=olga
    )
    settings_services.apply_settings(domain_id=domain.id)
    assert Domain.objects.get(pk=domain.pk).mail_from_status == SesStatus.SUCCESS


def test_the_status_of_the_old_keys_is_cleared(sandbox: Sandbox, olga: User) -> None:
    domain = verified(sandbox)
    settings_services.rotate_dkim(domain=domain, actor=olga, because="The key leaked")
    settings_services.apply_settings(domain_id=domain.id)
    stored = Domain.objects.get(pk=domain.pk)
    assert (stored.dkim_status, stored.identity_status) == (SesStatus.UNKNOWN, SesStatus.SUCCESS)
    assert next(record.need for record in stored.records if record.key == "identity") == "required"


def test_an_answer_about_outdated_settings_is_not_stored_as_a_status(sandbox: Sandbox) -> None:
    """The worker changed the name and the keys at SES while the answer about the old ones was on its way."""
    domain = verified(sandbox)
    Domain.objects.filter(pk=domain.pk).update(ses_mail_from="mail.shop.com", dkim_tokens=["a", "b", "c"])
    identity_status_services.read_statuses([domain], now=timezone.now())
    stored = Domain.objects.get(pk=domain.pk)
    assert (stored.mail_from_status, stored.dkim_status, stored.ses_mail_from) == ("", "", "mail.shop.com")


@pytest.mark.parametrize("others", [0, 5])
def test_a_mail_from_domain_set_outside_has_no_status_of_ours(sandbox: Sandbox, others: int) -> None:
    domain = verified(sandbox)
    with aws.calling("ses", "set") as client:
        client.set_identity_mail_from_domain(Identity="shop.com", MailFromDomain="other.shop.com")
    set_identity_status("shop.com", mail_from="Success")
    identity_status_services.read_statuses([domain, *(make_domain() for _ in range(others))], now=timezone.now())
    assert (domain.mail_from_status, domain.dkim_status) == (SesStatus.NOT_STARTED, SesStatus.SUCCESS)


def test_keys_with_signing_turned_off_are_reported(sandbox: Sandbox, olga: User) -> None:
    domain = verified(sandbox)
    publish(sandbox, domain)
    checking_services.check([domain], now=timezone.now())
    settings_services.configure(domain=domain, desired=desired_settings(domain, dkim_signing=False), actor=olga)
    settings_services.apply_settings(domain_id=domain.id)
    page = records_page(Domain.objects.get(pk=domain.pk), can_check_in=0)
    assert UNSIGNED in [aspect.sentence for aspect in page.aspects]


def test_verification_that_ses_has_not_given_up_cannot_be_restarted(sandbox: Sandbox) -> None:
    domain = set_up_domain(sandbox, "shop.com")
    with pytest.raises(Refused, match="can't be restarted"):
        settings_services.restart_verification(domain=domain, actor=make_member())


def test_an_empty_reason_for_new_keys_shows_the_form_again(client: Client) -> None:
    domain = make_domain(stage=Stage.READY)
    client.force_login(make_member(domain.customer))
    answer = client.post(f"/domains/{domain.pk}/new-keys/", {"keys-because": " "})
    assert answer.status_code == 422
    assert "Rotate 3 DKIM keys" in answer.text
    assert "This field is required." in answer.text


def test_what_the_worker_does_for_an_api_key_is_logged_with_the_key(sandbox: Sandbox) -> None:
    domain = set_up_domain(sandbox, "shop.com")
    actor = make_user()
    actor.acts_by_key = "deploy (abc…)"
    settings_services.configure(domain=domain, desired=desired_settings(domain, mail_from_label="mf"), actor=actor)
    settings_services.apply_settings(domain_id=domain.pk)
    change = Change.objects.get(what="domain.mail_from")
    assert (change.actor_kind, change.actor_name) == ("key", f"{actor.email} with API key deploy (abc…)")
    by_person = make_user()
    settings_services.configure(domain=domain, desired=desired_settings(domain, mail_from_label="m2"), actor=by_person)
    settings_services.apply_settings(domain_id=domain.pk)
    assert Change.objects.filter(what="domain.mail_from", actor_kind="person", actor_name=by_person.email).exists()


@pytest.mark.parametrize(
    ("changed", "operation"),
    [
        ({"mail_from_label": "other"}, "SetIdentityMailFromDomain"),
        ({"on_mx_failure": Domain.OnMxFailure.REJECT}, "SetIdentityMailFromDomain"),
        ({"dkim_signing": False}, "PutEmailIdentityDkimAttributes"),
    ],
)
def test_a_setting_whose_answer_was_lost_is_sent_again_even_if_the_old_one_is_wanted_back(
    sandbox: Sandbox, olga: User, changed: dict[str, Any], operation: str
) -> None:
    """SES may have the change, although we know only of the old setting."""
    domain = set_up_domain(sandbox, "shop.com")
    before, in_ses = desired_settings(domain), settings_in_ses("shop.com")
    settings_services.configure(domain=domain, desired=desired_settings(domain, **changed), actor=olga)
    sandbox.control.add_fault("cut_after", operation, times=None)
    with pytest.raises(AwsProblem):
        settings_services.apply_settings(domain_id=domain.id)
    assert settings_in_ses("shop.com") != in_ses
    sandbox.control.clear_faults()
    settings_services.configure(domain=domain, desired=before, actor=olga)
    assert waiting_jobs(domain)[-1] == "domains.configure"
    domain.refresh_from_db()
    assert domain.is_configuring
    assert domain_list_selectors.domains_unfinished().filter(pk=domain.pk).exists()
    settings_services.apply_settings(domain_id=domain.id)
    assert settings_in_ses("shop.com") == in_ses
    assert not Domain.objects.get(pk=domain.pk).is_configuring
    assert not Change.objects.filter(what__in=("domain.mail_from", "domain.dkim_signing")).exists()


def settings_in_ses(name: str) -> tuple[object, ...]:
    found = identity_at_ses(name) or {}
    mail_from = found["MailFromAttributes"]
    return mail_from["MailFromDomain"], mail_from["BehaviorOnMxFailure"], found["DkimAttributes"]["SigningEnabled"]
