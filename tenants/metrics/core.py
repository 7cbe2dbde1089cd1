"""Bounce and complaint rates as fractions, and the limits that apply to them. Pure.

For a tenant: SES's reputation policies pause on a finding of HIGH impact (`standard`) or also of LOW (`strict`).
For the account: AWS advises an alarm at the first limit, and may pause the whole account above the second.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from inbound_admin.lib.plots import Window
from tenants.status.core import Policy

HOUR = timedelta(hours=1)


class Measure(StrEnum):
    BOUNCE = "bounce"
    COMPLAINT = "complaint"
    SENT = "sent"


RATES = (Measure.BOUNCE, Measure.COMPLAINT)


@dataclass(frozen=True)
class RateLimits:
    """Limits as fractions. Above `low` a rate is worth a warning, above `high` sending may be paused."""

    low: float
    high: float


TENANT_LIMITS: Mapping[Measure, RateLimits] = {
    Measure.BOUNCE: RateLimits(0.10, 0.15),
    Measure.COMPLAINT: RateLimits(0.005, 0.01),
}
ACCOUNT_LIMITS: Mapping[Measure, RateLimits] = {
    Measure.BOUNCE: RateLimits(0.05, 0.10),
    Measure.COMPLAINT: RateLimits(0.001, 0.005),
}


class Grade(StrEnum):
    UNKNOWN = "unknown"
    HEALTHY = "healthy"
    LOW = "low"
    HIGH = "high"


Points = tuple[tuple[datetime, float], ...]
Dimensions = tuple[tuple[str, str], ...]


@dataclass(frozen=True, order=True)
class ListedMetric:
    """An SES metric that CloudWatch lists, dimensions sorted by name. A query needs exactly these."""

    name: str
    dimensions: Dimensions


class RateSource(StrEnum):
    """The source of a tenant's rates."""

    COUNTS = "counts"
    RATES = "rates"
    CONFIGURATION_SET = "configuration_set"
    NONE = "none"


@dataclass(frozen=True)
class MetricsOfTenant:
    """`unknown`: names of the tenant's metrics if none is usable. They show that it sent something."""

    source: RateSource
    metrics: tuple[tuple[Measure, ListedMetric], ...]
    unknown: tuple[str, ...] = ()


TENANT, TENANT_ID, OF_SET = "TenantName", "TenantId", "ses:configuration-set"
RATE_NAMES = {Measure.BOUNCE: "Reputation.BounceRate", Measure.COMPLAINT: "Reputation.ComplaintRate"}
COUNT_NAMES = {
    Measure.SENT: ("Sends", "Send"),
    Measure.BOUNCE: ("Bounces", "Bounce"),
    Measure.COMPLAINT: ("Complaints", "Complaint"),
}


def metrics_of_tenant(tenant: str, configuration_set: str, listed: Iterable[ListedMetric]) -> MetricsOfTenant:
    """Choose a tenant's metrics from the names and dimensions that CloudWatch lists, since sources disagree on both.

    The tenant's rates come first, then its counts, then the rates of its configuration set.
    """
    of_tenant: dict[str, ListedMetric] = {}
    of_set: dict[str, ListedMetric] = {}
    named: set[str] = set()
    for metric in sorted(listed, reverse=True):
        names = dict(metric.dimensions)
        named |= {metric.name} if names.get(TENANT) == tenant else set()
        if names.get(TENANT) == tenant and set(names) <= {TENANT, TENANT_ID}:
            of_tenant[metric.name] = metric
        elif metric.dimensions == ((OF_SET, configuration_set),):
            of_set[metric.name] = metric
    rates, counts = _rates(of_tenant), _counts(of_tenant)
    if rates:
        return MetricsOfTenant(RateSource.RATES, (*rates, *(one for one in counts if one[0] is Measure.SENT)))
    if counts:
        return MetricsOfTenant(RateSource.COUNTS, counts)
    rates = _rates(of_set)
    if rates:
        return MetricsOfTenant(RateSource.CONFIGURATION_SET, rates)
    return MetricsOfTenant(RateSource.NONE, (), tuple(sorted(named)))


