"""CloudWatch's metrics of SES. moto's own would return any tenant's data for the account.

By tenant there are counts or rates, as `Beliefs.tenant_metrics` says; by configuration set there are rates if its
reputation metrics are enabled.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from moto.cloudwatch.models import MetricDatum, cloudwatch_backends
from moto.ses.models import ses_backends

from sandbox.aws.errors import invalid_parameter
from sandbox.aws.extension import Answer, Request, cloudwatch
from sandbox.aws.state import WORLD, RegionState, Tenant

NAMESPACE, DIMENSION = "AWS/SES", "TenantName"
RATES = {"BOUNCE": "Reputation.BounceRate", "COMPLAINT": "Reputation.ComplaintRate"}
SENT, SENT_AN_HOUR = "Send", 120.0
SENT_WITHOUT_A_TENANT = 120.0  # of the account
COUNTS = {"BOUNCE": "Bounces", "COMPLAINT": "Complaints"}
COUNTED = "Sends"
OF_SET = "ses:configuration-set"
MOST_QUERIES, METRICS_A_PAGE = 500, 500
HISTORY_HOURS = 24
VALUES_IN_PARTS = 5  # in a page
LOST = "PublishExpired"

Point = tuple[datetime, float]
Measured = dict[tuple[str, str, frozenset[tuple[str, str]]], list[Point]]


def leave_points(
    state: RegionState, tenant: str, kind: str, rate: float, now: datetime, *, an_hour: float = SENT_AN_HOUR
) -> None:
    """Add a day of points as if the rate had changed to this one evenly, with this many messages each hour."""
    held = state.metrics.get((RATES[kind], tenant), [])
    before = held[-1][1] if held else 0.0
    first = now - timedelta(hours=HISTORY_HOURS)
    steps = range(1, HISTORY_HOURS + 1)
    moved = [(first + timedelta(hours=n), before + (rate - before) * n / HISTORY_HOURS) for n in steps]
    state.metrics[RATES[kind], tenant] = [*(point for point in held if point[0] <= first), *moved]
    _leave(state, tenant, SENT, [(at, an_hour) for at, _ in moved])
    if tenant:
        _leave(state, tenant, COUNTED, [(at, an_hour) for at, _ in moved])
        _leave(state, tenant, COUNTS[kind], [(at, an_hour * rate) for at, _ in moved])


def sent_an_hour(tenant: Tenant, now: datetime) -> float:
    """Return 0 if sending was off for the whole past day. A suspension or pause of today ends later sends."""
    for side in (tenant.customer, tenant.amazon):
        if side.status == "DISABLED" and (side.updated is None or now - side.updated >= timedelta(hours=HISTORY_HOURS)):
            return 0.0
    return SENT_AN_HOUR


def _leave(state: RegionState, tenant: str, name: str, points: list[Point]) -> None:
    """Counts of an hour before the first point are kept."""
    first = points[0][0] - timedelta(hours=1)
    before = [point for point in state.metrics.get((name, tenant), []) if point[0] <= first]
    state.metrics[name, tenant] = [*before, *points]


@cloudwatch("GetMetricData")
def get_metric_data(ask: Request) -> Answer:
    """A page has a maximum number of values; a metric that doesn't fit continues on the next.

    The token: metric, value.
    """
    queries, room, measured = ask.params["MetricDataQueries"], _room(), _measured(ask)
    first, at = (int(part) for part in ask.text("NextToken", "0:0").split(":"))
    if len(queries) > MOST_QUERIES:
        raise invalid_parameter(f"At most {MOST_QUERIES} MetricDataQueries are allowed.")
    results: list[dict[str, Any]] = []
    for number, query in enumerate(queries[first:], first):
        found = _values(ask, query["MetricStat"], measured)
        ordered = (found if ask.text("ScanBy") == "TimestampAscending" else found[::-1])[at:]
        results.append(_result(query["Id"], ordered[:room], is_all=len(ordered) <= room))
        if len(ordered) > room:
            return {"MetricDataResults": results, "NextToken": f"{number}:{at + room}"}
        room, at = room - len(ordered), 0
    return {"MetricDataResults": results}


def _room() -> int:
    """Return the number of values in a page."""
    most = WORLD.limits.metric_values_per_page
    return min(most, VALUES_IN_PARTS) if WORLD.beliefs.metric_values == "parts" else most


def lose_mail(state: RegionState, rule: str, number: float, now: datetime) -> None:
    """Count messages as if SES had given up on them in the last minutes."""
    at = now - timedelta(minutes=5)
    state.lost.setdefault(("RuleSetName", "[Active]"), []).append((at, number))
    state.lost.setdefault(("RuleName", rule), []).append((at, number))


def _result(name: str, found: Sequence[Point], *, is_all: bool) -> dict[str, Any]:
    return {
        "Id": name,
        "Label": name,
        "Timestamps": [at for at, _ in found],
        "Values": [value for _, value in found],
        "StatusCode": "Complete" if is_all else "PartialData",
    }


def _values(ask: Request, wanted: dict[str, Any], measured: Measured) -> list[Point]:
    metric = wanted["Metric"]
    names = frozenset((dimension["Name"], dimension["Value"]) for dimension in metric.get("Dimensions") or [])
    held = measured.get((metric["Namespace"], metric["MetricName"], names), [])
    start, end = (_aware(ask.params[name]) for name in ("StartTime", "EndTime"))
    return _by_period([point for point in held if start <= point[0] < end], int(wanted["Period"]), wanted["Stat"])


@cloudwatch("ListMetrics")
def list_metrics(ask: Request) -> Answer:
    """List the metrics of SES and those put by others: by namespace, name and dimensions with or without a value."""
    filters = [(each["Name"], each.get("Value")) for each in ask.params.get("Dimensions") or []]
    found = [
        {
            "Namespace": namespace,
            "MetricName": name,
            "Dimensions": [{"Name": key, "Value": value} for key, value in sorted(dimensions)],
        }
        for namespace, name, dimensions in _measured(ask)
        if namespace == ask.text("Namespace", namespace)
        and name == ask.text("MetricName", name)
        and all(any(key == k and value in (None, v) for k, v in dimensions) for key, value in filters)
    ]
    start = int(ask.text("NextToken", "0"))
    more = {"NextToken": str(start + METRICS_A_PAGE)} if len(found) > start + METRICS_A_PAGE else {}
    return {"Metrics": found[start : start + METRICS_A_PAGE], **more}


def _dimensions(state: RegionState, name: str, tenant: str) -> Iterable[dict[str, str]]:
    counted = name in (*COUNTS.values(), COUNTED)
    if not tenant:
        yield {}
        return
    known = state.tenants.get(tenant)
    if counted and WORLD.beliefs.tenant_metrics in ("pair", "pair_singular", "other") and known is not None:
        yield {"TenantId": known.id, DIMENSION: tenant}
    if not counted and WORLD.beliefs.tenant_metrics == "name":
        yield {DIMENSION: tenant}
    if name in RATES.values() and known is not None:
        for arn in known.associations:
            kind, _, of = arn.rpartition(":")[2].partition("/")
            if kind == "configuration-set" and _is_measured(state, of):
                yield {OF_SET: of}


def _is_measured(state: RegionState, name: str) -> bool:
    found = ses_backends[state.account_id][state.region].config_sets.get(name)
    options = getattr(found, "reputation_options", None) or {}
    return bool(options.get("ReputationMetricsEnabled"))


def _measured(ask: Request) -> Measured:
    """Find by namespace, name and exactly these dimensions: simulated metrics, and those of PutMetricData in moto."""
    found: Measured = {}
    for (name, tenant), points in ask.state.metrics.items():
        for dimensions in _dimensions(ask.state, name, tenant):
            found[NAMESPACE, _named(name, tenant), frozenset(dimensions.items())] = list(points)
    for dimension, points in ask.state.lost.items():
        if dimension[0] == "RuleSetName" or WORLD.beliefs.lost_mail == "rule":
            found[NAMESPACE, LOST, frozenset((dimension,))] = list(points)
    for (namespace, name, *counted_by), points in ask.state.counted.items():
        key = (namespace, name, frozenset([(counted_by[0], counted_by[1])]))
        found[key] = [*found.get(key, []), *points]
    for datum in cloudwatch_backends[ask.state.account_id][ask.state.region].metric_data:
        if isinstance(datum, MetricDatum):
            names = frozenset((str(each.name), str(each.value)) for each in datum.dimensions)
            found.setdefault((datum.namespace, datum.name, names), []).append((_aware(datum.timestamp), datum.value))
    return found


def _named(name: str, tenant: str) -> str:
    """A belief decides the names of a tenant's counts."""
    if not tenant or name not in (*COUNTS.values(), COUNTED):
        return name
    return {"pair_singular": name.removesuffix("s"), "other": f"Tenant.{name}"}.get(WORLD.beliefs.tenant_metrics, name)


def _aware(moment: datetime) -> datetime:
    """moto parses times without their zone, which is UTC."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _by_period(points: Iterable[Point], period: int, statistic: str) -> list[Point]:
    periods: dict[float, list[float]] = {}
    for at, value in points:
        periods.setdefault(at.timestamp() // period * period, []).append(value)
    return [(datetime.fromtimestamp(begin, tz=UTC), _one(periods[begin], statistic)) for begin in sorted(periods)]


def _one(values: list[float], statistic: str) -> float:
    weigh: dict[str, Callable[[list[float]], float]] = {"Sum": sum, "Maximum": max, "Minimum": min}
    return weigh[statistic](values) if statistic in weigh else sum(values) / len(values)
