"""What was measured of a tenant and found about it. The caller has fetched the tenant for its viewer."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import BooleanField, ExpressionWrapper, F, Q, QuerySet

from tenants.core.findings import HIGH
from tenants.core.rates import Hour
from tenants.core.risk import Picture, Risk, risk_of
from tenants.models import Finding, RateSample, ReputationRead, SesEvent, Tenant, TenantStage
from tenants.selectors.ses_tenants import here

QUIET_AFTER = timedelta(days=2)  # without a rate in this time a tenant counts as one that does not send
QUIET_EVERY = timedelta(days=1)
HISTORY_SHOWN, EVENTS_SHOWN = 50, 20


def hours_of(tenant: Tenant | None, *, since: datetime) -> tuple[Hour, ...]:
    """Of the whole account here when there is no tenant; the oldest first."""
    samples = RateSample.objects.filter(tenant=tenant, region=settings.AWS_REGION, at__gte=since).order_by("at")
    return tuple(Hour(*row) for row in samples.values_list("at", "bounce", "complaint", "sent"))


def open_findings(tenant: Tenant) -> QuerySet[Finding]:
    """Those of HIGH impact first, then the newest."""
    found = Finding.objects.filter(tenant=tenant, over_at=None)
    is_high = ExpressionWrapper(Q(impact=HIGH), output_field=BooleanField())
    return found.order_by(is_high.desc(), "-opened_at")


def past_findings(tenant: Tenant) -> QuerySet[Finding]:
    return Finding.objects.filter(tenant=tenant, over_at__isnull=False).order_by("-over_at", "-pk")[:HISTORY_SHOWN]


def findings_of(tenant: Tenant, state: str) -> QuerySet[Finding]:
    """`state` is open, over or all; the newest first."""
    found = Finding.objects.filter(tenant=tenant).order_by("-opened_at", "-pk")
    return found if state == "all" else found.filter(over_at__isnull=state == "open")


def read_of(tenant: Tenant | None) -> ReputationRead | None:
    return ReputationRead.objects.filter(tenant=tenant, region=settings.AWS_REGION).first()


def risk_now(tenant: Tenant) -> Risk:
    return risk_of(
        Picture(
            policy=tenant.ses_policy or tenant.policy,
            amazon_status=tenant.amazon_status,
            aggregate=tenant.aggregate,
            open_high=tenant.open_high,
            open_low=tenant.open_low,
            bounce=tenant.bounce_rate,
            complaint=tenant.complaint_rate,
        )
    )


def last_events() -> QuerySet[SesEvent]:
    """What Amazon told us by itself, the newest first."""
    return SesEvent.objects.select_related("tenant").order_by("-received_at", "-pk")[:EVENTS_SHOWN]


def named(names: Iterable[str]) -> QuerySet[Tenant]:
    """Of this region, by SES's names."""
    return here().filter(name__in=tuple(names))


def at_amazon() -> QuerySet[Tenant]:
    """Tenants that exist there: only of these there is anything to be read."""
    return here().exclude(arn="").exclude(stage=TenantStage.DELETING)


def due_for_rates(now: datetime) -> QuerySet[Tenant]:
    """Who sends at every interval, who has lately sent nothing once a day; the longest unread first."""
    often = now - timedelta(minutes=settings.RATES_EVERY_MINUTES)
    sends = Q(bounce_rate__isnull=False) | Q(complaint_rate__isnull=False) | Q(sends_since__gte=now - QUIET_AFTER)
    read = "reputation_read__rates_at"
    never, quiet = Q(**{f"{read}__isnull": True}), Q(**{f"{read}__lte": now - QUIET_EVERY})
    due = at_amazon().filter(never | quiet | (sends & Q(**{f"{read}__lte": often})))
    return due.select_related("reputation_read").order_by(F(read).asc(nulls_first=True), "pk")
