"""Reads a tenant's rates and recommendations, and builds its reputation page: the plots and the equivalent table.

The caller has fetched the tenant for its viewer. Without a tenant the page is about the whole account.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import BooleanField, ExpressionWrapper, F, Q, QuerySet

from inbound_admin.lib.plots import Limit, Plot, Points, Window, draw
from tenants.lifecycle.selectors import account_here as account_here  # noqa: PLC0414  of the same page
from tenants.lifecycle.selectors import tenants_in_region
from tenants.metrics.core import (
    ACCOUNT_LIMITS,
    HOUR,
    RATES,
    TENANT_LIMITS,
    Grade,
    Hour,
    Measure,
    RateLimits,
    grade,
    newest,
    worst_of_each,
)
from tenants.models.reputation import Finding, RateSample, ReputationRead, SesEvent
from tenants.models.tenants import Tenant, TenantStage
from tenants.reputation.core import HIGH, Picture, RecommendationWords, Risk, risk_of, words_for

QUIET_AFTER = timedelta(days=2)  # a tenant without a rate for this long counts as not sending
QUIET_EVERY = timedelta(days=1)
HISTORY_SHOWN, EVENTS_SHOWN = 50, 20


def hours_of(tenant: Tenant | None, *, since: datetime) -> tuple[Hour, ...]:
    """Return the hours of the tenant, or of the whole account if it is None; oldest first."""
    samples = RateSample.objects.filter(tenant=tenant, region=settings.AWS_REGION, at__gte=since).order_by("at")
    return tuple(Hour(*row) for row in samples.values_list("at", "bounce", "complaint", "sent"))


def open_findings(tenant: Tenant) -> QuerySet[Finding]:
    """HIGH impact first, then the newest."""
    found = Finding.objects.filter(tenant=tenant, over_at=None)
    is_high = ExpressionWrapper(Q(impact=HIGH), output_field=BooleanField())
    return found.order_by(is_high.desc(), "-opened_at")


def past_findings(tenant: Tenant) -> QuerySet[Finding]:
    return Finding.objects.filter(tenant=tenant, over_at__isnull=False).order_by("-over_at", "-pk")[:HISTORY_SHOWN]


def findings_of(tenant: Tenant, state: str) -> QuerySet[Finding]:
    """`state`: open, over or all. Newest first."""
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
    """Return received SNS events, newest first."""
    return SesEvent.objects.select_related("tenant").order_by("-received_at", "-pk")[:EVENTS_SHOWN]


def named(names: Iterable[str]) -> QuerySet[Tenant]:
    """Return this region's tenants by SES name."""
    return tenants_in_region().filter(name__in=tuple(names))


def existing_in_ses() -> QuerySet[Tenant]:
    """Return tenants that exist in SES. Only these can be read."""
    return tenants_in_region().exclude(arn="").exclude(stage=TenantStage.DELETING)


def due_for_rates(now: datetime) -> QuerySet[Tenant]:
    """Return tenants to read: those that send every interval, the others once a day; the longest unread first."""
    often = now - timedelta(minutes=settings.RATES_EVERY_MINUTES)
    sends = Q(bounce_rate__isnull=False) | Q(complaint_rate__isnull=False) | Q(sends_since__gte=now - QUIET_AFTER)
    read = "reputation_read__rates_at"
    never, quiet = Q(**{f"{read}__isnull": True}), Q(**{f"{read}__lte": now - QUIET_EVERY})
    due = existing_in_ses().filter(never | quiet | (sends & Q(**{f"{read}__lte": often})))
    return due.select_related("reputation_read").order_by(F(read).asc(nulls_first=True), "pk")


# Number of days, the interval of one plot point, and that of one table row.
SPANS: Mapping[int, tuple[timedelta, timedelta]] = {
    1: (HOUR, HOUR),
    7: (HOUR, 6 * HOUR),
    30: (6 * HOUR, 24 * HOUR),
}
SPAN = 7
WIDE, NARROW = (520, 200), (340, 190)
TITLES = {Measure.BOUNCE: "Bounces", Measure.COMPLAINT: "Complaints"}


