"""The adoption of existing SES identities: they are assigned to a customer, and nothing changes at SES."""

from datetime import timedelta

import pytest
import time_machine
from django.db.models import QuerySet
from django.utils import timezone

from accounts.roles import Role
from audit.models import Change
from domains.adoption import services as adoption_services
from domains.adoption.services import AdoptionRequest, AdoptionStatus
from domains.domain_list import selectors as domain_list_selectors
from domains.identity import gateway as identity_gateway
from domains.identity import services as identity_services
from domains.identity_status import services as identity_status_services
from domains.models.domains import Domain, Stage
from domains.overrides import services as overrides_services
from domains.ownership import services as ownership_services
from domains.ownership_claims import services as ownership_claims_services
from domains.settings import services as settings_services
from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsProblem, Refused
from notifications.models.alerts import Alert
from operations.identity_drift import services as identity_drift_services
from sandbox.process import Sandbox
from tenants.models.tenants import Tenant
from tenants.resources import services as resources_services
from tests.domains.factories import make_domain, publish_proof, set_identity_status, set_up_domain
from tests.factories import make_customer, make_member, make_staff
from tests.tenants.factories import jobs_of, resources_in_ses, set_up_tenant

pytestmark = pytest.mark.django_db


def create_identities(*names: str) -> None:
    """Create identities in SES as another client."""
    for name in names:
        with aws.calling("sesv2", "create") as client:
            client.create_email_identity(EmailIdentity=name)


def writes(sandbox: Sandbox) -> int:
    return sum(call.write for call in sandbox.control.calls(2000))


def adopt(*names: str, **fields: object) -> tuple[adoption_services.AdoptionOutcome, ...]:
    defaults = {"customer": make_customer("Alice Ltd"), "actor": make_staff(Role.OPERATOR), "because": "Contract 12"}
    return adoption_services.adopt(names=names, request=AdoptionRequest(**{**defaults, **fields}))  # type: ignore[arg-type]  # by name


def test_adoption_copies_the_settings_at_ses_and_writes_nothing_there(sandbox: Sandbox) -> None:
    create_identities("shop.example.com")
    with aws.calling("ses", "set") as client:
        client.set_identity_mail_from_domain(
            Identity="shop.example.com", MailFromDomain="mail.shop.example.com", BehaviorOnMXFailure="RejectMessage"
        )
    before = writes(sandbox)
    (outcome,) = adopt("shop.example.com")
    made = Domain.objects.get(pk=outcome.domain_id)
    assert outcome.status is AdoptionStatus.ADOPT
    assert (made.stage, made.adopted, len(made.dkim_tokens)) == (Stage.READY, True, 3)
    assert [r.value.partition(".")[2] for r in made.records if r.type == "CNAME"] == ["dkim.amazonses.com"] * 3
    assert (made.mail_from, made.ses_mail_from) == ("mail.shop.example.com", "mail.shop.example.com")
    assert made.on_mx_failure == made.ses_on_mx_failure == "RejectMessage"
    assert not made.is_configuring
    assert writes(sandbox) == before


def test_each_name_gets_its_own_adoption_status(sandbox: Sandbox) -> None:
    create_identities("new.com", "bobs.com", "mine.com")
    alice = make_customer("Alice Ltd")
    make_domain("bobs.com")
    make_domain("mine.com", customer=alice)
    names = ("new.com", "bobs.com", "mine.com", "nowhere.com", "no domain")
    statuses = [outcome.status for outcome in adopt(*names, customer=alice)]
    assert statuses == [
        AdoptionStatus.ADOPT,
        AdoptionStatus.TAKEN,
        AdoptionStatus.THEIRS,
        AdoptionStatus.NOT_AT_AMAZON,
        AdoptionStatus.NO_DOMAIN,
    ]
    assert Domain.objects.get(name="bobs.com").customer != alice


def test_adopting_a_hundred_domains_takes_three_calls(sandbox: Sandbox) -> None:
    names = [f"d{number}.com" for number in range(100)]
    create_identities(*names)
    sandbox.control.clear_calls()
    assert {outcome.status for outcome in adopt(*names)} == {AdoptionStatus.ADOPT}
    assert sum(sandbox.control.call_counts().values()) == 3


def test_adopting_again_after_a_failure_adopts_the_rest(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity_gateway, "BATCH", 1)
    create_identities("a.com", "b.com")
    alice = make_customer("Alice Ltd")
    sandbox.control.add_fault("error", "GetIdentityDkimAttributes", nth=2, times=9)
    with pytest.raises(AwsProblem):
        adopt("a.com", "b.com", customer=alice)
    sandbox.control.clear_faults()
    assert [outcome.status for outcome in adopt("a.com", "b.com", customer=alice)] == [
        AdoptionStatus.THEIRS,
        AdoptionStatus.ADOPT,
    ]


