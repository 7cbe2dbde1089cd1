"""CloudWatch's measures of SES: the rates of tenants and of the account."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from inbound_admin.lib import cloudwatch
from inbound_admin.lib.cloudwatch import Metric
from tenants.metrics.core import Measure, RateSeries

NAMESPACE, DIMENSION = "AWS/SES", "TenantName"
NAMES = {
    Measure.BOUNCE: ("Reputation.BounceRate", "Average"),
    Measure.COMPLAINT: ("Reputation.ComplaintRate", "Average"),
    Measure.SENT: ("Send", "Sum"),
}


@dataclass(frozen=True)
class MetricWanted:
    """One measure of one tenant by its name, or of the account ("")."""

    tenant: str
    measure: Measure


def metric_data(
    wanted: Sequence[MetricWanted], *, start: datetime, end: datetime
) -> tuple[tuple[RateSeries, ...], tuple[MetricWanted, ...]]:
    """Each hour of at most 500 wanted, and those that CloudWatch did not tell whole, which is not "nothing measured".

    Raises AwsProblem.
    """
    metrics = [_metric(each) for each in wanted]
    found = cloudwatch.metric_values("read the bounce and complaint rates", metrics, start=start, end=end)
    told = list(zip(wanted, found, strict=True))
    series = tuple(RateSeries(one.tenant, one.measure, values.points) for one, values in told)
    return series, tuple(one for one, values in told if not values.is_all)


def _metric(wanted: MetricWanted) -> Metric:
    name, statistic = NAMES[wanted.measure]
    dimensions = ((DIMENSION, wanted.tenant),) if wanted.tenant else ()
    return Metric(NAMESPACE, name, dimensions, statistic)
