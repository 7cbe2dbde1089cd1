"""Evaluates what the active rules do with mail for one address, compared with its desired delivery. Pure."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from domains.receiving.core import RulesFact
from receipt_rules.planner.core.desired import DesiredEntries
from receipt_rules.planner.core.rules import (
    S3,
    AnyRule,
    ForeignRule,
    Lambda,
    RuleDelivery,
    RuleSet,
    covering_entries,
    domain_of,
    parent_entries,
    sample_address,
)

# The best fact of the addresses at a name counts for the name: some mail arrives. What a rollback or somebody else
# removed arrived before, so it comes first: it is missed even if another address at the name still receives.
_BEST = (
    RulesFact.FILTERED,
    RulesFact.HELD,
    RulesFact.DROPPED,
    RulesFact.UNROUTED,
    RulesFact.TLS_ONLY,
    RulesFact.CARRIED,
    RulesFact.COPIED,
    RulesFact.UNSURE,
    RulesFact.WAITING,
    RulesFact.UNSTORED,
    RulesFact.NOT_SET_UP,
    RulesFact.ENDING,
    RulesFact.HALTED,
    RulesFact.MUTED,
    RulesFact.ACCEPTED,
    RulesFact.SPLIT,
    RulesFact.ELSEWHERE,
    RulesFact.BOUNCED,
    RulesFact.STOPPED,
)
_KEPT_FROM_US = {RulesFact.STOPPED, RulesFact.BOUNCED, RulesFact.ELSEWHERE}


class CatchAllsAbove:
    """The subdomain entries of managed rules: SES accepts mail for every name below them, whoever holds it.

    `owner` returns the customer (ID) of a name, "" for none.
    """

    def __init__(self, active: RuleSet, owner: Callable[[str], str]) -> None:
        rules = (rule for rule in active.ours if rule.enabled and rule.delivery.delivers)
        self._entries = frozenset(each for rule in rules for each in rule.recipients if each[0] == ".")
        self._owner = owner

    def accept(self, name: str) -> bool:
        """Return whether another customer's catch-all accepts the mail of this held name."""
        return bool(self._of_others(name))

    def _of_others(self, name: str) -> frozenset[str]:
        above = self._entries.intersection(parent_entries(name)) if self._entries else frozenset[str]()
        holder = self._owner(name) if above else ""
        return frozenset(each for each in above if holder and self._owner(domain_of(each)) != holder)

    def own_entry(self, name: str, desired: DesiredEntries) -> str:
        """Return the nearest desired subdomain entry above the name that is of the name's own customer; "" for none.

        It receives the mail of a name that no other entry is wanted for, also of a send-only domain.
        """
        above = [each for each in parent_entries(name) if serving_entry(each, desired)]
        holder = self._owner(name) if above else ""
        return next((each for each in above if holder and self._owner(domain_of(each)) == holder), "")

    def is_received_otherwise(self, recipient: str, delivering_rules: Sequence[AnyRule]) -> bool:
        """Return whether one of the rules that deliver its mail does so by another entry than these."""
        others = self._of_others(domain_of(recipient))
        entries = set(covering_entries(sample_address(recipient))) - others
        return any(not rule.recipient_set or not entries.isdisjoint(rule.recipient_set) for rule in delivering_rules)


def rules_fact(covering_rules: Sequence[AnyRule], wanted: RuleDelivery | None) -> RulesFact:
    """Return what the rules do. `covering_rules`: rules that cover the address, in order.

    `wanted=None`: none should.
    """
    if wanted is None:
        return RulesFact.WAITING
    taken = unsure = False
    for rule in covering_rules:
        if rule.delivery.bounces:
            return RulesFact.BOUNCED
        if _places(rule.delivery) >= _places(wanted):
            found = RulesFact.UNSURE if unsure else RulesFact.COPIED if taken else RulesFact.CARRIED
            return _defect(covering_rules, wanted) or found
        if isinstance(rule, ForeignRule):
            taken, unsure = taken or rule.delivery.delivers, unsure or rule.delivery.may_stop
        if rule.delivery.stops:
            return RulesFact.ELSEWHERE if taken else RulesFact.STOPPED
    if taken:
        return RulesFact.ELSEWHERE
    is_accepted = bool(covering_rules) and not any(rule.delivery.delivers for rule in covering_rules)
    return RulesFact.UNSTORED if is_accepted else RulesFact.WAITING