def test_adoption_requires_an_operator_and_a_reason(sandbox: Sandbox) -> None:
    create_identities("a.com")
    with pytest.raises(Refused, match="operators"):
        adopt("a.com", actor=make_staff(Role.SUPPORT))
    with pytest.raises(Refused, match="Enter the reason"):
        adopt("a.com", because=" ")
    assert not Domain.objects.exists()


def test_each_adopted_domain_has_one_change_with_the_reason(sandbox: Sandbox) -> None:
    create_identities("a.com", "b.com")
    adopt("a.com", "b.com", bulk_id="chg_1")
    rows = Change.objects.filter(what="domain.adopted")
    assert {(row.object_name, row.because, row.bulk_id) for row in rows} == {
        ("a.com", "Contract 12", "chg_1"),
        ("b.com", "Contract 12", "chg_1"),
    }


def test_adoption_converts_the_customers_own_claim(sandbox: Sandbox) -> None:
    create_identities("a.com")
    alice = make_customer("Alice Ltd")
    make_domain("a.com", customer=alice, stage=Stage.CLAIM)
    (outcome,) = adopt("a.com", customer=alice)
    assert Domain.objects.get(name="a.com").pk == outcome.domain_id


def test_an_import_that_is_interrupted_is_done_whole_the_next_time(monkeypatch: pytest.MonkeyPatch) -> None:
    request = AdoptionRequest(customer=make_customer(), actor=make_staff(Role.OPERATOR), because="Contract 12")
    nothing_found = adoption_services.SesIdentities({})
    update = QuerySet.update

    def interrupted(rows: QuerySet[Domain], **values: object) -> int:
        if "dmarc_reports_to" in values:
            raise KeyboardInterrupt
        return update(rows, **values)

    with monkeypatch.context() as patched:
        patched.setattr(QuerySet, "update", interrupted)
        with pytest.raises(KeyboardInterrupt):
            adoption_services.import_domain(name="shop.com", request=request, found=nothing_found, reports=True)
    adoption_services.import_domain(name="shop.com", request=request, found=nothing_found, reports=True)
    assert Domain.objects.get().dmarc_reports_to == "dmarc@shop.com"


def test_a_worker_with_a_fast_clock_does_not_delay_the_first_check(sandbox: Sandbox) -> None:
    create_identities("shop.com")
    with time_machine.travel(timezone.now() + timedelta(days=1), tick=True):
        adopt("shop.com")
    due = domain_list_selectors.domains_due(timezone.now() + timedelta(minutes=1))
    assert [domain.name for domain in due] == ["shop.com"]
    assert due[0].last_ses_check is not None
    assert due[0].last_ses_check <= timezone.now()


def test_the_warning_of_a_claim_recovers_when_staff_adopt_its_identity(sandbox: Sandbox) -> None:
    create_identities("a.com")
    alice = make_customer("Alice Ltd")
    domain = make_domain("a.com", customer=alice, stage=Stage.CLAIM)
    Domain.objects.filter(pk=domain.pk).update(created_at=timezone.now() - timedelta(days=25))
    ownership_services.expire_unproven_domains(now=timezone.now())
    adopt("a.com", customer=alice)
    assert Alert.objects.get(kind="domain.expiring").state == "recovered"


def test_restarting_verification_keeps_an_adopted_domain_proven(sandbox: Sandbox) -> None:
    """SES has the identity, without our tag. Staff gave the name to Alice, so no proof is required again."""
    create_identities("a.com")
    with aws.calling("ses", "set") as client:
        client.set_identity_mail_from_domain(Identity="a.com", MailFromDomain="mail.a.com")
    (outcome,) = adopt("a.com")
    set_identity_status("a.com", ownership="Success", dkim="Success", mail_from="Failed")
    domain = Domain.objects.get(pk=outcome.domain_id)
    identity_status_services.read_statuses([domain], now=timezone.now())
    settings_services.restart_verification(domain=domain, actor=make_member(domain.customer))
    identity_services.set_up(domain_id=domain.pk)
    domain.refresh_from_db()
    assert (domain.stage, domain.is_proven, domain.adopted) == (Stage.READY, True, True)
    assert (domain.mail_from, domain.ses_mail_from) == ("mail.a.com", "mail.a.com")