@dataclass(frozen=True)
class RateChart:
    """`now`: the newest rate as text, "" if unknown."""

    measure: Measure
    title: str
    wide: Plot
    narrow: Plot
    now: str
    grade: Grade
    has_data: bool


@dataclass(frozen=True)
class RateRow:
    """A table row; "" means no data."""

    at: datetime
    bounce: str
    complaint: str
    sent: str


@dataclass(frozen=True)
class Rates:
    days: int
    charts: tuple[RateChart, ...]
    rows: tuple[RateRow, ...]
    sent: float | None
    read: ReputationRead | None
    row_hours: int
    by_day: bool
    names_tenant: bool = False  # its sends should name the tenant

    @property
    def has_data(self) -> bool:
        return bool(self.rows)


@dataclass(frozen=True)
class ShownFinding:
    """A recommendation and our words for it."""

    finding: Finding
    words: RecommendationWords


@dataclass(frozen=True)
class ReputationPage:
    rates: Rates
    open: tuple[ShownFinding, ...]
    past: tuple[ShownFinding, ...]
    risk: Risk


def page_of(tenant: Tenant, *, days: int, now: datetime) -> ReputationPage:
    """The caller has fetched the tenant for its viewer."""
    return ReputationPage(
        rates=rates_of(tenant, days=days, now=now),
        open=tuple(ShownFinding(row, words_for(row.kind)) for row in open_findings(tenant)),
        past=tuple(ShownFinding(row, words_for(row.kind)) for row in past_findings(tenant)),
        risk=risk_now(tenant),
    )


def rates_of(tenant: Tenant | None, *, days: int, now: datetime) -> Rates:
    """Return the tenant's rates, or those of the whole account if it is None. `days` is one of SPANS."""
    step, row_step = SPANS[days]
    end = now.replace(minute=0, second=0, microsecond=0) + HOUR
    window = Window(end - timedelta(days=days), end, step)
    hours = hours_of(tenant, since=window.start)
    rows = worst_of_each(hours, Window(window.start, end, row_step))
    limits = TENANT_LIMITS if tenant else ACCOUNT_LIMITS
    sent = [hour.sent for hour in hours if hour.sent is not None]
    return Rates(
        days=days,
        charts=tuple(_chart(hours, measure, limits[measure], window, now) for measure in RATES),
        rows=tuple(_row(hour) for hour in reversed(rows)),
        sent=sum(sent) if sent else None,
        read=read_of(tenant),
        row_hours=row_step // HOUR,
        by_day=row_step > 6 * HOUR,
        names_tenant=bool(tenant and tenant.sends_since),
    )


def _chart(hours: Sequence[Hour], measure: Measure, limits: RateLimits, window: Window, now: datetime) -> RateChart:
    worst = worst_of_each(hours, window)
    points = [(hour.at, value) for hour in worst if (value := hour.of(measure)) is not None]
    rate = newest(hours, measure, since=now - QUIET_AFTER)
    wide, narrow = (_plot(points, limits, window, *size) for size in (WIDE, NARROW))
    return RateChart(measure, TITLES[measure], wide, narrow, _percent(rate), grade(rate, limits), bool(points))


def _plot(points: Points, limits: RateLimits, window: Window, width: int, height: int) -> Plot:
    lines = (Limit(limits.low, f"{limits.low:.1%}", "warn"), Limit(limits.high, f"{limits.high:.1%}", "bad"))
    return draw({"": points}, window, limits=lines, label=_level, width=width, height=height)


def _level(rate: float) -> str:
    return f"{rate * 100:g}%"


def _row(hour: Hour) -> RateRow:
    sent = "" if hour.sent is None else f"{hour.sent:,.0f}"
    return RateRow(hour.at, _percent(hour.bounce), _percent(hour.complaint), sent)


def _percent(rate: float | None) -> str:
    return "" if rate is None else f"{rate:.2%}"