def _defect(covering_rules: Sequence[AnyRule], wanted: RuleDelivery) -> RulesFact | None:
    """Return what is wrong although the mail is stored as desired; None for nothing.

    A function that an unmanaged rule calls may deliver the mail, as that of the system before ours does.
    """
    reached = list(_reached(covering_rules))
    called = {arn for rule in reached for arn in _functions(rule.delivery)}
    by_others = any(_functions(rule.delivery) for rule in reached if isinstance(rule, ForeignRule))
    if not _functions(wanted) <= called and not by_others:
        return RulesFact.UNROUTED
    requires_tls = any(rule.delivery.tls_required for rule in reached) and not wanted.tls_required
    return RulesFact.TLS_ONLY if requires_tls else None


def _reached(covering_rules: Iterable[AnyRule]) -> Iterator[AnyRule]:
    for rule in covering_rules:
        yield rule
        if rule.delivery.stops:
            return


def _functions(delivery: RuleDelivery) -> frozenset[str]:
    return frozenset(action.arn for action in delivery.effective_actions if isinstance(action, Lambda))


def halted_fact(rules: Sequence[AnyRule], *, is_own: bool, is_above: bool) -> RulesFact:
    """Return what happens to mail of a customer whose receiving staff stopped.

    `rules`: managed rules that still deliver it, since SES hasn't applied the stop. `is_own`: its name is the
    customer's. `is_above`: another customer's subdomain catch-all accepts the mail.
    """
    if not is_own:
        return RulesFact.HALTED
    return RulesFact.MUTED if is_above else RulesFact.ENDING if rules else RulesFact.HALTED


def held_fact(found: RulesFact, *, is_held: bool) -> RulesFact:
    """Mail that no rule receives while a rollback holds the recipient was removed by the rollback."""
    return RulesFact.HELD if is_held and found in (RulesFact.WAITING, RulesFact.UNSTORED) else found


def dropped_fact(found: RulesFact, *, before: RulesFact, is_delivered: bool) -> RulesFact:
    """Mail that a rule received at the last read, and none receives now, isn't waiting: someone else changed a rule."""
    was_received = before in (RulesFact.CARRIED, RulesFact.COPIED, RulesFact.DROPPED)
    return RulesFact.DROPPED if found is RulesFact.WAITING and was_received and not is_delivered else found


def serving_entry(recipient: str, desired: DesiredEntries) -> str:
    """Return the recipient's own entry, or the entry that serves it; "" if there is none."""
    while recipient not in desired.entries:
        if recipient not in desired.covered:
            return ""
        recipient = desired.covered[recipient]
    return recipient


def delivery_of(recipient: str, desired: DesiredEntries) -> RuleDelivery | None:
    """Return the delivery of the entry that serves it; for a recipient that SES refuses, the one it would have."""
    if recipient in desired.refused:
        return desired.refused[recipient]
    return desired.entries.get(serving_entry(recipient, desired))


def best_fact(found: Iterable[RulesFact]) -> RulesFact:
    """Return the fact of a name from its addresses. PARTLY: some are served, and another rule takes mail of others."""
    facts = set(found)
    if facts & {RulesFact.CARRIED, RulesFact.COPIED} and facts & _KEPT_FROM_US:
        return RulesFact.PARTLY
    return min(facts, key=_BEST.index, default=RulesFact.NOTHING)


def _places(delivery: RuleDelivery) -> frozenset[tuple[str, str]]:
    return frozenset((each.bucket, each.prefix) for each in delivery.effective_actions if isinstance(each, S3))
