"""What a person should know before approving: sentences, none of which stops the plan."""

from collections.abc import Iterable, Sequence

from receipt_rules.core.moments import Moments
from receipt_rules.core.ordering import barrier
from receipt_rules.core.recipients import spoken
from receipt_rules.core.rules import ForeignRule, RuleSet


def remarks(after: RuleSet, seen: Moments) -> tuple[str, ...]:
    """About the set as it will be, and about the moments on the way there."""
    return (*_momentary(seen.twice), *_foreign(after), *_behind(after), *_stopping(after))


def _momentary(twice: Sequence[str]) -> Iterable[str]:
    if twice:
        others = f" and {len(twice) - 1} more" if len(twice) > 1 else ""
        yield f"For a moment, mail for {spoken(twice[0])}{others} is stored twice. A copy of the rule set prevents it."


def _foreign(after: RuleSet) -> Iterable[str]:
    for rule in after.foreign:
        if rule.is_for_everybody and rule.enabled and rule.delivery.delivers:
            yield f"{rule.name} is not ours and has no recipients: it takes a second copy of all mail."


def _behind(after: RuleSet) -> Iterable[str]:
    ours = frozenset(rule.name for rule in after.ours)
    end = barrier(after.rules, ours)
    behind = [rule.name for rule in after.rules[end:] if rule.name in ours]
    if behind:
        yield f"{after.rules[end].name} is not ours, may end the evaluation, and stands before {', '.join(behind)}."


def _stopping(after: RuleSet) -> Iterable[str]:
    for rule in after.rules:
        if not isinstance(rule, ForeignRule) and rule.enabled and rule.delivery.stops:
            yield f"{rule.name} stops: no later rule is tried, also for other customers on the same message."
