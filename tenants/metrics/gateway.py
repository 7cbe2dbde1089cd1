"""CloudWatch's measures of SES. It has no pace of ours; each measure that is asked for costs a little."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from inbound_admin.lib import aws
from tenants.metrics.core import HOUR, Measure, RateSeries

MOST_QUERIES = 500  # GetMetricData's own limit for one call
NAMESPACE, DIMENSION = "AWS/SES", "TenantName"
NAMES = {
    Measure.BOUNCE: ("Reputation.BounceRate", "Average"),
    Measure.COMPLAINT: ("Reputation.ComplaintRate", "Average"),
    Measure.SENT: ("Send", "Sum"),
}
TOLD = ("Complete", "PartialData")  # of the latter the next pages tell more


@dataclass(frozen=True)
class MetricWanted:
    """One measure of one tenant by its name, or of the account ("")."""

    tenant: str
    measure: Measure


@dataclass(frozen=True)
class MetricPage:
    """`untold`: what CloudWatch could not tell, which is not the same as nothing measured."""

    series: tuple[RateSeries, ...]
    untold: tuple[MetricWanted, ...]
    token: str


def metric_page(wanted: Sequence[MetricWanted], *, start: datetime, end: datetime, token: str = "") -> MetricPage:
    """At most 500 wanted; each hour from `start` up to `end`; the same again with the token until it is ""."""
    with aws.calling("cloudwatch", "read the bounce and complaint rates") as cloudwatch:
        queries = [_query(number, each) for number, each in enumerate(wanted)]
        more: dict[str, Any] = {"NextToken": token} if token else {}
        answer = cloudwatch.get_metric_data(
            MetricDataQueries=queries, StartTime=start, EndTime=end, ScanBy="TimestampAscending", **more
        )
    results = [(wanted[int(result["Id"][1:])], result) for result in answer["MetricDataResults"]]
    return MetricPage(
        series=tuple(
            RateSeries(one.tenant, one.measure, tuple(zip(result["Timestamps"], result["Values"], strict=True)))
            for one, result in results
        ),
        untold=tuple(one for one, result in results if result.get("StatusCode", "Complete") not in TOLD),
        token=answer.get("NextToken", ""),
    )


def _query(number: int, wanted: MetricWanted) -> Any:
    """A MetricDataQuery; botocore checks its shape."""
    name, statistic = NAMES[wanted.measure]
    dimensions = [{"Name": DIMENSION, "Value": wanted.tenant}] if wanted.tenant else []
    return {
        "Id": f"q{number}",
        "MetricStat": {
            "Metric": {"Namespace": NAMESPACE, "MetricName": name, "Dimensions": dimensions},
            "Period": int(HOUR.total_seconds()),
            "Stat": statistic,
        },
    }
