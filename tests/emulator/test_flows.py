"""Add, verify, plan, run, create a tenant and pause, by the product's services, against an independent emulator.
Where a flow needs a call that the emulator lacks (`test_calls.MISSING`), the test shows the product's reaction: a
sentence for an operator, and nothing is lost or reported as deleted.
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


def create_incomplete_tenant(name: str) -> Tenant:
    """Create a tenant as far as the emulator can: it has no reputation policies, so the creation stops there."""
    tenant = lifecycle_services.create_tenant(customer=make_customer(name), actor=None)
    with pytest.raises(AwsProblem, match="reputation policy"):
        lifecycle_services.create_in_ses(tenant_id=tenant.pk)
    tenant.refresh_from_db()
    return tenant


def test_a_domain_is_added_and_a_refused_mail_from_hides_no_record(added: Callable[[str], Domain]) -> None:
    domain = added("added.com")
    assert (domain.stage, domain.ses_mail_from) == (Stage.READY, "")
    assert [r.key for r in domain.records] == ["identity", "dkim-1", "dkim-2", "dkim-3", "apex-spf", "dmarc"]
    identity = identity_gateway.get_identity("added.com")
    assert sorted(identity.dkim_tokens) == sorted(domain.dkim_tokens)


def test_an_identity_that_can_send_is_verified(added: Callable[[str], Domain]) -> None:
    domain = added("verified.com")
    identity_status_services.read_statuses([domain], now=timezone.now())
    domain.refresh_from_db()
    assert (domain.identity_status, domain.ses_problem) == ("SUCCESS", "")
    assert domain.is_verified
    assert identity_gateway.get_verification(["verified.com"])["verified.com"][0] == "SUCCESS"


def test_an_identity_deleted_by_another_program_is_reported_as_gone(
    added: Callable[[str], Domain], emulator: Emulator
) -> None:
    domain = added("deleted.com")
    emulator.client("sesv2").delete_email_identity(EmailIdentity="deleted.com")
    identity_status_services.read_statuses([domain], now=timezone.now())
    domain.refresh_from_db()
    assert domain.ses_problem == GONE


def test_a_failed_bulk_read_keeps_the_last_status(added: Callable[[str], Domain]) -> None:
    """The emulator lacks GetIdentityMailFromDomainAttributes."""
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


def test_a_plan_is_created_approved_and_executed(added: Callable[[str], Domain], emulator: Emulator) -> None:
    domain = added("planned.com")
    ready = {"identity_status": "SUCCESS", "proven_at": timezone.now(), "routes_unchecked": False}
    Domain.objects.filter(pk=domain.pk).update(**ready)
    make_address("sales@planned.com", domain, endpoint=make_endpoint(domain.customer))
    operator = make_operator()
    run = approve_and_run(operator, typed="inbound-mail")
    assert (run.state, run.problem) == (RunState.DONE, "")
    (rule,) = live().rules
    assert rule.recipients == ("sales@planned.com",)
    in_emulator = emulator.client("ses").describe_active_receipt_rule_set()
    assert in_emulator["Metadata"]["Name"] == "inbound-mail"
    assert in_emulator["Rules"][0]["Enabled"] is True
    make_address("info@planned.com", domain, endpoint=make_endpoint(domain.customer))
    again = approve_and_run(operator)  # UpdateReceiptRule is missing
    assert (again.state, bool(again.problem)) == (RunState.FAILED, True)
    assert live().rules == (rule,)


def test_the_active_rule_set_is_read_as_written(added: Callable[[str], Domain]) -> None:
    found = live_gateway.describe_active_rule_set()
    assert found is None or found.name == "inbound-mail"


def test_a_tenants_creation_stops_at_the_missing_call_and_says_so(emulator: Emulator) -> None:
    tenant = create_incomplete_tenant("Tenant Ltd")
    assert tenant.stage == TenantStage.CREATING
    assert "We couldn't set the tenant's reputation policy" in tenant.stage_problem
    in_emulator = emulator.client("sesv2").get_tenant(TenantName=tenant.name)["Tenant"]
    assert (in_emulator["TenantArn"], in_emulator["TenantId"]) == (tenant.arn, tenant.ses_id)
    with pytest.raises(AwsProblem, match="reputation policy"):  # again: the existing tenant is found, not created twice
        lifecycle_services.create_in_ses(tenant_id=tenant.pk)
    names = [each["TenantName"] for each in emulator.client("sesv2").list_tenants()["Tenants"]]
    assert names.count(tenant.name) == 1


def test_resources_are_associated_and_read_back(added: Callable[[str], Domain]) -> None:
    tenant, domain = create_incomplete_tenant("Resources Ltd"), added("associated.com")
    arn = identity_services.identity_arn_for(domain, tenant)
    lifecycle_gateway.associate(tenant.name, arn)
    assert resources_services.tenants_with_resource(arn) == (tenant.name,)
    assert [each for _, each in resources_services.resources_in_ses(tenant.name)] == [arn]
    lifecycle_gateway.dissociate(tenant.name, arn)
    assert resources_services.tenants_with_resource(arn) == ()


def test_a_failed_pause_is_never_called_paused(emulator: Emulator) -> None:
    """The emulator lacks UpdateReputationEntityCustomerManagedStatus."""
    tenant = create_incomplete_tenant("Paused Ltd")
    Tenant.objects.filter(pk=tenant.pk).update(stage=TenantStage.READY)
    tenant.refresh_from_db()
    pause_tenant(tenant, applied=False)
    with pytest.raises(AwsProblem):
        pause_services.apply_status(tenant_id=tenant.pk)
    tenant.refresh_from_db()
    assert (tenant.standing, tenant.status_told_at, tenant.status_proven_at) == ("pausing", None, None)
    assert "We couldn't" in tenant.status_problem
