"""Rows of the showcase's reputation pages, created when the first page is visited."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from tenants.models.reputation import RateSample, ReputationRead
from tenants.models.tenants import Tenant
from tests.browser.showcase import tenants
from tests.browser.showcase.world import Showcase

GAP = range(60, 90)  # hours ago without measurements


def tenant_with_rates(name: str) -> Any:
    """Return the URL's arguments: the ID of the tenant with that name, which has a week of rates."""

    def arguments(world: Showcase) -> tuple[Any, ...]:
        found: tuple[Any, ...] = tenants.tenant_named(name)(world)
        tenant = Tenant.objects.get(pk=found[0])
        _measure(tenant, tenant.region)
        _find(tenant)
        return found

    return arguments


def account(world: Showcase) -> tuple[()]:
    tenants.make_tenants(world)
    _measure(None, Tenant.objects.all()[0].region)
    return ()


def _find(tenant: Tenant) -> None:
    """Create a known finding, an unknown one, and a fixed one."""
    if tenant.findings.exists():
        return
    now = timezone.now()
    for kind, impact, text, over_at in (
        ("BOUNCE", "HIGH", "The bounce rate of arn:aws:ses:eu-west-1:123456789012:tenant/paused-by-us is 16.2%.", None),
        ("NEWLY_INVENTED_FINDING", "LOW", "", None),
        ("SPF", "LOW", "", now),
    ):
        tenant.findings.create(
            kind=kind, impact=impact, status="OPEN", text=text, opened_at=now - timedelta(days=2), over_at=over_at
        )


def _measure(tenant: Tenant | None, region: str) -> None:
    if RateSample.objects.filter(tenant=tenant).exists():
        return
    now = timezone.now().replace(minute=0, second=0, microsecond=0)
    hours = [hour for hour in range(7 * 24) if hour not in GAP]
    RateSample.objects.bulk_create(
        RateSample(
            tenant=tenant,
            region=region,
            at=now - timedelta(hours=hour),
            bounce=0.16 - hour * 0.0009 + (hour % 7) * 0.002,
            complaint=0.004 - hour * 0.00002 if hour > 20 else None,
            sent=100 + hour,
        )
        for hour in hours
    )
    read = {"rates_at": timezone.now(), "findings_at": timezone.now(), "findings_problem": "Amazon is not answering."}
    ReputationRead.objects.update_or_create(tenant=tenant, region=region, defaults=read)
