"""How full the rule set is, when it will be full, and how much more each way to keep mail apart would hold."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from receipt_rules.core.rules import Limits, RuleSet


@dataclass(frozen=True)
class Capacity:
    """Of one rule set. Foreign rules take places and hold nothing of ours."""

    ours: int
    foreign: int
    recipients: int
    limits: Limits

    @property
    def rules_left(self) -> int:
        return max(self.limits.rules - self.ours - self.foreign, 0)

    @property
    def shared(self) -> int:
        """Recipients that fit in all where every delivery is the same: one shared prefix."""
        return max(self.limits.rules - self.foreign, 0) * self.limits.recipients

    @property
    def domains_apart(self) -> int:
        """Domains that fit where each has a prefix, and so a delivery and a rule, of its own."""
        return max(self.limits.rules - self.foreign, 0)

    @property
    def recipients_left(self) -> int:
        """More of the deliveries that there are; a new delivery needs a rule of its own."""
        return max(self.shared - self.recipients, 0)

    @property
    def share_used(self) -> float:
        """Of what fits, the fuller of the two: rules with nothing but their own delivery, or recipients. 0 to 1."""
        if not self.shared:
            return 1.0
        return min(max(self.recipients / self.shared, self.ours / self.domains_apart), 1.0)


def capacity(rule_set: RuleSet, limits: Limits) -> Capacity:
    """Counts what stands in the set."""
    held = sum(len(rule.recipients) for rule in rule_set.ours)
    return Capacity(len(rule_set.ours), len(rule_set.foreign), held, limits)


def full_on(history: Sequence[tuple[date, int]], most: int) -> date | None:
    """When a count that grows as it did until now (a straight line, least squares) reaches `most`.

    None where it does not grow, or was counted on fewer than two days.
    """
    if len({day for day, _ in history}) < 2:
        return None
    last, now = max(history)
    days = [(day - last).days for day, _ in history]
    middle, height = sum(days) / len(days), sum(count for _, count in history) / len(history)
    spread = sum((day - middle) ** 2 for day in days)
    slope = sum((day - middle) * (count - height) for day, (_, count) in zip(days, history, strict=True)) / spread
    if slope <= 0:
        return None
    left = max(most - now, 0) / slope
    return last + timedelta(days=int(left)) if left < (date.max - last).days else None
