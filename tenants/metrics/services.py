"""Reads bounce and complaint rates from CloudWatch: many tenants in one call, each hour stored once."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Sum

from inbound_admin.lib import isolation
from inbound_admin.lib.cloudwatch import MOST_QUERIES
from inbound_admin.lib.errors import AwsBusy, AwsDenied, AwsProblem, AwsUnreachable
from inbound_admin.lib.freshness import oldest_kept
from notifications.alerts.selectors import live_alerts_about
from tenants.lifecycle.gateway import all_pages
from tenants.metrics import gateway
from tenants.metrics.core import (
    COUNTED_OVER,
    OF_SET,
    RATE_NAMES,
    RATES,
    TENANT,
    Hour,
    ListedMetric,
    Measure,
    MetricsOfTenant,
    RateSeries,
    RateSource,
    hours_of,
    metrics_of_tenant,
    rates_of_counts,
    unmeasured_because,
)
from tenants.metrics.gateway import MetricWanted
from tenants.models.reputation import RateSample, ReputationRead, SesEvent
from tenants.models.tenants import Tenant
from tenants.reputation import selectors as reputation_selectors
from tenants.reputation.services import UNMEASURED, is_calm, score_risk, warn_of_account, warn_of_unmeasured

TENANTS_A_CALL = MOST_QUERIES // len(Measure)
NOBODY_ANSWERED = (AwsBusy, AwsDenied, AwsUnreachable)  # the next call would fail too
FIRST_LOOK = timedelta(days=14)
SURELY_LISTED = timedelta(days=7)  # ListMetrics omits metrics without a data point in two weeks
NOT_STORED = "The rates could not be stored."
OVERLAP = timedelta(hours=3)  # CloudWatch completes the last hours later
OF_ACCOUNT = tuple(
    MetricWanted("", measure, ListedMetric(name, ())) for measure, name in {**RATE_NAMES, Measure.SENT: "Send"}.items()
)
COLUMNS = {"bounce": "bounce_rate", "complaint": "complaint_rate"}


def sync_due_metrics(*, now: datetime) -> int:
    """Read the account's metrics and those of due tenants, in as few calls as possible. Raises AwsProblem.

    What was stored before an error is kept, and tenants that are still due come first in the next pass.
    """
    failed: AwsProblem | None = None
    try:
        if _account_is_due(now):
            sync_account_metrics(now=now)
    except NOBODY_ANSWERED:
        raise
    except AwsProblem as problem:  # it says nothing about the tenants
        failed = problem
    due = list(reputation_selectors.due_for_rates(now))
    if due:
        _measure_all(due, ("", ""), now)
    if failed is not None:
        raise failed
    return len(due)


def sync_metrics(*, tenant_id: str, now: datetime) -> None:
    """Read one tenant's metrics now. Raises AwsProblem, which is also stored."""
    tenant = reputation_selectors.existing_in_ses().select_related("reputation_read").filter(pk=tenant_id).first()
    if tenant is not None:
        _measure_all([tenant], (tenant.name, tenant.configuration_set), now)


def sync_account_metrics(*, now: datetime) -> None:
    """Read the account's metrics. Raises AwsProblem, which is also stored."""
    read = reputation_selectors.read_of(None)
    start = _start([read.rates_at if read else None], now)
    try:
        series, incomplete = gateway.metric_data(OF_ACCOUNT, start=start, end=now)
    except AwsProblem as problem:
        _record_account_read(now, problem=str(problem))
        raise
    with transaction.atomic():
        _store([(None, hour) for hour in hours_of(series)])
        _record_account_read(now, problem=_incomplete_because(incomplete))
    bounce, complaint = (_newest([], column, now).get(None) for column in COLUMNS)
    warn_of_account(bounce, complaint, now=now)


def _account_is_due(now: datetime) -> bool:
    read = reputation_selectors.read_of(None)
    return not (read and read.rates_at and read.rates_at > now - timedelta(minutes=settings.RATES_EVERY_MINUTES))


def delete_old(*, now: datetime) -> None:
    """Delete samples older than the retention setting, and events too old to be repeated."""
    oldest = oldest_kept(settings.RATES_KEPT_DAYS, now=now)
    RateSample.objects.filter(at__lt=oldest).delete()
    SesEvent.objects.filter(received_at__lt=oldest).delete()


