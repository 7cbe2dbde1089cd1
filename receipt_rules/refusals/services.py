"""Finds the recipients for which SES refuses a rule, so that the rule's other recipients can be applied.

SES refuses the whole rule. Halves of its recipients are tested in a separate rule set that is never active: no rule
that receives mail is changed, and a process may die at any time. The set is named after the run; a half that SES
accepted before already has its rule there.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace

from inbound_admin.lib.errors import AwsConflict, AwsProblem
from receipt_rules.live import gateway
from receipt_rules.planner.core.plans import digest
from receipt_rules.planner.core.rules import Rule, RuleSet

INVALID = "InvalidParameterValue"
SET_PREFIX = "inbound-admin-probe-"
KNOWN_GOOD = "example.com"


def refused_recipients(rule: Rule, *, run_id: str, live: RuleSet | None) -> tuple[str, ...]:
    """Return the refused recipients; empty if SES also refuses the rule for a recipient it accepted before.

    Raises AwsProblem.
    """
    probe_set = _probe_set(run_id)
    with suppress(AwsConflict):  # an earlier attempt made it
        gateway.create_rule_set(probe_set)
    known = next((one for each in (live.ours if live else ()) for one in each.recipients), KNOWN_GOOD)
    found: tuple[str, ...] = ()
    if any(_is_accepted(probe_set, replace(rule, recipients=(one,))) for one in dict.fromkeys((known, KNOWN_GOOD))):
        found = tuple(_refused(probe_set, rule, rule.recipients))
    gateway.delete_rule_set(probe_set)
    return found


def delete_stale_probe_sets(*, of_unfinished: Collection[str]) -> int:
    """Delete the probe sets of runs that crashed or were ended. Returns their number. Raises AwsProblem."""
    kept = {_probe_set(run_id) for run_id in of_unfinished}
    token, left = "", []
    while True:
        found, token = gateway.list_rule_sets(token)
        left += [each.name for each in found if each.name.startswith(SET_PREFIX) and each.name not in kept]
        if not token:
            break
    for name in left:
        gateway.delete_rule_set(name)
    return len(left)


def _probe_set(run_id: str) -> str:
    return f"{SET_PREFIX}{run_id}"[:64]


def _refused(probe_set: str, rule: Rule, some: Sequence[str]) -> Iterator[str]:
    if _is_accepted(probe_set, replace(rule, recipients=tuple(some))):
        return
    if len(some) == 1:
        yield some[0]
        return
    middle = len(some) // 2
    yield from _refused(probe_set, rule, some[:middle])
    yield from _refused(probe_set, rule, some[middle:])


def _is_accepted(probe_set: str, rule: Rule) -> bool:
    """Return whether SES accepts this rule. Raises AwsProblem for any other refusal."""
    try:
        gateway.create_rule(probe_set, replace(rule, name=f"probe-{digest(rule)[:16]}", enabled=False), after="")
    except AwsConflict:
        return True
    except AwsProblem as problem:
        if problem.aws_code != INVALID:
            raise
        return False
    return True
