"""The worker's jobs, with each AWS call cut in each way: the next run ends where an undisturbed one does."""

from typing import Any

import pytest

from accounts.models.people import User
from domains.deletion import services as deletion_services
from domains.identity import services as identity_services
from domains.models.domains import Domain, OnMxFailure, Stage
from domains.overrides import services as overrides_services
from domains.ownership_claims import services as ownership_claims_services
from domains.preflight import services as preflight_services
from domains.settings import services as settings_services
from domains.settings.services import DesiredSettings
from inbound_admin.lib import aws
from sandbox.process import Sandbox
from tests.domains.factories import at_amazon, carry_out_deletion, publish_proof, set_up_domain, turn_identity
from tests.factories import make_customer, make_staff
from tests.faults.interruptions import LOST, REFUSED, Cutting, Story

pytestmark = pytest.mark.django_db
NAME = "shop.com"


@pytest.fixture
def cutting(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Cutting:
    return Cutting(sandbox, monkeypatch)


def set_up(domain_id: str) -> None:
    identity_services.set_up(domain_id=domain_id)


def apply(domain_id: str) -> None:
    settings_services.apply_settings(domain_id=domain_id)


def test_adding_a_domain(cutting: Cutting) -> None:
    story = Story(lambda: preflight_services.add(text=NAME, customer=make_customer("Alice"), actor=None), set_up)
    end = cutting.every_cut(story, LOST | REFUSED)
    assert end.row is not None
    assert end.row["stage"] == Stage.READY
    assert end.identity is not None
    assert end.identity["MailFromAttributes"]["MailFromDomain"] == "bounce.shop.com"
    assert end.row["verification_token"] == end.identity["VerificationToken"]
    assert whats(end.changes) == ["domain.added", "domain.set_up"]


def test_finding_that_an_identity_is_somebodys(cutting: Cutting) -> None:
    def begin() -> Domain:
        identity_of_the_console()
        return preflight_services.add(text=NAME, customer=make_customer("Bob"), actor=None)

    end = cutting.every_cut(Story(begin, set_up))
    assert end.row is not None
    assert (end.row["stage"], end.row["dkim_tokens"]) == (Stage.CLAIM, [])
    assert end.identity is not None
    assert end.identity["Tags"] == []
    assert whats(end.changes) == ["domain.added", "domain.claim_required"]


def test_finding_that_old_keys_are_still_published(cutting: Cutting, sandbox: Sandbox) -> None:
    """The identity was made to learn its keys, and goes again before the proof is asked for."""

    def begin() -> Domain:
        domain = preflight_services.add(text=NAME, customer=make_customer("Bob"), actor=None)
        token = old_token()
        sandbox.control.add_zone(NAME)
        sandbox.control.add_record(NAME, f"{token}._domainkey.{NAME}", "CNAME", f"{token}.dkim.amazonses.com.")
        return domain

    end = cutting.every_cut(Story(begin, set_up))
    assert end.row is not None
    assert (end.row["stage"], end.row["dkim_tokens"]) == (Stage.CLAIM, [])
    assert end.identity is None
    assert whats(end.changes) == ["domain.added", "domain.claim_required"]


def old_token() -> str:
    """Amazon gives the same tokens to the same domain again, so a visit that leaves nothing tells them."""
    client = aws.client("sesv2")
    made = client.create_email_identity(EmailIdentity=NAME)
    client.delete_email_identity(EmailIdentity=NAME)
    return str(made["DkimAttributes"]["Tokens"][0])


@pytest.mark.parametrize("mail_from", ["", "mail.shop.com"])
def test_adopting_an_identity_on_a_proven_claim(cutting: Cutting, sandbox: Sandbox, mail_from: str) -> None:
    before: list[dict[str, Any] | None] = []

    def begin() -> Domain:
        identity_of_the_console(mail_from)
        before.append(at_amazon(NAME))
        return proven(sandbox)

    end = cutting.every_cut(Story(begin, set_up))
    assert end.identity == before[0]
    assert end.row is not None
    assert (end.row["stage"], end.row["adopted"], end.row["ses_mail_from"]) == (Stage.READY, True, mail_from)
    assert whats(end.changes) == ["domain.added", "domain.claim_required", "domain.claim_proven", "domain.adopted"]


def test_upgrading_an_adopted_identity_that_had_no_mail_from(cutting: Cutting, sandbox: Sandbox) -> None:
    def begin() -> Domain:
        identity_of_the_console()
        domain = proven(sandbox)
        identity_services.set_up(domain_id=domain.id)
        return wanting(domain, mail_from_label="bounce", on_mx_failure=OnMxFailure.REJECT)

    end = cutting.every_cut(Story(begin, apply))
    assert end.identity is not None
    assert end.identity["MailFromAttributes"] == {
        "MailFromDomain": "bounce.shop.com",
        "MailFromDomainStatus": "PENDING",
        "BehaviorOnMxFailure": "REJECT_MESSAGE",
    }
    assert whats(end.changes)[-2:] == ["domain.adopted", "domain.mail_from"]


def test_changing_all_settings_at_once(cutting: Cutting, sandbox: Sandbox) -> None:
    def begin() -> Domain:
        domain = added(sandbox)
        wanting(domain, mail_from_label="mail", on_mx_failure=OnMxFailure.REJECT, dkim_signing=False)
        settings_services.rotate_dkim(domain=domain, actor=olga(), because="the key leaked")
        return domain

    end = cutting.every_cut(Story(begin, apply))
    assert end.identity is not None
    assert end.identity["MailFromAttributes"]["MailFromDomain"] == "mail.shop.com"
    assert end.identity["DkimAttributes"]["SigningEnabled"] is False
    assert end.row is not None
    assert end.row["dkim_tokens"] == end.identity["DkimAttributes"]["Tokens"]
    told = ["domain.mail_from", "domain.dkim_signing", "domain.new_dkim"]
    assert whats(end.changes) == ["domain.added", "domain.set_up", *told]


def test_giving_up_mail_from(cutting: Cutting, sandbox: Sandbox) -> None:
    end = cutting.every_cut(Story(lambda: wanting(added(sandbox), mail_from_label=""), apply))
    assert end.identity is not None
    assert "MailFromAttributes" not in end.identity
    assert whats(end.changes)[-1] == "domain.mail_from"


def test_starting_again_where_the_identity_is_gone(cutting: Cutting, sandbox: Sandbox) -> None:
    def begin() -> Domain:
        domain = added(sandbox)
        aws.client("sesv2").delete_email_identity(EmailIdentity=NAME)
        settings_services.restart_verification(domain=domain, actor=olga())
        return domain

    end = cutting.every_cut(Story(begin, set_up))
    assert end.identity is not None
    assert end.identity["MailFromAttributes"]["MailFromDomain"] == "bounce.shop.com"
    assert whats(end.changes) == ["domain.added", "domain.set_up", "domain.started_again", "domain.set_up"]


def test_starting_again_where_amazon_gave_up(cutting: Cutting, sandbox: Sandbox) -> None:
    def begin() -> Domain:
        domain = added(sandbox)
        turn_identity(NAME, ownership="Failed", dkim="Failed", mail_from="Failed")
        settings_services.restart_verification(domain=domain, actor=olga())
        return domain

    end = cutting.every_cut(Story(begin, set_up))
    assert end.identity is not None
    assert end.identity["VerificationStatus"] == "PENDING"
    assert end.identity["DkimAttributes"]["Status"] == "PENDING"
    assert end.identity["MailFromAttributes"]["MailFromDomainStatus"] == "PENDING"


def test_starting_an_adopted_identity_again_where_amazon_gave_up(cutting: Cutting, sandbox: Sandbox) -> None:
    def begin() -> Domain:
        identity_of_the_console("mail.shop.com")
        domain = proven(sandbox)
        identity_services.set_up(domain_id=domain.id)
        turn_identity(NAME, ownership="Failed", dkim="Failed", mail_from="Failed")
        settings_services.restart_verification(domain=domain, actor=olga())
        return domain

    end = cutting.every_cut(Story(begin, set_up))
    assert end.row is not None
    assert (end.row["adopted"], end.row["ses_mail_from"]) == (True, "mail.shop.com")
    assert end.identity is not None
    assert end.identity["VerificationStatus"] == "PENDING"
    assert end.identity["DkimAttributes"]["Status"] == "PENDING"
    assert end.identity["MailFromAttributes"]["MailFromDomainStatus"] == "PENDING"


def test_a_domain_that_changes_hands_while_it_is_set_up(cutting: Cutting) -> None:
    bob = make_customer("Bob")

    def begin() -> Domain:
        domain = preflight_services.add(text=NAME, customer=make_customer("Alice"), actor=None)
        overrides_services.transfer(domain=domain, to=bob, because="Alice sold the shop", actor=olga())
        return domain

    end = cutting.every_cut(Story(begin, set_up))
    assert Domain.objects.get().customer == bob
    told = ["domain.transferred", "domain.moved_out", "domain.moved_in"]
    assert whats(end.changes) == ["domain.added", *told, "domain.set_up"]


def test_deleting_a_domain_that_is_in_tenants(cutting: Cutting, sandbox: Sandbox) -> None:
    def begin() -> Domain:
        domain = added(sandbox)
        for tenant in ("alice", "alice-bulk"):
            aws.client("sesv2").create_tenant(TenantName=tenant)
            arn = aws.identity_arn(NAME)
            aws.client("sesv2").create_tenant_resource_association(TenantName=tenant, ResourceArn=arn)
        return marked(domain)

    end = cutting.every_cut(Story(begin, carry_out))
    assert (end.row, end.identity) == (None, None)
    assert whats(end.changes) == ["domain.added", "domain.set_up", "domain.deleted"]


def test_deleting_a_domain_whose_setting_up_was_cut(cutting: Cutting, sandbox: Sandbox) -> None:
    def begin() -> Domain:
        domain = preflight_services.add(text=NAME, customer=make_customer("Alice"), actor=None)
        aws.client("sesv2").create_email_identity(
            EmailIdentity=NAME, Tags=[{"Key": "inbound-admin:domain", "Value": domain.id}]
        )
        return marked(domain)

    end = cutting.every_cut(Story(begin, carry_out))
    assert (end.row, end.identity) == (None, None)


def carry_out(domain_id: str) -> None:
    carry_out_deletion(domain_id=domain_id)


def identity_of_the_console(mail_from: str = "") -> None:
    """Made by hand, so without our tag and without the token that v1 alone gives."""
    aws.client("sesv2").create_email_identity(EmailIdentity=NAME)
    if mail_from:
        aws.client("sesv2").put_email_identity_mail_from_attributes(
            EmailIdentity=NAME, MailFromDomain=mail_from, BehaviorOnMxFailure="REJECT_MESSAGE"
        )


def added(sandbox: Sandbox) -> Domain:
    return set_up_domain(sandbox, NAME, customer=make_customer("Alice"))


def proven(sandbox: Sandbox) -> Domain:
    domain = added(sandbox)
    assert domain.stage == Stage.CLAIM
    publish_proof(sandbox, domain)
    assert ownership_claims_services.check_claim(domain)
    return domain


def wanting(domain: Domain, **fields: Any) -> Domain:
    domain.refresh_from_db()
    now = {name: getattr(domain, name) for name in DesiredSettings.__dataclass_fields__}
    settings_services.configure(domain=domain, desired=DesiredSettings(**now | fields), actor=olga())
    return domain


def marked(domain: Domain) -> Domain:
    deletion_services.mark_for_deletion(domain=domain, typed_name=domain.name, actor=olga())
    return domain


def olga() -> User:
    return User.objects.filter(email="olga@ops.example").first() or make_staff(email="olga@ops.example")


def whats(changes: list[dict[str, Any]]) -> list[str]:
    return [str(change["what"]) for change in changes]