def unmeasured_because(found: MetricsOfTenant, *, sent_lately: float, impact: str, open_findings: int) -> str:
    """Return why we know that the tenant sent mail without measured rates; "" if it is measured or unknown.

    `sent_lately`: messages of the past week by earlier reads. CloudWatch lists metrics with a data point in two weeks.
    """
    if found.source is not RateSource.NONE:
        return ""
    if found.unknown:
        return f"CloudWatch has metrics with unknown names: {', '.join(found.unknown[:5])}."
    if sent_lately:
        return f"{sent_lately:,.0f} messages were measured in the past week, but CloudWatch no longer lists a metric."
    if open_findings:
        return "SES has findings about this tenant’s mail."
    return f"SES rates the reputation impact as {impact}." if impact in ("LOW", "HIGH") else ""


def _rates(known: Mapping[str, ListedMetric]) -> tuple[tuple[Measure, ListedMetric], ...]:
    return tuple((measure, known[name]) for measure, name in RATE_NAMES.items() if name in known)


def _counts(known: Mapping[str, ListedMetric]) -> tuple[tuple[Measure, ListedMetric], ...]:
    """Return the count metrics; none without the count of sends, since bounces alone make no rate."""
    found = {
        measure: known[name] for measure, names in COUNT_NAMES.items() for name in reversed(names) if name in known
    }
    return tuple(found.items()) if Measure.SENT in found else ()


COUNTED_OVER = timedelta(hours=24)


def rates_of_counts(counts: Points, sent: Points) -> Points:
    """Return, for each hour with sends, the share of the 24 hours up to its end. A missing count is 0 of those."""
    happened, window = dict(counts), deque[tuple[datetime, float]]()
    found: list[tuple[datetime, float]] = []
    for at, number in sorted(sent):
        window.append((at, number))
        while window[0][0] <= at - COUNTED_OVER:
            window.popleft()
        if total := sum(value for _, value in window):
            found.append((at, sum(happened.get(hour, 0) for hour, _ in window) / total))
    return tuple(found)


@dataclass(frozen=True)
class RateSeries:
    """One measure of a tenant (by name) or of the account (""), oldest first."""

    tenant: str
    measure: Measure
    points: Points


@dataclass(frozen=True)
class Hour:
    """Measurements of the hour that starts at `at`. None means no data, never zero."""

    at: datetime
    bounce: float | None = None
    complaint: float | None = None
    sent: float | None = None

    def of(self, measure: Measure) -> float | None:
        return {Measure.BOUNCE: self.bounce, Measure.COMPLAINT: self.complaint, Measure.SENT: self.sent}[measure]


def grade(rate: float | None, limits: RateLimits) -> Grade:
    if rate is None:
        return Grade.UNKNOWN
    if rate > limits.high:
        return Grade.HIGH
    return Grade.LOW if rate > limits.low else Grade.HEALTHY


def pauses_above(policy: str, measure: Measure) -> float | None:
    """Return the rate above which this policy lets SES pause a tenant; None: never, or the policy is unknown."""
    limits = TENANT_LIMITS[measure]
    return {Policy.STANDARD.value: limits.high, Policy.STRICT.value: limits.low}.get(policy)


def hours_of(series: Iterable[RateSeries]) -> tuple[Hour, ...]:
    """Combine the series of one tenant by hour, oldest first."""
    hours: dict[datetime, dict[str, float]] = {}
    for one in series:
        for at, value in one.points:
            hours.setdefault(at, {})[one.measure.value] = value
    return tuple(Hour(at, **hours[at]) for at in sorted(hours))


def worst_of_each(hours: Sequence[Hour], window: Window) -> tuple[Hour, ...]:
    """Return one entry for each step with data: the highest rates and the sum of sends."""
    found: dict[datetime, Hour] = {}
    for hour in hours:
        if window.start <= hour.at < window.end:
            begin = window.start + (hour.at - window.start) // window.step * window.step
            held = found.get(begin, Hour(begin))
            found[begin] = replace(
                held,
                bounce=_highest(held.bounce, hour.bounce),
                complaint=_highest(held.complaint, hour.complaint),
                sent=hour.sent if held.sent is None else held.sent + (hour.sent or 0),
            )
    return tuple(found[begin] for begin in sorted(found))


def _highest(one: float | None, other: float | None) -> float | None:
    known = [value for value in (one, other) if value is not None]
    return max(known, default=None)


def newest(hours: Sequence[Hour], measure: Measure, *, since: datetime) -> float | None:
    """Return the last value that isn't older than `since`; an older one doesn't describe the present."""
    values = (hour.of(measure) for hour in reversed(hours) if hour.at >= since)
    return next((value for value in values if value is not None), None)