def _measure_all(tenants: Sequence[Tenant], asked: tuple[str, str], now: datetime) -> None:
    """`asked`: the names of the one tenant and its configuration set, or "" for any. Raises AwsProblem."""
    try:
        listed: list[ListedMetric] = []
        for dimension, value in zip((TENANT, OF_SET), asked, strict=True):
            listed += all_pages(gateway.list_metrics, dimension, value)
    except AwsProblem as problem:
        _record_reads({tenant: str(problem) for tenant in tenants}, now)
        raise
    by_name = _by_name(listed)

    def measure(some: Sequence[Tenant]) -> None:
        _measure(some, {tenant.name: _metrics_of(tenant, by_name) for tenant in some}, now)

    def postpone(tenant: Tenant) -> None:
        _record_reads({tenant: NOT_STORED}, now)

    batches = [tenants[first : first + TENANTS_A_CALL] for first in range(0, len(tenants), TENANTS_A_CALL)]
    isolation.past_refusals(
        batches,
        lambda batch: isolation.together("tenant rates", batch, measure, postpone=postpone),
        stops=NOBODY_ANSWERED,
    )


def _by_name(listed: Iterable[ListedMetric]) -> dict[str, list[ListedMetric]]:
    found: dict[str, list[ListedMetric]] = {}
    for metric in listed:
        for name in {value for _, value in metric.dimensions}:
            found.setdefault(name, []).append(metric)
    return found


def _metrics_of(tenant: Tenant, by_name: Mapping[str, Sequence[ListedMetric]]) -> MetricsOfTenant:
    listed = [*by_name.get(tenant.name, ()), *by_name.get(tenant.configuration_set, ())]
    return metrics_of_tenant(tenant.name, tenant.configuration_set, listed)


def _measure(batch: Sequence[Tenant], found: Mapping[str, MetricsOfTenant], now: datetime) -> None:
    reads = [getattr(tenant, "reputation_read", None) for tenant in batch]
    start = _start([read.rates_at if read else None for read in reads], now) - COUNTED_OVER
    wanted = [
        MetricWanted(tenant.name, measure, metric) for tenant in batch for measure, metric in found[tenant.name].metrics
    ]
    try:
        series, partial = gateway.metric_data(wanted, start=start, end=now) if wanted else ((), ())
    except AwsProblem as problem:
        _record_reads({tenant: str(problem) for tenant in batch}, now)
        raise
    by_name: dict[str, list[RateSeries]] = {}
    for one in series:
        by_name.setdefault(one.tenant, []).append(one)
    partly = {one.tenant for one in partial}
    rates = {
        name: _rates(found[name].source, mine, start + COUNTED_OVER)
        for name, mine in by_name.items()
        if not (name in partly and found[name].source is RateSource.COUNTS)  # incomplete counts give no rate
    }
    with transaction.atomic():
        _store([(tenant, hour) for tenant in batch for hour in hours_of(rates.get(tenant.name, []))])
        problems = {
            tenant: _incomplete_because([one for one in partial if one.tenant == tenant.name]) for tenant in batch
        }
        _record_reads(problems, now, {name: metrics.source for name, metrics in found.items()})
    live = live_alerts_about("tenant", [tenant.pk for tenant in batch])
    _warn_of_unmeasured(batch, found, live, now)
    _refresh_tenants(batch, {key for _, key in live}, now)


def _warn_of_unmeasured(
    batch: Sequence[Tenant], found: Mapping[str, MetricsOfTenant], live: set[tuple[str, str]], now: datetime
) -> None:
    """Raise a separate warning if CloudWatch lists metrics that contradict "no mail"."""
    reads = ReputationRead.objects.filter(tenant__in=batch)
    known: dict[str | None, str] = dict(reads.values_list("tenant_id", "unmeasured_because"))
    sent = RateSample.objects.filter(tenant__in=batch, at__gte=now - SURELY_LISTED).values("tenant_id")
    lately = dict(sent.annotate(total=Sum("sent")).values_list("tenant_id", "total"))
    for tenant in batch:
        why = unmeasured_because(
            found[tenant.name],
            sent_lately=lately.get(tenant.pk) or 0,
            impact=tenant.impact,
            open_findings=tenant.open_high + tenant.open_low,
        )
        if known.get(tenant.pk, "") != why:
            ReputationRead.objects.filter(tenant=tenant).update(unmeasured_because=why)
        if why or (UNMEASURED, tenant.pk) in live:
            warn_of_unmeasured(tenant, why, now=now)


