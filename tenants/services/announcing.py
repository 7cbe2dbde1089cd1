"""A change of a tenant's standing is told: to the customer's owners, to webhooks, and as an alert of our staff."""

from datetime import datetime

from alerts import services as alerts
from tenants.core.notices import RESUMED
from tenants.core.standing import Standing
from tenants.models import Tenant
from tenants.services.allowing import PAUSE
from tenants.services.queue import tell_soon
from tenants.services.subjects import tenant_subject

STOPPED = (Standing.PAUSED, Standing.SUSPENDED)


def announce(tenant: Tenant, *, old: str, now: datetime) -> None:
    """Part of the transaction that stores what was read. The first look at a tenant that sends is no news."""
    new = Standing(tenant.standing)
    if new != old and (new in STOPPED or (new == Standing.ACTIVE and old in (*STOPPED, Standing.RESUMING))):
        tell_soon(tenant, RESUMED if new == Standing.ACTIVE else new.value)
        event = "tenant.resumed" if new == Standing.ACTIVE else "tenant.suspended"
        if new == Standing.PAUSED and tenant.is_paused:
            event = "tenant.paused"
        by = "staff" if event == "tenant.paused" or old == Standing.RESUMING else "amazon"
        data = {"tenant": tenant.name, "standing": new.value, "before": str(old), "by": by, "region": tenant.region}
        alerts.happened(event=event, about=tenant_subject(tenant), data=data, now=now)
    _warn_of_policy(tenant, now)


def _warn_of_policy(tenant: Tenant, now: datetime) -> None:
    """What our own staff paused is no news to them; what the policy paused, or somebody at Amazon, is."""
    if tenant.standing == Standing.UNKNOWN:
        return
    alerts.observe(
        kind="tenant.paused",
        about=tenant_subject(tenant),
        firing=tenant.standing == Standing.PAUSED and not tenant.is_paused,
        why=f"The sending of {tenant.name} was paused, and not from here. {tenant.staff_cause}".strip(),
        severity="high",
        audience=alerts.Staff(PAUSE),
        now=now,
    )
