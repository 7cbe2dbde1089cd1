"""A plan as a value: its steps, its consequences, and the digest under which a person approves it.

`dump` and `load` convert rules, rule sets and steps to plain JSON values and back, for storage.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import Any

from inbound_admin.lib.tables import keyed
from receipt_rules.planner.core import rules, steps
from receipt_rules.planner.core.consequences import Consequence, consequences, summary
from receipt_rules.planner.core.desired import DoubleDelivery
from receipt_rules.planner.core.rules import AnyRule, Rule, RuleSet, broader_entries
from receipt_rules.planner.core.sequence import TransitionIssues
from receipt_rules.planner.core.steps import (
    Activate,
    Create,
    CreateSet,
    Delete,
    Move,
    Reorder,
    RuleStep,
    Step,
    Update,
    rule_steps,
)
from receipt_rules.planner.core.untouched import UntouchedRule

READS = 2  # the live set is read before and after

MOST_SENTENCES = 1000  # of the consequences, most severe first, that a run stores


class Method(StrEnum):
    AUTO = "auto"
    IN_PLACE = "in_place"
    BLUE_GREEN = "blue_green"


@dataclass(frozen=True)
class RuleSetNames:
    """The names of the account's rule sets, and the name of the active one ("" if none is active)."""

    names: frozenset[str]
    active: str


@dataclass(frozen=True)
class Plan:
    """`before` and `after` are the active rule sets. Each of `steps` is one SES call, in order.

    `touched` is the digest of the live rules that the steps change; `digest` is that of the steps and of `touched`.
    `edits` are the same changes as steps in place, whatever the method.
    """

    method: Method
    before: RuleSet
    after: RuleSet
    steps: tuple[Step, ...]
    edits: tuple[RuleStep, ...]
    transition_issues: TransitionIssues
    doubles: tuple[DoubleDelivery, ...]
    warnings: tuple[str, ...]
    touched: str
    digest: str
    untouched: tuple[UntouchedRule, ...] = ()

    @property
    def waiting(self) -> tuple[str, ...]:
        """Return the recipients whose change is pending because a rule must stay unchanged."""
        return tuple(recipient for each in self.untouched for recipient in each.waiting)

    @property
    def is_empty(self) -> bool:
        return not self.steps

    @property
    def calls(self) -> int:
        """Return the number of SES calls: the steps, a read before and after, and the reads before an activation.

        An activation reads the active set again, and also the clone if it replaces another set.
        """
        further = sum(1 + bool(step.instead_of) for step in self.steps if isinstance(step, Activate))
        return len(self.steps) + READS + further

    @cached_property
    def consequences(self) -> tuple[Consequence, ...]:
        """Return the impact on each address that changes, most severe first."""
        is_copy = self.method is Method.BLUE_GREEN
        switched_on = not is_copy and any(isinstance(step, Activate) for step in self.steps)
        return consequences(self.before, self.after, None if switched_on else self.edits)

    @cached_property
    def summary(self) -> str:
        """Return a sentence such as "3 addresses change destination, 2 start receiving." """
        return summary(self.consequences)

    @property
    def still_accepted(self) -> int:
        """Return for how many recipients that it removes SES still accepts mail, by a subdomain catch-all above."""
        before, after = ({each for rule in one.ours for each in rule.recipients} for one in (self.before, self.after))
        above = {each for each in after if each[0] == "."}
        return sum(not above.isdisjoint(broader_entries(each)) for each in before - after) if above else 0


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
    """Convert a value of `rules` or `steps`, or a tuple of them, to plain JSON values."""
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
    """Convert back what `dump` returned; lists become tuples. Raises KeyError for a kind unknown to this version."""
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
    """Return the SHA-256 of the value as JSON, in hexadecimal."""
    return hashlib.sha256(json.dumps(dump(value), sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def touched_digest(plan_steps: Iterable[Step], live: RuleSet) -> str:
    """Return the digest of what the steps change or replace in the live set. Other edits don't change it."""
    return digest([_touched(step, live) for step in plan_steps])


def _touched(step: Step, live: RuleSet) -> Any:
    match step:
        case Create():
            return [step.name, live.by_name.get(step.name), not step.after or step.after in live.by_name]
        case Update() | Delete():
            return [step.name, live.by_name.get(step.name)]
        case Move():
            return [step.rule.name, step.rule.name in live.by_name]
        case Reorder():
            return list(live.names)
        case Activate() if step.instead_of == live.name:
            return list(live.rules)  # every rule of it stops applying
    return None


def known_state_after(known: RuleSet, after: RuleSet, steps: Sequence[Step]) -> RuleSet:
    """Return `known` with what the steps changed. Changes that others made before, or meanwhile, stay differences.

    `after`: the rules as read at the end, for the order of new ones.
    """
    if any(isinstance(step, CreateSet) for step in steps):
        return after
    rules, reorders = dict(known.by_name), False
    for step in rule_steps(steps):
        match step:
            case Create():
                rules[step.new.name] = step.new
            case Update():
                rules[step.new.name] = _with_changes(rules.get(step.new.name), step)
            case Delete():
                rules.pop(step.old.name, None)
            case Move() | Reorder():
                reorders = True
    names = _in_order(after.names if reorders else known.names, after.names, frozenset(rules))
    return RuleSet(after.name, tuple(rules[name] for name in names))


def _with_changes(known: AnyRule | None, step: Update) -> Rule:
    """Return the known rule with what the step changes: what others changed in it before isn't accepted with it."""
    old, new = step.old, step.new
    if not isinstance(known, Rule) or known == old:
        return new
    recipients = known.recipient_set.union(step.added).difference(step.removed) or new.recipient_set
    delivery = known.delivery if old.delivery == new.delivery else new.delivery
    made = Rule(new.name, delivery, tuple(recipients), known.enabled if old.enabled == new.enabled else new.enabled)
    return new if made == new else made


def _in_order(first: Sequence[str], after: Sequence[str], kept: frozenset[str]) -> list[str]:
    """Return `kept` in the order of `first`. A name not in it follows its predecessor in `after`, or comes last."""
    names = [name for name in first if name in kept]
    for place, name in enumerate(after):
        if name in kept and name not in names:
            before = next((other for other in reversed(after[:place]) if other in names), "")
            names.insert(names.index(before) + 1 if before else 0, name)
    return [*names, *(name for name in kept if name not in names)]