def _rates(source: RateSource, series: Sequence[RateSeries], start: datetime) -> list[RateSeries]:
    """Return the rates. Counts are read for one more day, which the first hour's rate needs."""
    if source is not RateSource.COUNTS:
        return list(series)
    points = {one.measure: one.points for one in series}
    sent = points[Measure.SENT]
    found = {Measure.SENT: sent, **{each: rates_of_counts(points.get(each, ()), sent) for each in RATES}}
    name = series[0].tenant
    return [
        RateSeries(name, measure, tuple(point for point in of if point[0] >= start)) for measure, of in found.items()
    ]


def _start(read_at: Iterable[datetime | None], now: datetime) -> datetime:
    """Return the full hour shortly before the oldest read of these tenants."""
    earliest = now - FIRST_LOOK
    last = min((at or earliest for at in read_at), default=earliest)
    return (max(last - OVERLAP, earliest)).replace(minute=0, second=0, microsecond=0)


def _store(rows: Sequence[tuple[Tenant | None, Hour]]) -> None:
    """Store the hours. A measure that this answer lacks keeps its stored value: each is written separately."""
    for each in Measure:
        samples = [
            RateSample(tenant=tenant, region=settings.AWS_REGION, at=hour.at, **{each.value: hour.of(each)})
            for tenant, hour in rows
            if hour.of(each) is not None
        ]
        RateSample.objects.bulk_create(
            samples,
            update_conflicts=True,
            unique_fields=["region", "tenant", "at"],
            update_fields=[each.value],
            batch_size=2000,
        )


def _refresh_tenants(batch: Sequence[Tenant], watched: set[str], now: datetime) -> None:
    """Update the newest rates on the tenants' rows, then what depends on them.

    Tenants with unchanged rates and no warning, open or new, cost no query of their own: most never send.
    """
    newest = {column: _newest(batch, column, now) for column in COLUMNS}
    for row in Tenant.objects.filter(pk__in=[tenant.pk for tenant in batch]):
        rates = {field: newest[column].get(row.pk) for column, field in COLUMNS.items()}
        is_same = all(getattr(row, field) == rate for field, rate in rates.items())
        if not is_same or row.pk in watched or not is_calm(row):
            _refresh_tenant(row.pk, rates, now)


@transaction.atomic
def _refresh_tenant(key: str, rates: Mapping[str, float | None], now: datetime) -> None:
    held = Tenant.objects.select_for_update().filter(pk=key).first()
    if held is None:
        return
    for field, rate in rates.items():
        setattr(held, field, rate)
    held.save(update_fields=[*rates, "updated_at"])
    score_risk(held, now=now)


def _newest(batch: Sequence[Tenant], column: str, now: datetime) -> dict[str | None, float]:
    """Return the newest value by tenant, or by None for the account if there is no batch.

    Values older than two days don't count.
    """
    samples = RateSample.objects.filter(
        region=settings.AWS_REGION, at__gte=now - reputation_selectors.QUIET_AFTER, **{f"{column}__isnull": False}
    )
    samples = samples.filter(tenant__in=batch) if batch else samples.filter(tenant=None)
    last = samples.order_by("tenant_id", "-at").distinct("tenant_id")
    return dict(last.values_list("tenant_id", column))


def _record_account_read(now: datetime, *, problem: str) -> None:
    """Record the account's read. A problem leaves the time of the last complete read unchanged."""
    fields = {"rates_problem": problem} if problem else {"rates_problem": "", "rates_at": now}
    ReputationRead.objects.update_or_create(tenant=None, region=settings.AWS_REGION, defaults=fields)


def _record_reads(
    problems: Mapping[Tenant, str], now: datetime, sources: Mapping[str, RateSource] | None = None
) -> None:
    """Record the tenants' reads, "" for no problem: one statement for those with a problem, one for the others."""
    for is_well in (True, False):
        rows = [
            ReputationRead(
                tenant=tenant,
                region=settings.AWS_REGION,
                rates_at=now if is_well else None,
                rates_problem=why,
                rates_source=(sources or {}).get(tenant.name, ""),
            )
            for tenant, why in problems.items()
            if (not why) is is_well
        ]
        fields = ["rates_problem", *(["rates_at"] if is_well else []), *(["rates_source"] if sources else [])]
        ReputationRead.objects.bulk_create(rows, update_conflicts=True, unique_fields=["tenant"], update_fields=fields)


def _incomplete_because(incomplete: Sequence[MetricWanted]) -> str:
    if not incomplete:
        return ""
    names = ", ".join(sorted({each.measure.value for each in incomplete}))
    return f"CloudWatch did not return all data ({names}). We retry automatically."
