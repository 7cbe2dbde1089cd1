"""CloudWatch metrics of receiving and the function's log events: one function, one call.

These calls don't use our shared pace; each metric costs a little. A log group that does not exist raises AwsMissing.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from inbound_admin.lib import aws
from receipt_rules.pipeline.core import FunctionMetric, LogLine, RuleMetric, Series

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


LONGEST_LINE = 2_000  # characters; a message's own text could stand behind


def log_events(
    group: str, *, start: datetime, word: str, token: str = "", most: int = 1000
) -> tuple[tuple[LogLine, ...], str]:
    """Events since `start` that have the word, and the token of what CloudWatch has not looked through yet.

    CloudWatch may answer a page without any event and go on: ask again until the token is "", or until it is enough.
    """
    more: Any = {"nextToken": token} if token else {}
    with aws.calling("logs", f"read the log {group}") as logs:
        answer = logs.filter_log_events(
            logGroupName=group, startTime=_milliseconds(start), filterPattern=f'"{word}"', limit=most, **more
        )
    found = tuple(
        LogLine(datetime.fromtimestamp(event["timestamp"] / 1000, tz=UTC), event["message"][:LONGEST_LINE].strip())
        for event in answer["events"]
    )
    return found, answer.get("nextToken", "")


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
