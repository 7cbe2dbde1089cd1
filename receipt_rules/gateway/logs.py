"""The log group of the function that takes mail: one function, one call. A group that does not exist is AwsMissing."""

from datetime import UTC, datetime
from typing import Any

from inbound_admin.lib import aws
from receipt_rules.core.pipeline import LogLine

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
