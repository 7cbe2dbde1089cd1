"""Whether a sequence of steps keeps the promise at every moment between the first and the last.

The promise, for each address: served at both ends, it is served throughout; it is stored no more often than at the ends
or once; and its mail goes nowhere but where one of the ends brings it. Where a rule that stops is changed or stands
before ours, the rest of an envelope matters too, and no sequence is called safe.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from receipt_rules.core.naming import is_ours
from receipt_rules.core.rules import AnyRule, Limits, Rule, RuleSet
from receipt_rules.core.steps import Create, Delete, RuleStep, Update
from receipt_rules.core.tracing import Addresses, Trace, affected, touched


@dataclass(frozen=True)
class Moments:
    """Addresses that for a moment are unserved, stored twice, or brought elsewhere.

    `stopping` names rules that end the evaluation and are in the way; `most_rules` counts those there at one time.
    """

    gaps: tuple[str, ...] = ()
    twice: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()
    stopping: tuple[str, ...] = ()
    most_rules: int = 0

    def are_safe(self, limits: Limits) -> bool:
        return self == Moments(most_rules=self.most_rules) and self.most_rules <= limits.rules


@dataclass
class _Seen:
    gaps: dict[str, None] = field(default_factory=dict)
    twice: dict[str, None] = field(default_factory=dict)
    elsewhere: dict[str, None] = field(default_factory=dict)

    def look(self, address: str, start: Sequence[AnyRule], now: Sequence[AnyRule], end: Sequence[AnyRule]) -> None:
        if now in (start, end):
            return
        if not now and start and end:
            self.gaps[address] = None
        if len(now) > max(len(start), len(end), 1):
            self.twice[address] = None
        ends = {rule.delivery for rule in (*start, *end)}
        if any(rule.delivery not in ends for rule in now):
            self.elsewhere[address] = None


def moments(actual: RuleSet, steps: Sequence[RuleStep], end: RuleSet) -> Moments:
    """Look at the set after each step."""
    most = _most_rules(len(actual.rules), steps)
    stopping = _stopping(actual, end) if len(steps) > 1 else ()
    if stopping or _goes_one_way(steps):
        return Moments(stopping=stopping, most_rules=most)
    addresses, seen = Addresses((*actual.rules, *end.rules)), _Seen()
    asked = affected(steps, addresses, order_matters=False)
    first, live, last = Trace(actual), Trace(actual), Trace(end)
    for step in steps[:-1]:
        live.make(step)
        recipients = touched(step) if isinstance(step, Create | Update | Delete) else frozenset()
        some = asked if recipients is None else (each for one in sorted(recipients) for each in addresses.under(one))
        for address in some:
            seen.look(address, first.taking(address), live.taking(address), last.taking(address))
    return Moments(tuple(seen.gaps), tuple(seen.twice), tuple(seen.elsewhere), stopping, most)


def _stopping(actual: RuleSet, end: RuleSet) -> tuple[str, ...]:
    """Enabled rules that stop and are ours, change, or stand before one of ours."""
    found = [rule for rule in (*actual.rules, *end.rules) if rule.enabled and rule.delivery.stops]
    fixed = {rule.name for rule in found if actual.by_name.get(rule.name) == end.by_name.get(rule.name)}
    leading = {name for rule_set in (actual, end) for name in _before_ours(rule_set)}
    return tuple(
        dict.fromkeys(
            rule.name for rule in found if isinstance(rule, Rule) or rule.name not in fixed or rule.name in leading
        )
    )


def _before_ours(rule_set: RuleSet) -> Iterable[str]:
    last = max((place for place, rule in enumerate(rule_set.rules) if is_ours(rule.name)), default=0)
    return (rule.name for rule in rule_set.rules[:last])


def _most_rules(number: int, steps: Iterable[RuleStep]) -> int:
    most = number
    for step in steps:
        number += isinstance(step, Create) - isinstance(step, Delete)
        most = max(most, number)
    return most


def _goes_one_way(steps: Sequence[RuleStep]) -> bool:
    """One step, or all of them only add or only take away: nothing between the ends that is not at one of them."""
    return len(steps) <= 1 or all(map(_only_adds, steps)) or all(map(_only_takes, steps))


def _only_adds(step: RuleStep) -> bool:
    return isinstance(step, Create) or (isinstance(step, Update) and not step.removed and not step.redirects)


def _only_takes(step: RuleStep) -> bool:
    return isinstance(step, Delete) or (isinstance(step, Update) and not step.added and not step.redirects)
