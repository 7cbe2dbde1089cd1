"""A plan as a value: what it does, what it means, and the digest under which a person approves it."""

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from receipt_rules.core.consequences import Consequence, Fate, consequences, summary
from receipt_rules.core.desired import Double
from receipt_rules.core.moments import Moments
from receipt_rules.core.rules import RuleSet
from receipt_rules.core.steps import Activate, RuleStep, Step

READS = 2  # the live set is read before and after
SECONDS_PER_CALL = 1.0  # SES's pace (ses.md A)


class Method(StrEnum):
    AUTO = "auto"
    IN_PLACE = "in_place"
    BLUE_GREEN = "blue_green"


@dataclass(frozen=True)
class Sets:
    """The account's rule sets: all their names, and the active one's ("" when none is)."""

    names: frozenset[str]
    active: str


@dataclass(frozen=True)
class Plan:
    """`before` and `after` are what takes mail at both ends. `steps` in their order, one call each.

    `touched` is the digest of the live rules that the steps touch, `digest` that of the steps and of `touched`.
    `edits` are the same changes as steps in place, whatever the method. `emptied` names our rules that are deleted or
    lose all that they hold.
    """

    method: Method
    before: RuleSet
    after: RuleSet
    steps: tuple[Step, ...]
    edits: tuple[RuleStep, ...]
    moments: Moments
    doubles: tuple[Double, ...]
    warnings: tuple[str, ...]
    emptied: tuple[str, ...]
    needs_typing: bool  # more than a third of our rules are emptied: the person types a confirmation
    touched: str
    digest: str

    @property
    def is_empty(self) -> bool:
        return not self.steps

    @property
    def calls(self) -> int:
        """To SES: the steps, reading before and after, and what is looked at again before a set is made the active one.

        That is the active set, and the copy itself where it takes another's place.
        """
        looks = sum(1 + bool(step.instead_of) for step in self.steps if isinstance(step, Activate))
        return len(self.steps) + READS + looks

    @property
    def seconds(self) -> float:
        return self.calls * SECONDS_PER_CALL

    @cached_property
    def consequences(self) -> tuple[Consequence, ...]:
        """Of each address for which something changes, the worst first."""
        switched_on = any(isinstance(step, Activate) and not step.instead_of for step in self.steps)
        return consequences(self.before, self.after, None if switched_on else self.edits)

    @cached_property
    def summary(self) -> str:
        """As "3 addresses change destination, 0 lose delivery, 2 begin to be taken."""
        return summary(self.consequences)

    def with_fate(self, fate: Fate) -> tuple[Consequence, ...]:
        return tuple(each for each in self.consequences if each.fate == fate)
