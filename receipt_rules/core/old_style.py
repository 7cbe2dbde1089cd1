"""Rules of the system before this one: each takes mail that is wanted here, and so can be folded into rules of ours."""

from receipt_rules.core.desired import Desired
from receipt_rules.core.recipients import broader
from receipt_rules.core.rules import ForeignRule, RuleSet


def old_style(rule_set: RuleSet, desired: Desired) -> frozenset[str]:
    """Names of the foreign rules of which no recipient would be left without a rule of ours; the rest are others'."""
    return frozenset(rule.name for rule in rule_set.foreign if rule.may_be_taken_over and _is_wanted(rule, desired))


def _is_wanted(rule: ForeignRule, desired: Desired) -> bool:
    return all(
        recipient in desired.entries
        or recipient in desired.covered
        or any(other in desired.entries for other in broader(recipient))
        for recipient in rule.recipient_set
    )
