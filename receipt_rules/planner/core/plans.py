"""A plan as a value: its steps, its consequences, and the digest under which a person approves it.

`dump` and `load` turn rules, rule sets and steps into plain JSON values and back, for the rows that store them.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import Any

from inbound_admin.lib.tables import keyed
from receipt_rules.planner.core import rules, steps
from receipt_rules.planner.core.consequences import Consequence, consequences, summary
from receipt_rules.planner.core.desired import Double
from receipt_rules.planner.core.rules import RuleSet
from receipt_rules.planner.core.sequence import Moments
from receipt_rules.planner.core.steps import Activate, Create, Delete, Move, Reorder, RuleStep, Step, Update
from receipt_rules.planner.core.untouched import Untouched

READS = 2  # the live set is read before and after

MOST_SENTENCES = 1000  # of the consequences, the worst first, that a run keeps


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
    touched: str
    digest: str
    untouched: tuple[Untouched, ...] = ()

    @property
    def waiting(self) -> tuple[str, ...]:
        """The recipients whose change waits for rules that must stay as they are."""
        return tuple(recipient for each in self.untouched for recipient in each.waiting)

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

    @cached_property
    def consequences(self) -> tuple[Consequence, ...]:
        """Of each address for which something changes, the worst first."""
        is_copy = self.method is Method.BLUE_GREEN
        switched_on = not is_copy and any(isinstance(step, Activate) for step in self.steps)
        return consequences(self.before, self.after, None if switched_on else self.edits)

    @cached_property
    def summary(self) -> str:
        """As "3 addresses change destination, 0 lose delivery, 2 start receiving."""
        return summary(self.consequences)


_TYPE = "type"  # no value has a member of this name
_KINDS: dict[str, type[Any]] = keyed(
    (kind.__name__, kind)
    for kind in (
        *(rules.S3, rules.Lambda, rules.Sns, rules.Stop, rules.AddHeader, rules.Bounce, rules.Opaque),
        *(rules.RuleDelivery, rules.Rule, rules.ForeignRule, rules.RuleSet),
        *(steps.CreateSet, steps.CloneSet, steps.Create, steps.Update, steps.Move, steps.Reorder, steps.Delete),
        steps.Activate,
    )
)


def dump(value: Any) -> Any:
    """Of any value of `rules` and `steps`, or a tuple of such: numbers, text, lists and objects only."""
    if type(value) is str:  # nearly all of them
        return value
    if is_dataclass(value):
        made = {field.name: dump(getattr(value, field.name)) for field in fields(value) if field.init}
        return {_TYPE: type(value).__name__, **made}
    if isinstance(value, tuple | list):
        return [dump(each) for each in value]
    if isinstance(value, datetime):
        return {_TYPE: "datetime", "at": value.isoformat()}
    return str(value) if isinstance(value, str) else value


def load(value: Any) -> Any:
    """What `dump` was given; lists become tuples. Raises KeyError for a kind that this version does not know."""
    if isinstance(value, list):  # of 100,000 recipients, mostly
        return tuple([each if type(each) is str else load(each) for each in value])
    if not isinstance(value, dict):
        return value
    members = {name: load(member) for name, member in value.items() if name != _TYPE}
    if value[_TYPE] == "datetime":
        return datetime.fromisoformat(members["at"])
    if value[_TYPE] == "Lambda":
        members["invocation"] = rules.Invocation(members["invocation"])
    return _KINDS[value[_TYPE]](**members)


def digest(value: Any) -> str:
    """SHA-256 over the value as JSON, in hexadecimal."""
    return hashlib.sha256(json.dumps(dump(value), sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def touched_digest(plan_steps: Iterable[Step], live: RuleSet) -> str:
    """Of what the steps change or replace in the live set, and of nothing else: other edits leave it as it is."""
    return digest([_touched(step, live) for step in plan_steps])


def _touched(step: Step, live: RuleSet) -> Any:
    match step:
        case Create():
            return [step.new.name, live.by_name.get(step.new.name), not step.after or step.after in live.by_name]
        case Update() | Delete():
            return [step.old.name, live.by_name.get(step.old.name)]
        case Move():
            return [step.rule.name, step.rule.name in live.by_name]
        case Reorder():
            return list(live.names)
        case Activate() if step.instead_of == live.name:
            return list(live.rules)  # all that is in it goes out of use
    return None
