"""CloudWatch metrics of receiving and the function's log events: one function, one call.

These calls don't use the shared rate limit; each metric costs a little. A missing log group raises AwsMissing.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from inbound_admin.lib import aws, cloudwatch
from inbound_admin.lib.cloudwatch import Metric
from inbound_admin.lib.errors import AwsProblem
from receipt_rules.pipeline.core import ACTIVE, AnyMetric, FunctionMetric, LogLine, QueueMetric, Series

Wanted = tuple[str, AnyMetric]


def metric_data(wanted: Sequence[Wanted], *, start: datetime, end: datetime) -> tuple[Series, ...]:
    """Return hourly metrics of rules, the active rule set (`ACTIVE`), functions or queues; at most 500 per call.

    A metric without data has no points. Raises AwsProblem, also for partial data: the missing part could be lost mail.
    Source: SES developer guide, "Viewing metrics for Amazon SES email receiving".
    """
    metrics = [_metric(*each) for each in wanted]
    found = cloudwatch.metric_values("read how mail is received", metrics, start=start, end=end)
    if not all(values.is_all for values in found):
        raise AwsProblem(
            "We couldn't read how mail is received: CloudWatch returned partial data. Try again in a minute."
        )
    return tuple(
        Series(name, metric.value, values.points) for (name, metric), values in zip(wanted, found, strict=True)
    )


def _metric(name: str, metric: AnyMetric) -> Metric:
    if isinstance(metric, QueueMetric):
        return Metric("AWS/SQS", metric.value, (("QueueName", name),), "Maximum")
    if isinstance(metric, FunctionMetric):
        statistic = "Maximum" if metric is FunctionMetric.DURATION else "Sum"
        return Metric("AWS/Lambda", metric.value, (("FunctionName", name),), statistic)
    return Metric("AWS/SES", metric.value, (("RuleSetName" if name == ACTIVE else "RuleName", name),), "Sum")


EVENTS_AT_ONCE = 1_000
LONGEST_LINE = 2_000  # characters; the rest could be text of a message


def log_events(group: str, *, start: datetime, word: str, token: str = "") -> tuple[tuple[LogLine, ...], str]:
    """Return events since `start` that contain the word, and the token of the next page ("" at the end).

    CloudWatch may return a page without events and continue: call again until the token is "" or you have enough.
    """
    more: Any = {"nextToken": token} if token else {}
    with aws.calling("logs", f"read the log {group}") as logs:
        answer = logs.filter_log_events(
            logGroupName=group, startTime=_milliseconds(start), filterPattern=f'"{word}"', limit=EVENTS_AT_ONCE, **more
        )
    found = tuple(
        LogLine(datetime.fromtimestamp(event["timestamp"] / 1000, tz=UTC), event["message"][:LONGEST_LINE].strip())
        for event in answer["events"]
    )
    return found, answer.get("nextToken", "")


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
