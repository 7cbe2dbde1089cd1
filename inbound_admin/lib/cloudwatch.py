"""Reads all pages of GetMetricData, for gateways.

CloudWatch calls have no rate limit of ours; each metric costs a little.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from inbound_admin.lib import aws

if TYPE_CHECKING:
    from types_boto3_cloudwatch.type_defs import MetricDataQueryTypeDef

HOUR = timedelta(hours=1)
MOST_QUERIES = 500  # GetMetricData's own limit for one call
COMPLETE = "Complete"

Points = tuple[tuple[datetime, float], ...]


@dataclass(frozen=True)
class Metric:
    """`statistic`: Sum, Average, Maximum, …; of each hour."""

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...]
    statistic: str


@dataclass(frozen=True)
class MetricValues:
    """Oldest first. No point means nothing was measured. `is_all` False: CloudWatch's data is incomplete."""

    points: Points
    is_all: bool


def metric_values(doing: str, wanted: Sequence[Metric], *, start: datetime, end: datetime) -> tuple[MetricValues, ...]:
    """Return the values of each metric from `start` up to `end`, in the given order; at most 500 metrics.

    CloudWatch may return pages, and a metric in parts (StatusCode PartialData), so we read to the last page and use the
    last status. Raises AwsProblem, in which `doing` says what could not be done.
    """
    queries = [_query(number, each) for number, each in enumerate(wanted)]
    points: dict[str, list[tuple[datetime, float]]] = {query["Id"]: [] for query in queries}
    status: dict[str, str] = {}
    token: Mapping[str, Any] = {}
    while True:
        with aws.calling("cloudwatch", doing) as cloudwatch:
            answer = cloudwatch.get_metric_data(
                MetricDataQueries=queries, StartTime=start, EndTime=end, ScanBy="TimestampAscending", **token
            )
        for result in answer["MetricDataResults"]:
            # botocore's own time zone makes each comparison of two times slow
            times = [at.astimezone(UTC) for at in result["Timestamps"]]
            points[result["Id"]] += zip(times, result["Values"], strict=True)
            status[result["Id"]] = result.get("StatusCode", COMPLETE)
        if not answer.get("NextToken"):
            break
        token = {"NextToken": answer["NextToken"]}
    return tuple(
        MetricValues(tuple(sorted(found)), is_all=status.get(name) == COMPLETE) for name, found in points.items()
    )


def _query(number: int, metric: Metric) -> "MetricDataQueryTypeDef":
    return {
        "Id": f"q{number}",
        "MetricStat": {
            "Metric": {
                "Namespace": metric.namespace,
                "MetricName": metric.name,
                "Dimensions": [{"Name": name, "Value": value} for name, value in metric.dimensions],
            },
            "Period": int(HOUR.total_seconds()),
            "Stat": metric.statistic,
        },
    }
