"""CloudWatch metrics of SES: the list of them, and the rates of tenants and of the account."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from inbound_admin.lib import aws, cloudwatch
from inbound_admin.lib.cloudwatch import Metric
from tenants.metrics.core import Dimensions, ListedMetric, Measure, RateSeries

NAMESPACE = "AWS/SES"


@dataclass(frozen=True)
class MetricWanted:
    """One measure of a tenant (by name) or of the account ("")."""

    tenant: str
    measure: Measure
    metric: ListedMetric


def list_metrics(dimension: str, value: str, token: str = "") -> tuple[tuple[ListedMetric, ...], str]:
    """Return SES's metrics of the past two weeks with the dimension ("": any value), and the next page's token.

    Raises AwsProblem.
    """
    more: dict[str, Any] = {"NextToken": token} if token else {}
    wanted: Any = {"Name": dimension, "Value": value} if value else {"Name": dimension}
    with aws.calling("cloudwatch", "list the SES metrics in CloudWatch") as client:
        answer = client.list_metrics(Namespace=NAMESPACE, Dimensions=[wanted], **more)
    found = tuple(ListedMetric(row["MetricName"], _dimensions(row["Dimensions"])) for row in answer["Metrics"])
    return found, answer.get("NextToken", "")


def metric_data(
    wanted: Sequence[MetricWanted], *, start: datetime, end: datetime
) -> tuple[tuple[RateSeries, ...], tuple[MetricWanted, ...]]:
    """Return hourly data for at most 500 queries, and those of them with incomplete data (not "nothing measured").

    Rates are the hour's mean, counts its sum. Raises AwsProblem.
    """
    metrics = [_metric(each.metric) for each in wanted]
    found = cloudwatch.metric_values("read the bounce and complaint rates", metrics, start=start, end=end)
    pairs = list(zip(wanted, found, strict=True))
    series = tuple(RateSeries(one.tenant, one.measure, values.points) for one, values in pairs)
    return series, tuple(one for one, values in pairs if not values.is_all)


def _metric(wanted: ListedMetric) -> Metric:
    statistic = "Average" if wanted.name.startswith("Reputation.") else "Sum"
    return Metric(NAMESPACE, wanted.name, wanted.dimensions, statistic)


def _dimensions(rows: Sequence[Any]) -> Dimensions:
    return tuple(sorted((row["Name"], row["Value"]) for row in rows))
