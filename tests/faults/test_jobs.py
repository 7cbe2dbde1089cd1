"""The worker's jobs with every AWS call interrupted in every way: the next run ends like an undisturbed one."""

from typing import Any

import pytest

from accounts.models.people import User
from domains.deletion import services as deletion_services
from domains.identity import services as identity_services
from domains.models.domains import Domain, Stage
from domains.overrides import services as overrides_services
from domains.ownership_claims import services as ownership_claims_services
from domains.preflight import services as preflight_services
from domains.settings import services as settings_services
from domains.settings.services import DesiredSettings
from inbound_admin.lib import aws
from sandbox.process import Sandbox
from tests.domains.factories import (
    delete_marked_domain,
    identity_at_ses,
    publish_proof,
    set_identity_status,
    set_up_domain,
)
from tests.factories import make_customer, make_staff
from tests.faults.interruptions import FAILED_CALLS, LOST_RESPONSES, Interrupter, Scenario

pytestmark = pytest.mark.django_db
NAME = "shop.com"


@pytest.fixture
def interrupter(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Interrupter:
    return Interrupter(sandbox, monkeypatch)


def set_up(domain_id: str) -> None:
    identity_services.set_up(domain_id=domain_id)


def apply(domain_id: str) -> None:
    settings_services.apply_settings(domain_id=domain_id)


def test_adding_a_domain_survives_every_interruption(interrupter: Interrupter) -> None:
    scenario = Scenario(lambda: preflight_services.add(text=NAME, customer=make_customer("Alice"), actor=None), set_up)
    end = interrupter.run_with_every_interruption(scenario, LOST_RESPONSES | FAILED_CALLS)
    assert end.row is not None
    assert end.row["stage"] == Stage.READY
    assert end.identity is not None
    assert end.identity["MailFromAttributes"]["MailFromDomain"] == "bounce.shop.com"
    assert end.row["verification_token"] == end.identity["VerificationToken"]
    assert change_kinds(end.changes) == ["domain.added", "domain.set_up"]


def test_detecting_another_programs_identity_survives_every_interruption(interrupter: Interrupter) -> None:
    def begin() -> Domain:
        create_identity_in_console()
        return preflight_services.add(text=NAME, customer=make_customer("Bob"), actor=None)

    end = interrupter.run_with_every_interruption(Scenario(begin, set_up))
    assert end.row is not None
    assert (end.row["stage"], end.row["dkim_tokens"]) == (Stage.CLAIM, [])
    assert end.identity is not None
    assert end.identity["Tags"] == []
    assert change_kinds(end.changes) == ["domain.added", "domain.claim_required"]


def test_detecting_previous_dkim_records_survives_every_interruption(
    interrupter: Interrupter, sandbox: Sandbox
) -> None:
    """The identity is created to read its DKIM tokens, and deleted before the proof of ownership is required."""

    def begin() -> Domain:
        domain = preflight_services.add(text=NAME, customer=make_customer("Bob"), actor=None)
        token = previous_dkim_token()
        sandbox.control.add_zone(NAME)
        sandbox.control.add_record(NAME, f"{token}._domainkey.{NAME}", "CNAME", f"{token}.dkim.amazonses.com.")
        return domain

    end = interrupter.run_with_every_interruption(Scenario(begin, set_up))
    assert end.row is not None
    assert (end.row["stage"], end.row["dkim_tokens"]) == (Stage.CLAIM, [])
    assert end.identity is None
    assert change_kinds(end.changes) == ["domain.added", "domain.claim_required"]


def previous_dkim_token() -> str:
    """Create and delete the identity to learn its token: SES returns the same tokens for the same domain again."""
    client = aws.client("sesv2")
    made = client.create_email_identity(EmailIdentity=NAME)
    client.delete_email_identity(EmailIdentity=NAME)
    return str(made["DkimAttributes"]["Tokens"][0])


@pytest.mark.parametrize("mail_from", ["", "mail.shop.com"])
def test_adopting_an_identity_after_the_proof_survives_every_interruption(
    interrupter: Interrupter, sandbox: Sandbox, mail_from: str
) -> None:
    before: list[dict[str, Any] | None] = []

    def begin() -> Domain:
        create_identity_in_console(mail_from)
        before.append(identity_at_ses(NAME))
        return add_and_prove_domain(sandbox)

    end = interrupter.run_with_every_interruption(Scenario(begin, set_up))
    assert end.identity == before[0]
    assert end.row is not None
    assert (end.row["stage"], end.row["adopted"], end.row["ses_mail_from"]) == (Stage.READY, True, mail_from)
    assert change_kinds(end.changes) == [
        "domain.added",
        "domain.claim_required",
        "domain.claim_proven",
        "domain.adopted",
    ]


def test_adding_mail_from_to_an_adopted_identity_survives_every_interruption(
    interrupter: Interrupter, sandbox: Sandbox
) -> None:
    def begin() -> Domain:
        create_identity_in_console()
        domain = add_and_prove_domain(sandbox)
        identity_services.set_up(domain_id=domain.id)
        return request_settings(domain, mail_from_label="bounce", on_mx_failure=Domain.OnMxFailure.REJECT)

    end = interrupter.run_with_every_interruption(Scenario(begin, apply))
    assert end.identity is not None
    assert end.identity["MailFromAttributes"] == {
        "MailFromDomain": "bounce.shop.com",
        "MailFromDomainStatus": "PENDING",
        "BehaviorOnMxFailure": "REJECT_MESSAGE",
    }
    assert change_kinds(end.changes)[-2:] == ["domain.adopted", "domain.mail_from"]


def test_changing_all_settings_survives_every_interruption(interrupter: Interrupter, sandbox: Sandbox) -> None:
    def begin() -> Domain:
        domain = add_domain(sandbox)
        request_settings(domain, mail_from_label="mail", on_mx_failure=Domain.OnMxFailure.REJECT, dkim_signing=False)
        settings_services.rotate_dkim(domain=domain, actor=olga(), because="the key leaked")
        return domain

    end = interrupter.run_with_every_interruption(Scenario(begin, apply))
    assert end.identity is not None
    assert end.identity["MailFromAttributes"]["MailFromDomain"] == "mail.shop.com"
    assert end.identity["DkimAttributes"]["SigningEnabled"] is False
    assert end.row is not None
    assert end.row["dkim_tokens"] == end.identity["DkimAttributes"]["Tokens"]
    expected = ["domain.mail_from", "domain.dkim_signing", "domain.new_dkim"]
    assert change_kinds(end.changes) == ["domain.added", "domain.set_up", *expected]


def test_removing_mail_from_survives_every_interruption(interrupter: Interrupter, sandbox: Sandbox) -> None:
    end = interrupter.run_with_every_interruption(
        Scenario(lambda: request_settings(add_domain(sandbox), mail_from_label=""), apply)
    )
    assert end.identity is not None
    assert "MailFromAttributes" not in end.identity
    assert change_kinds(end.changes)[-1] == "domain.mail_from"


def test_restarting_with_a_deleted_identity_survives_every_interruption(
    interrupter: Interrupter, sandbox: Sandbox
) -> None:
    def begin() -> Domain:
        domain = add_domain(sandbox)
        aws.client("sesv2").delete_email_identity(EmailIdentity=NAME)
        settings_services.restart_verification(domain=domain, actor=olga())
        return domain

    end = interrupter.run_with_every_interruption(Scenario(begin, set_up))
    assert end.identity is not None
    assert end.identity["MailFromAttributes"]["MailFromDomain"] == "bounce.shop.com"
    assert change_kinds(end.changes) == ["domain.added", "domain.set_up", "domain.started_again", "domain.set_up"]


def test_restarting_after_ses_gave_up_survives_every_interruption(interrupter: Interrupter, sandbox: Sandbox) -> None:
    def begin() -> Domain:
        domain = add_domain(sandbox)
        set_identity_status(NAME, ownership="Failed", dkim="Failed", mail_from="Failed")
        settings_services.restart_verification(domain=domain, actor=olga())
        return domain

    end = interrupter.run_with_every_interruption(Scenario(begin, set_up))
    assert end.identity is not None
    assert end.identity["VerificationStatus"] == "PENDING"
    assert end.identity["DkimAttributes"]["Status"] == "PENDING"
    assert end.identity["MailFromAttributes"]["MailFromDomainStatus"] == "PENDING"


def test_restarting_an_adopted_identity_after_ses_gave_up_survives_every_interruption(
    interrupter: Interrupter, sandbox: Sandbox
) -> None:
    def begin() -> Domain:
        create_identity_in_console("mail.shop.com")
        domain = add_and_prove_domain(sandbox)
        identity_services.set_up(domain_id=domain.id)
        set_identity_status(NAME, ownership="Failed", dkim="Failed", mail_from="Failed")
        settings_services.restart_verification(domain=domain, actor=olga())
        return domain

    end = interrupter.run_with_every_interruption(Scenario(begin, set_up))
    assert end.row is not None
    assert (end.row["adopted"], end.row["ses_mail_from"]) == (True, "mail.shop.com")
    assert end.identity is not None
    assert end.identity["VerificationStatus"] == "PENDING"
    assert end.identity["DkimAttributes"]["Status"] == "PENDING"
    assert end.identity["MailFromAttributes"]["MailFromDomainStatus"] == "PENDING"


def test_a_transfer_during_the_setup_survives_every_interruption(interrupter: Interrupter) -> None:
    bob = make_customer("Bob")

    def begin() -> Domain:
        domain = preflight_services.add(text=NAME, customer=make_customer("Alice"), actor=None)
        overrides_services.transfer(domain=domain, to=bob, because="Alice sold the shop", actor=olga())
        return domain

    end = interrupter.run_with_every_interruption(Scenario(begin, set_up))
    assert Domain.objects.get().customer == bob
    expected = ["domain.transferred", "domain.moved_out", "domain.moved_in"]
    assert change_kinds(end.changes) == ["domain.added", *expected, "domain.set_up"]


def test_deleting_a_domain_in_tenants_survives_every_interruption(interrupter: Interrupter, sandbox: Sandbox) -> None:
    def begin() -> Domain:
        domain = add_domain(sandbox)
        for tenant in ("alice", "alice-bulk"):
            aws.client("sesv2").create_tenant(TenantName=tenant)
            arn = aws.identity_arn(NAME)
            aws.client("sesv2").create_tenant_resource_association(TenantName=tenant, ResourceArn=arn)
        return mark_as_deleting(domain)

    end = interrupter.run_with_every_interruption(Scenario(begin, delete_identity))
    assert (end.row, end.identity) == (None, None)
    assert change_kinds(end.changes) == ["domain.added", "domain.set_up", "domain.deleted"]


def test_deleting_a_domain_with_an_unfinished_setup_survives_every_interruption(
    interrupter: Interrupter, sandbox: Sandbox
) -> None:
    def begin() -> Domain:
        domain = preflight_services.add(text=NAME, customer=make_customer("Alice"), actor=None)
        aws.client("sesv2").create_email_identity(
            EmailIdentity=NAME, Tags=[{"Key": "inbound-admin:domain", "Value": domain.id}]
        )
        return mark_as_deleting(domain)

    end = interrupter.run_with_every_interruption(Scenario(begin, delete_identity))
    assert (end.row, end.identity) == (None, None)


def delete_identity(domain_id: str) -> None:
    delete_marked_domain(domain_id=domain_id)


def create_identity_in_console(mail_from: str = "") -> None:
    """Create an identity manually: without our tag, and without the token that only v1 returns."""
    aws.client("sesv2").create_email_identity(EmailIdentity=NAME)
    if mail_from:
        aws.client("sesv2").put_email_identity_mail_from_attributes(
            EmailIdentity=NAME, MailFromDomain=mail_from, BehaviorOnMxFailure="REJECT_MESSAGE"
        )


def add_domain(sandbox: Sandbox) -> Domain:
    return set_up_domain(sandbox, NAME, customer=make_customer("Alice"))


def add_and_prove_domain(sandbox: Sandbox) -> Domain:
    domain = add_domain(sandbox)
    assert domain.stage == Stage.CLAIM
    publish_proof(sandbox, domain)
    assert ownership_claims_services.check_claim(domain)
    return domain


def request_settings(domain: Domain, **fields: Any) -> Domain:
    domain.refresh_from_db()
    now = {name: getattr(domain, name) for name in DesiredSettings.__dataclass_fields__}
    settings_services.configure(domain=domain, desired=DesiredSettings(**now | fields), actor=olga())
    return domain


def mark_as_deleting(domain: Domain) -> Domain:
    deletion_services.mark_for_deletion(domain=domain, typed_name=domain.name, actor=olga())
    return domain


def olga() -> User:
    return User.objects.filter(email="olga@ops.example").first() or make_staff(email="olga@ops.example")


def change_kinds(changes: list[dict[str, Any]]) -> list[str]:
    return [str(change["what"]) for change in changes]
