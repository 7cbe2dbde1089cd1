"""What became of mail after SES took it: what the rules did with it, what the function did, what the bucket holds."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class RuleMetric(StrEnum):
    """SES's metrics of a receipt rule. EXPIRED is lost mail: SES tried an action for four hours and gave up."""

    SUCCESS = "PublishSuccess"
    FAILURE = "PublishFailure"
    EXPIRED = "PublishExpired"


class FunctionMetric(StrEnum):
    """Lambda's metrics of a function; DURATION in milliseconds, the longest."""

    INVOCATIONS = "Invocations"
    ERRORS = "Errors"
    THROTTLES = "Throttles"
    DURATION = "Duration"


Points = tuple[tuple[datetime, float], ...]


@dataclass(frozen=True)
class Series:
    """One metric of one rule or function, by its name, the oldest first. No point is "no data", not zero."""

    of: str
    metric: str
    points: Points

    @property
    def total(self) -> float:
        return sum(value for _, value in self.points)


@dataclass(frozen=True)
class Health:
    """`lost`: messages that no action took in four hours; `failed`: tries that failed and are repeated."""

    delivered: int
    failed: int
    lost: int
    losing_rules: tuple[str, ...]
    failing_rules: tuple[str, ...]


def health(series: Sequence[Series]) -> Health:
    def total(metric: RuleMetric) -> int:
        return int(sum(one.total for one in series if one.metric == metric))

    def with_any(metric: RuleMetric) -> tuple[str, ...]:
        return tuple(sorted(one.of for one in series if one.metric == metric and one.total > 0))

    return Health(
        delivered=total(RuleMetric.SUCCESS),
        failed=total(RuleMetric.FAILURE),
        lost=total(RuleMetric.EXPIRED),
        losing_rules=with_any(RuleMetric.EXPIRED),
        failing_rules=with_any(RuleMetric.FAILURE),
    )


def summed(series: Sequence[Series], metric: str) -> Points:
    """The same metric of several rules added up, hour by hour."""
    found: dict[datetime, float] = {}
    for one in series:
        if one.metric == metric:
            for at, value in one.points:
                found[at] = found.get(at, 0) + value
    return tuple(sorted(found.items()))


def longest(series: Sequence[Series], metric: str) -> Points:
    """Of several functions the highest of each hour."""
    found: dict[datetime, float] = {}
    for one in series:
        if one.metric == metric:
            for at, value in one.points:
                found[at] = max(found.get(at, 0), value)
    return tuple(sorted(found.items()))


@dataclass(frozen=True)
class LogLine:
    """One event of the function's log group."""

    at: datetime
    text: str


@dataclass(frozen=True)
class StoredMail:
    """What lies under a prefix. `is_all` False: there is more than we looked through, so the count is a lower bound."""

    bucket: str
    prefix: str
    count: int
    newest: datetime | None
    is_all: bool
