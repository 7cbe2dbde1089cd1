"""Delivery of received mail: metrics of rules and function, and the bucket's contents."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

ACTIVE = "[Active]"  # CloudWatch's name for the active rule set; no rule can have this name


class RuleMetric(StrEnum):
    """SES's metrics of receiving, by rule and by rule set.

    SES retries a failed action for up to 36 hours (FAILURE), then gives up (EXPIRED). What SES doesn't retry is EXPIRED
    for the rule set only. So lost mail is EXPIRED of the active set, and the rules' metrics show where to look. Source:
    SES developer guide, "Viewing metrics for Amazon SES email receiving".
    """

    RECEIVED = "Received"  # of a rule set only
    SUCCESS = "PublishSuccess"
    FAILURE = "PublishFailure"
    EXPIRED = "PublishExpired"


OF_A_RULE = (RuleMetric.SUCCESS, RuleMetric.FAILURE, RuleMetric.EXPIRED)


class FunctionMetric(StrEnum):
    """Lambda's metrics of a function; DURATION is the maximum, in milliseconds."""

    INVOCATIONS = "Invocations"
    ERRORS = "Errors"
    THROTTLES = "Throttles"
    DURATION = "Duration"


class QueueMetric(StrEnum):
    """SQS's metric of a queue. SQS stops publishing it after six hours without a message or a call."""

    WAITING = "ApproximateNumberOfMessagesVisible"


AnyMetric = RuleMetric | FunctionMetric | QueueMetric
Points = tuple[tuple[datetime, float], ...]


@dataclass(frozen=True)
class Series:
    """A metric of a rule, the active set (`ACTIVE`), a function or a queue, oldest point first.

    No point means no data, not zero.
    """

    of: str
    metric: str
    points: Points

    @property
    def total(self) -> float:
        return sum(value for _, value in self.points)


@dataclass(frozen=True)
class Health:
    """`lost`: messages that SES gave up on. `failed`: attempts that SES retries.

    The rule names are those with metrics of their own; there may be none although mail was lost.
    """

    received: int
    delivered: int
    failed: int
    lost: int
    losing_rules: tuple[str, ...]
    failing_rules: tuple[str, ...]


def health(series: Sequence[Series]) -> Health:
    def total(metric: RuleMetric) -> int:
        return int(sum(value for _, value in of_all_mail(series, metric)))

    def with_any(metric: RuleMetric) -> tuple[str, ...]:
        found = (one.of for one in series if one.metric == metric and one.total > 0 and one.of != ACTIVE)
        return tuple(sorted(found))

    return Health(
        received=total(RuleMetric.RECEIVED),
        delivered=total(RuleMetric.SUCCESS),
        failed=total(RuleMetric.FAILURE),
        lost=total(RuleMetric.EXPIRED),
        losing_rules=with_any(RuleMetric.EXPIRED),
        failing_rules=with_any(RuleMetric.FAILURE),
    )


def of_all_mail(series: Sequence[Series], metric: RuleMetric) -> Points:
    """Return for each hour the higher of the active set's count and the rules' sum: either may be incomplete."""
    of_set = dict(summed([one for one in series if one.of == ACTIVE], metric))
    of_rules = dict(summed([one for one in series if one.of != ACTIVE], metric))
    return tuple(sorted({at: max(of_set.get(at, 0), of_rules.get(at, 0)) for at in of_set | of_rules}.items()))


def summed(series: Sequence[Series], metric: str) -> Points:
    """Return the sum of a metric over several rules or functions, for each hour."""
    return _by_hour(series, metric, sum)


def longest(series: Sequence[Series], metric: str) -> Points:
    """Return the maximum over several functions, for each hour."""
    return _by_hour(series, metric, max)


def _by_hour(series: Sequence[Series], metric: str, combined: Callable[[list[float]], float]) -> Points:
    found: dict[datetime, list[float]] = defaultdict(list)
    for at, value in (point for one in series if one.metric == metric for point in one.points):
        found[at].append(value)
    return tuple(sorted((at, combined(values)) for at, values in found.items()))


@dataclass(frozen=True)
class LogLine:
    """One event of the function's log group."""

    at: datetime
    text: str


@dataclass(frozen=True)
class StoredMail:
    """The objects under a prefix. `is_all=False`: not all were read, so `count` is a lower bound."""

    bucket: str
    prefix: str
    count: int
    newest: datetime | None
    is_all: bool


@dataclass(frozen=True)
class DeadLetters:
    """`number`: events in the queue, the most in the hour from `at`; None: CloudWatch has no data of such a queue."""

    queue: str
    number: int | None = None
    at: datetime | None = None