def test_an_identity_of_a_customer_whose_sends_name_a_tenant_joins_it_with_its_default_set(sandbox: Sandbox) -> None:
    """By the import too: outside the tenant SES would reject its mail."""
    alice, bob = make_customer("Alice Ltd"), make_customer("Bob Ltd")
    sending, other = set_up_tenant(alice), set_up_tenant(bob)
    Tenant.objects.filter(pk=sending.pk).update(sends_since=timezone.now())
    Tenant.objects.filter(pk=other.pk).update(sends_since=None)
    create_identities("shop.example.com", "bobs.example.com")
    client = aws.client("sesv2")
    client.create_configuration_set(ConfigurationSetName="legacy-shared")
    client.put_email_identity_configuration_set_attributes(
        EmailIdentity="shop.example.com", ConfigurationSetName="legacy-shared"
    )
    found = adoption_services.read_identities(["shop.example.com", "bobs.example.com"])
    for customer, name in ((alice, "shop.example.com"), (bob, "bobs.example.com")):
        request = AdoptionRequest(customer=customer, actor=None, because="import")
        adoption_services.import_domain(name=name, request=request, found=found)
    assert "tenants.associate" in jobs_of(sending)
    for tenant in (sending, other):
        resources_services.apply_associations(tenant_id=tenant.pk)
    assert {"identity/shop.example.com", "configuration-set/legacy-shared"} < resources_in_ses(sending.name)
    assert "identity/bobs.example.com" not in resources_in_ses(other.name)


def test_what_staff_decided_about_a_claim_survives_its_adoption(sandbox: Sandbox) -> None:
    create_identities("a.com")
    alice, olga = make_customer("Alice Ltd"), make_staff(Role.OPERATOR)
    claim = make_domain("a.com", customer=alice, stage=Stage.CLAIM, has_catch_all=True, held_since=timezone.now())
    overrides_services.hold(domain=claim, because="Abuse", actor=olga)
    overrides_services.expect_record(domain=claim, key="inbound-mx", value="", because="Elsewhere", actor=olga)
    claim.refresh_from_db()
    adopt("a.com", customer=alice)
    domain = Domain.objects.get(pk=claim.pk)
    assert (domain.stage, domain.is_proven) == (Stage.READY, True)
    for name in ("held_at", "held_by", "held_because", "expectations", "has_catch_all", "held_since"):
        assert getattr(domain, name) == getattr(claim, name), name


def test_restarting_keeps_what_was_requested_but_not_sent_yet(sandbox: Sandbox) -> None:
    create_identities("a.com")
    (outcome,) = adopt("a.com")
    domain = Domain.objects.get(pk=outcome.domain_id)
    set_identity_status("a.com", ownership="Failed", dkim="Failed")
    identity_status_services.read_statuses([domain], now=timezone.now())
    settings_services.change_and_wait(
        domain=domain, mail_from="post", spf=None, dmarc=None, actor=make_member(domain.customer)
    )
    identity_services.set_up(domain_id=domain.pk)
    domain.refresh_from_db()
    assert (domain.stage, domain.mail_from, domain.ses_mail_from) == (Stage.READY, "post.a.com", "post.a.com")


def test_a_domain_that_went_back_to_a_claim_adopts_the_settings_of_the_identity_that_ses_has_then(
    sandbox: Sandbox,
) -> None:
    """What it wished for its former identity isn't a request that is still to be sent."""
    domain = set_up_domain(sandbox, "a.com")
    Domain.objects.filter(pk=domain.pk).update(settings_unanswered=True)
    identity_status_services.read_statuses([domain], now=timezone.now())
    identity_gateway.delete_identity("a.com")
    identity_drift_services.return_to_claim(domain=domain)
    create_identities("a.com")
    identity_gateway.set_mail_from("a.com", "other.a.com", reject_on_mx_failure=True)
    domain.refresh_from_db()
    publish_proof(sandbox, domain)
    assert ownership_claims_services.check_claim(domain)
    identity_services.set_up(domain_id=domain.pk)
    domain.refresh_from_db()
    assert (domain.stage, domain.adopted, domain.is_configuring) == (Stage.READY, True, False)
    assert (domain.mail_from, domain.ses_mail_from) == ("other.a.com", "other.a.com")


def test_a_claim_keeps_the_label_of_its_mail_from_domain_in_any_script(sandbox: Sandbox) -> None:
    request = AdoptionRequest(customer=make_customer(), actor=None, because="")
    nothing_found = adoption_services.SesIdentities({})
    adoption_services.import_domain(name="Bücher.de", request=request, found=nothing_found, mail_from="post.bücher.de")
    domain = Domain.objects.get()
    assert (domain.name, domain.stage, domain.mail_from_label) == ("xn--bcher-kva.de", Stage.CLAIM, "post")
