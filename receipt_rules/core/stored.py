"""Rules, rule sets and steps as plain JSON values and back, for the rows that keep them, and their digests."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from datetime import datetime
from typing import Any

from inbound_admin.lib.tables import keyed
from receipt_rules.core import rules, steps
from receipt_rules.core.rules import RuleSet
from receipt_rules.core.steps import Activate, Create, Delete, Move, Reorder, Step, Update

_TYPE = "type"  # no value has a member of this name
_KINDS: dict[str, type[Any]] = keyed(
    (kind.__name__, kind)
    for kind in (
        *(rules.S3, rules.Lambda, rules.Sns, rules.Stop, rules.AddHeader, rules.Bounce, rules.Opaque),
        *(rules.Delivery, rules.Rule, rules.ForeignRule, rules.RuleSet),
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
    if isinstance(value, list):
        return tuple(load(each) for each in value)
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
