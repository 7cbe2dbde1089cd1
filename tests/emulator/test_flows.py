"""Add, verify, plan, run, tenant and pause, by the product's own services, against an Amazon that nobody here wrote.

Where a flow needs a call that the emulator lacks (`test_calls.LACKS`), the test says what the product makes of that: a
sentence for an operator, and nothing that was there is lost or called gone.
"""

from collections.abc import Callable

import pytest
from django.utils import timezone

from domains.identity import gateway as identity_gateway
from domains.identity import services as identity_services
from domains.identity.core import GONE
from domains.identity_status import services as identity_status_services
from domains.models.domains import Domain, Stage
from domains.preflight import services as preflight_services
from inbound_admin.lib.errors import AwsProblem
from receipt_rules.live import gateway as live_gateway
from receipt_rules.models.runs import RunState
from sandbox.process import Sandbox
from tenants.lifecycle import gateway as lifecycle_gateway
from tenants.lifecycle import services as lifecycle_services
from tenants.models.tenants import Tenant, TenantStage
from tenants.pause import services as pause_services
from tenants.resources import services as resources_services
from tests.domains.factories import make_zone
from tests.emulator.conftest import Emulator
from tests.factories import make_customer
from tests.receipt_rules.factories import approve_and_run, live, make_address, make_endpoint, make_operator
from tests.tenants.factories import pause_tenant

pytestmark = [pytest.mark.emulator, pytest.mark.django_db]


@pytest.fixture
def added(emulator: Emulator, sandbox: Sandbox) -> Callable[[str], Domain]:
    def add(name: str) -> Domain:
        domain = preflight_services.add(text=name, customer=make_customer(), actor=None)
        make_zone(sandbox, domain)
        identity_services.set_up(domain_id=domain.id)
        domain.refresh_from_db()
        return domain

    return add


def created(name: str) -> Tenant:
    """As far as the emulator goes: it knows no reputation policy, so the creation stops there and says so."""
    tenant = lifecycle_services.create_tenant(customer=make_customer(name), actor=None)
    with pytest.raises(AwsProblem, match="reputation policy"):
        lifecycle_services.create_in_ses(tenant_id=tenant.pk)
    tenant.refresh_from_db()
    return tenant


def test_a_domain_is_added_and_a_refused_mail_from_name_hides_no_record(added: Callable[[str], Domain]) -> None:
    domain = added("added.com")
    assert (domain.stage, domain.ses_mail_from) == (Stage.READY, "")
    assert [r.key for r in domain.records] == ["identity", "dkim-1", "dkim-2", "dkim-3", "apex-spf", "dmarc"]
    told = identity_gateway.get_identity("added.com")
    assert sorted(told.dkim_tokens) == sorted(domain.dkim_tokens)


def test_an_identity_that_may_send_is_verified(added: Callable[[str], Domain]) -> None:
    domain = added("verified.com")
    identity_status_services.read_statuses([domain], now=timezone.now())
    domain.refresh_from_db()
    assert (domain.identity_status, domain.ses_problem) == ("SUCCESS", "")
    assert domain.is_verified
    assert identity_gateway.get_verification(["verified.com"])["verified.com"][0] == "SUCCESS"


def test_an_identity_that_is_deleted_elsewhere_is_called_gone(
    added: Callable[[str], Domain], emulator: Emulator
) -> None:
    domain = added("deleted.com")
    emulator.client("sesv2").delete_email_identity(EmailIdentity="deleted.com")
    identity_status_services.read_statuses([domain], now=timezone.now())
    domain.refresh_from_db()
    assert domain.ses_problem == GONE


def test_many_are_read_at_once_or_what_is_known_stays(added: Callable[[str], Domain]) -> None:
    """GetIdentityMailFromDomainAttributes is missing."""
    names = [f"many{number}.com" for number in range(identity_status_services.A_FEW + 1)]
    domains = [added(name) for name in names]
    Domain.objects.update(identity_status="SUCCESS")
    for domain in domains:
        domain.refresh_from_db()
    identity_status_services.read_statuses(domains, now=timezone.now())
    for domain in domains:
        domain.refresh_from_db()
        assert domain.identity_status == "SUCCESS"
        assert "We couldn't" in domain.ses_problem


def test_a_plan_is_made_approved_and_run(added: Callable[[str], Domain], emulator: Emulator) -> None:
    domain = added("planned.com")
    ready = {"identity_status": "SUCCESS", "proven_at": timezone.now(), "routes_unchecked": False}
    Domain.objects.filter(pk=domain.pk).update(**ready)
    make_address("sales@planned.com", domain, endpoint=make_endpoint(domain.customer))
    operator = make_operator()
    run = approve_and_run(operator, typed="inbound-mail")
    assert (run.state, run.problem) == (RunState.DONE, "")
    (rule,) = live().rules
    assert rule.recipients == ("sales@planned.com",)
    theirs = emulator.client("ses").describe_active_receipt_rule_set()
    assert theirs["Metadata"]["Name"] == "inbound-mail"
    assert theirs["Rules"][0]["Enabled"] is True
    make_address("info@planned.com", domain, endpoint=make_endpoint(domain.customer))
    again = approve_and_run(operator)  # UpdateReceiptRule is missing
    assert (again.state, bool(again.problem)) == (RunState.FAILED, True)
    assert live().rules == (rule,)


def test_the_rule_set_that_is_read_is_the_one_that_was_written(added: Callable[[str], Domain]) -> None:
    found = live_gateway.describe_active_rule_set()
    assert found is None or found.name == "inbound-mail"


def test_a_tenant_is_created_as_far_as_the_emulator_goes_and_says_what_is_missing(emulator: Emulator) -> None:
    tenant = created("Tenant Ltd")
    assert tenant.stage == TenantStage.CREATING
    assert "We couldn't set the tenant's reputation policy" in tenant.stage_problem
    theirs = emulator.client("sesv2").get_tenant(TenantName=tenant.name)["Tenant"]
    assert (theirs["TenantArn"], theirs["TenantId"]) == (tenant.arn, tenant.ses_id)
    with pytest.raises(AwsProblem, match="reputation policy"):  # once more: what is there is found, not made twice
        lifecycle_services.create_in_ses(tenant_id=tenant.pk)
    names = [each["TenantName"] for each in emulator.client("sesv2").list_tenants()["Tenants"]]
    assert names.count(tenant.name) == 1


def test_resources_are_associated_and_read_back(added: Callable[[str], Domain]) -> None:
    tenant, domain = created("Resources Ltd"), added("associated.com")
    arn = identity_services.identity_arn_for(domain, tenant)
    lifecycle_gateway.associate(tenant.name, arn)
    assert resources_services.tenants_with_resource(arn) == (tenant.name,)
    assert [each for _, each in resources_services.resources_in_ses(tenant.name)] == [arn]
    lifecycle_gateway.dissociate(tenant.name, arn)
    assert resources_services.tenants_with_resource(arn) == ()


def test_a_pause_that_amazon_did_not_take_is_never_called_paused(emulator: Emulator) -> None:
    """UpdateReputationEntityCustomerManagedStatus is missing."""
    tenant = created("Paused Ltd")
    Tenant.objects.filter(pk=tenant.pk).update(stage=TenantStage.READY)
    tenant.refresh_from_db()
    pause_tenant(tenant, carried_out=False)
    with pytest.raises(AwsProblem):
        pause_services.apply_status(tenant_id=tenant.pk)
    tenant.refresh_from_db()
    assert (tenant.standing, tenant.status_told_at, tenant.status_proven_at) == ("pausing", None, None)
    assert "We couldn't" in tenant.status_problem
