"""CloudWatch's measures of receiving: one function, one call. It has no pace of ours; each measure costs a little."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from inbound_admin.lib import aws
from receipt_rules.core.pipeline import FunctionMetric, RuleMetric, Series

if TYPE_CHECKING:
    from types_boto3_cloudwatch.type_defs import MetricDataQueryTypeDef

HOUR = timedelta(hours=1)
MOST_QUERIES = 500  # GetMetricData's own limit for one call
# SES's developer guide, "Viewing metrics for Amazon SES email receiving": the group "Rule Metrics" of SES.
RULES = ("AWS/SES", "RuleName")
FUNCTIONS = ("AWS/Lambda", "FunctionName")

Wanted = tuple[str, RuleMetric | FunctionMetric]


def metric_data(wanted: Sequence[Wanted], *, start: datetime, end: datetime) -> tuple[Series, ...]:
    """Of each rule or function its metric by the hour; at most 500 of them. One without data has no points.

    An answer has room for 100,800 points, which 500 measures reach after 200 hours; so ask for a week at most.
    """
    with aws.calling("cloudwatch", "read how mail is received") as cloudwatch:
        answer = cloudwatch.get_metric_data(
            MetricDataQueries=[_query(number, *each) for number, each in enumerate(wanted)],
            StartTime=start,
            EndTime=end,
            ScanBy="TimestampAscending",
        )
    found = [(wanted[int(result["Id"][1:])], result) for result in answer["MetricDataResults"]]
    return tuple(
        Series(name, metric.value, tuple(zip(result["Timestamps"], result["Values"], strict=True)))
        for (name, metric), result in found
    )


def _query(number: int, name: str, metric: RuleMetric | FunctionMetric) -> "MetricDataQueryTypeDef":
    namespace, dimension = RULES if isinstance(metric, RuleMetric) else FUNCTIONS
    return {
        "Id": f"q{number}",
        "MetricStat": {
            "Metric": {
                "Namespace": namespace,
                "MetricName": metric.value,
                "Dimensions": [{"Name": dimension, "Value": name}],
            },
            "Period": int(HOUR.total_seconds()),
            "Stat": "Maximum" if metric is FunctionMetric.DURATION else "Sum",
        },
    }
