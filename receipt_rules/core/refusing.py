"""What a plan is refused for, and in which words. Each check raises Refused or returns nothing."""

from collections.abc import Mapping

from inbound_admin.lib.errors import Refused
from receipt_rules.core.compacting import bound
from receipt_rules.core.moments import Moments
from receipt_rules.core.naming import is_ours
from receipt_rules.core.plans import Sets
from receipt_rules.core.rules import Delivery, ForeignRule, Limits, RuleSet


def check_active(actual: RuleSet, sets: Sets) -> None:
    """Another set's place is never taken: its rules would end at once, for everybody."""
    if sets.active not in ("", actual.name):
        raise Refused(
            f"The rule set {sets.active} is active, not {actual.name}. To activate ours would end what it does. "
            "Adopt it, so that its rules stay and ours are added, or leave this region alone.",
            code="RULE_SET_NOT_OURS",
        )


def check_take_over(actual: RuleSet, take_over: frozenset[str], scope: frozenset[str] | None) -> None:
    for name in sorted(take_over):
        rule = actual.by_name.get(name)
        if not isinstance(rule, ForeignRule):
            raise Refused(f"There is no foreign rule {name} in {actual.name} that could be taken over.")
        if not rule.may_be_taken_over:
            raise Refused(f"The rule {name} does what we cannot write, or has no recipients: it stays as it is.")
        if scope is not None and rule.recipient_set - scope:
            raise Refused(f"The rule {name} is for others too: an operator must plan this.")


def check_deliveries(wanted: Mapping[str, Delivery], limits: Limits) -> None:
    for delivery in set(wanted.values()):
        if len(delivery.actions) > limits.actions:
            raise Refused(f"A rule may have {limits.actions} actions; this delivery has more: {delivery}.")


def check_bound(wanted: Mapping[str, Delivery], actual: RuleSet, limits: Limits) -> None:
    """Before packing, which takes long where far too many rules are wanted."""
    if (least := bound(wanted, limits)) > limits.rules:
        raise _full(least, actual, limits)


def check_number(needed: int, actual: RuleSet, limits: Limits) -> None:
    """`needed` is the number of all rules at the end. A set that is over the limit already may stay as large."""
    if needed > max(limits.rules, len(actual.rules)):
        raise _full(needed, actual, limits)


def check_in_place(seen: Moments, limits: Limits) -> None:
    """To be stored twice for a moment is shown and may be chosen; to be rejected or sent elsewhere may not."""
    if lost := (*seen.gaps, *seen.elsewhere):
        raise Refused(
            f"In place, mail for {lost[0]} would be lost or misdirected for a moment. Use a copy of the rule set.",
            code="WOULD_BE_UNSERVED",
        )
    if seen.stopping:
        raise Refused(
            f"In place, {seen.stopping[0]}, which ends the evaluation, could take mail from others for a moment. "
            "Use a copy of the rule set instead.",
            code="WOULD_BE_UNSERVED",
        )
    if seen.most_rules > limits.rules:
        raise Refused(f"In place, there would be {seen.most_rules} rules for a moment. Use a copy of the rule set.")


def check_room_for_set(sets: Sets, limits: Limits) -> None:
    if len(sets.names) >= limits.rule_sets:
        raise Refused(f"This needs one more rule set, and the account has {len(sets.names)}. Delete an old one first.")


def _full(needed: int, actual: RuleSet, limits: Limits) -> Refused:
    foreign = sum(not is_ours(rule.name) for rule in actual.foreign)
    return Refused(
        f"This needs {needed} rules, and a rule set may have {limits.rules}; {foreign} of them are not ours. "
        "Give more recipients the same delivery, compact the rules, or take over those that are not ours.",
        code="RULES_FULL",
    )
