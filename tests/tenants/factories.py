"""SES tenants for tests: rows only, or also in the sandbox's SES."""

from typing import Any

from django.conf import settings
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from accounts.models.people import Customer, User
from accounts.roles import Role
from inbound_admin.lib import aws
from sandbox.process import Sandbox
from tenants.lifecycle import services as lifecycle_services
from tenants.metrics import services as metrics_services
from tenants.models.tenants import Tenant, TenantStage
from tenants.pause import services as pause_services
from tenants.status.core import TenantStatus
from tests.factories import make_customer, make_staff


def make_tenant(customer: Customer | None = None, **fields: Any) -> Tenant:
    """Create only the row of an active tenant that the customer's sends name, without any call."""
    customer = customer or make_customer()
    tenant = Tenant(customer=customer)
    name = f"tenant-{tenant.pk[-8:]}"
    defaults: dict[str, Any] = {
        "region": settings.AWS_REGION,
        "name": name,
        "configuration_set": name,
        "stage": TenantStage.READY,
        "arn": f"arn:aws:ses:{settings.AWS_REGION}:123456789012:tenant/{name}/tn-{tenant.pk[-8:]}",
        "ses_id": f"tn-{tenant.pk[-8:]}",
        "policy_told": "standard",
        "ses_policy": fields.get("policy", "standard"),
        "staff_status": "ENABLED",
        "amazon_status": "ENABLED",
        "aggregate": "ENABLED",
        "impact": "NONE",
        "set_sends": True,
        "sends_since": timezone.now(),
        "standing": TenantStatus.ACTIVE,
    }
    for key, value in (defaults | fields).items():
        setattr(tenant, key, value)
    tenant.save(force_insert=True)
    return tenant


def set_up_tenant(customer: Customer | None = None, **fields: Any) -> Tenant:
    """Create the tenant in the sandbox's SES. The customer's sends name it."""
    fields = {"sends_at_once": True, **fields}
    tenant = lifecycle_services.create_tenant(customer=customer or make_customer(), actor=None, **fields)
    lifecycle_services.create_in_ses(tenant_id=tenant.pk)
    tenant.refresh_from_db()
    return tenant


def pause_tenant(tenant: Tenant, *, actor: User | None = None, applied: bool = True, **fields: Any) -> None:
    """Pause the tenant as Tess, whose role is Trust & Safety."""
    defaults: dict[str, Any] = {
        "reason": "spam",
        "text": "Spam traps were hit.",
        "told": "Please clean your list.",
        "review_on": None,
        "stops_receiving": False,
    }
    pause_services.pause(tenant=tenant, actor=actor or make_tess(), **(defaults | fields))
    if applied:
        pause_services.apply_status(tenant_id=tenant.pk)
    tenant.refresh_from_db()


def make_tess() -> User:
    return make_staff(Role.TRUST_AND_SAFETY)


def jobs_of(tenant: Tenant) -> list[str]:
    jobs = ProcrastinateJob.objects.filter(status="todo", args__tenant_id=tenant.pk)
    return list(jobs.order_by("id").values_list("task_name", flat=True))


def resources_in_ses(name: str) -> set[str]:
    """Return `identity/shop.com`, `configuration-set/...` as boto3 reads them; empty if there is no such tenant."""
    client = aws.client("sesv2")
    try:
        rows = client.list_tenant_resources(TenantName=name)["TenantResources"]
    except client.exceptions.NotFoundException:
        return set()
    return {row["ResourceArn"].split(":", 5)[5] for row in rows}


def reputation_entity_in_ses(tenant: Tenant) -> dict[str, Any]:
    answer = aws.client("sesv2").get_reputation_entity(
        ReputationEntityType="RESOURCE", ReputationEntityReference=tenant.arn
    )
    found: dict[str, Any] = answer["ReputationEntity"]
    return found


def make_tenant_with_rates(sandbox: Sandbox, *, without_set: bool = False, **rates: float) -> Tenant:
    """Create the tenant in the sandbox's SES with these rates (`bounce`, `complaint`), and read them. `without_set`
    disables the reputation metrics of its configuration set.
    """
    tenant = set_up_tenant()
    if without_set:
        aws.client("sesv2").put_configuration_set_reputation_options(
            ConfigurationSetName=tenant.configuration_set, ReputationMetricsEnabled=False
        )
    sandbox.control.set_rates(tenant.name, **rates)
    metrics_services.sync_due_metrics(now=timezone.now())
    tenant.refresh_from_db()
    return tenant
