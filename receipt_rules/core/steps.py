"""The steps of a plan, as data: one step is one call to SES, and carries what stands and what shall stand.

A step is shown, stored, compared and carried out; it never holds a function. `standing` tells from the live set whether
a step is still to be made, has been made (a lost answer is no error), or may not be made any more.
"""

from dataclasses import dataclass
from enum import StrEnum

from receipt_rules.core.rules import AnyRule, ForeignRule, Rule, RuleSet


@dataclass(frozen=True)
class CreateSet:
    """An empty rule set, not active."""

    rule_set: str

    def __str__(self) -> str:
        return f"Create the rule set {self.rule_set}, empty and not active."


@dataclass(frozen=True)
class CloneSet:
    source: str
    rule_set: str

    def __str__(self) -> str:
        return f"Copy the rule set {self.source} to {self.rule_set}, which is not active."


@dataclass(frozen=True)
class Create:
    """`after` is the rule that it is put behind; "" is the front of the set."""

    rule_set: str
    new: Rule
    after: str = ""

    def __str__(self) -> str:
        return f"Create the rule {self.new.name} with {_counted(self.new)}."


@dataclass(frozen=True)
class Update:
    """Replaces the whole rule, which keeps its place. `old` is foreign only where a rule of our name was damaged."""

    rule_set: str
    old: AnyRule
    new: Rule

    @property
    def added(self) -> tuple[str, ...]:
        return tuple(sorted(self.new.recipient_set - self.old.recipient_set))

    @property
    def removed(self) -> tuple[str, ...]:
        return tuple(sorted(self.old.recipient_set - self.new.recipient_set))

    @property
    def redirects(self) -> bool:
        """Whether what happens to the mail of the recipients that stay becomes another."""
        return self.old.delivery != self.new.delivery or self.old.enabled != self.new.enabled

    def __str__(self) -> str:
        parts = [f"{len(self.added)} added", f"{len(self.removed)} removed"]
        if self.redirects:
            parts.append(f"its mail goes to: {self.new.delivery}")
        return f"Change the rule {self.new.name}: {', '.join(parts)}."


@dataclass(frozen=True)
class Move:
    """`after` as in Create. The rule itself is not changed."""

    rule_set: str
    rule: AnyRule
    after: str = ""

    def __str__(self) -> str:
        return f"Move the rule {self.rule.name} {f'behind {self.after}' if self.after else 'to the front'}."


@dataclass(frozen=True)
class Reorder:
    """Names every rule of the set; the foreign ones in the order in which they stood."""

    rule_set: str
    old: tuple[str, ...]
    new: tuple[str, ...]

    def __str__(self) -> str:
        return f"Put the {len(self.new)} rules of {self.rule_set} in a new order."


@dataclass(frozen=True)
class Delete:
    """`old` is foreign only where it was taken over by name."""

    rule_set: str
    old: AnyRule

    def __str__(self) -> str:
        whose = ", taken over" if isinstance(self.old, ForeignRule) else ""
        return f"Delete the rule {self.old.name} with {_counted(self.old)}{whose}."


@dataclass(frozen=True)
class Activate:
    """`instead_of` is the set that is active until then, "" when none is. SES replaces it at once and asks nothing."""

    rule_set: str
    instead_of: str = ""

    def __str__(self) -> str:
        over = f" instead of {self.instead_of}, which is kept" if self.instead_of else ""
        return f"Make {self.rule_set} the active rule set{over}."


RuleStep = Create | Update | Move | Reorder | Delete
SetStep = CreateSet | CloneSet | Activate
Step = RuleStep | SetStep


class Standing(StrEnum):
    """Where a step stands against the live rule set."""

    TO_DO = "to_do"
    DONE = "done"
    CHANGED = "changed"  # somebody changed what the step touches: it may not be made


def standing(step: RuleStep, live: RuleSet) -> Standing:
    """Compares only what the step touches: other edits do not matter. Sets are the caller's: it knows what exists."""
    match step:
        case Create():
            return _if_as(live.by_name.get(step.new.name), None, step.new)
        case Update():
            return _if_as(live.by_name.get(step.new.name), step.old, step.new)
        case Delete():
            return _if_as(live.by_name.get(step.old.name), step.old, None)
        case Move():
            return _of_move(step, live)
        case Reorder():
            return _if_as(live.names, step.old, step.new)


def _if_as(found: object, old: object, new: object) -> Standing:
    if found == new:
        return Standing.DONE
    return Standing.TO_DO if found == old else Standing.CHANGED


def _of_move(step: Move, live: RuleSet) -> Standing:
    names = live.names
    if step.rule.name not in names or (step.after and step.after not in names):
        return Standing.CHANGED
    before = names[: names.index(step.rule.name)]
    return Standing.DONE if (before[-1] if before else "") == step.after else Standing.TO_DO


def _counted(rule: AnyRule) -> str:
    number = len(rule.recipient_set)
    return "every recipient of the account" if not number else f"{number} recipient{'s' if number != 1 else ''}"
