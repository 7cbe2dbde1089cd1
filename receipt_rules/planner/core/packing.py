"""Packs recipients into rules: recipients with the same delivery share rules, and none moves without need.

A recipient keeps its rule if the rule has the desired delivery and the order is correct: an exact address comes before
every domain entry that covers it with another delivery. A new recipient goes to a rule that already has its domain, so
that a later change of the domain is one call; then to a rule that changes anyway; then to the emptiest. Rules named
"first" come before all others. They have only exact addresses for which no other rule comes early enough.

A `RuleBin` is one rule while it is packed. It is mutable; only this module and `compaction` use it.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from receipt_rules.planner.core.rules import (
    Rule,
    RuleDelivery,
    RuleLimits,
    domain_of,
    ending_in,
    is_address,
    is_first_rule,
    new_names,
    parent_entries,
)


@dataclass(eq=False)
class RuleBin:
    """`delivery` is a number of `Deliveries`. `pinned` recipients are out of scope: they stay, and so does the rule.

    If `is_untouched`, the rule isn't changed at all (see `untouched`).
    """

    name: str
    first: bool
    delivery: int
    old: Rule | None = None
    kept: set[str] = field(default_factory=set)
    pinned: set[str] = field(default_factory=set)
    is_untouched: bool = False
    is_dirty: bool = False  # the plan already changes the rule, so another recipient costs no call

    def keep(self, recipient: str) -> None:
        self.kept.add(recipient)
        self.is_dirty = self.is_dirty or self.old is None or recipient not in self.old.recipient_set

    def room(self, size: int) -> int:
        return 0 if self.is_untouched else size - len(self.kept) - len(self.pinned)

    @property
    def is_empty(self) -> bool:
        return not self.kept and not self.pinned

    @property
    def has_changes(self) -> bool:
        """Return whether the rule changes, once the correct recipients are kept."""
        old = self.old
        return old is None or len(self.kept) + len(self.pinned) < len(old.recipients) or not old.enabled

    @property
    def is_usable(self) -> bool:
        """A rule that was disabled by hand is enabled only if all its recipients are in scope."""
        return not self.pinned or self.old is None or self.old.enabled

    def as_rule(self, delivery: RuleDelivery) -> Rule:
        """Return the packed rule, or the original object if nothing changes."""
        if self.old is None:
            return Rule(self.name, delivery, tuple(self.kept))
        enabled = self.old.enabled if self.pinned else True
        recipients = frozenset(self.kept | self.pinned)
        is_as_before = (delivery, enabled, recipients) == (self.old.delivery, self.old.enabled, self.old.recipient_set)
        return self.old if self.is_untouched or is_as_before else Rule(self.name, delivery, tuple(recipients), enabled)


class Deliveries:
    """Numbers the deliveries, so that comparing 100,000 of them is comparing integers."""

    def __init__(self) -> None:
        self._by_id: dict[int, int] = {}
        self._by_value: dict[RuleDelivery, int] = {}
        self._held: list[RuleDelivery] = []  # an id is valid only as long as its object exists
        self.values: list[RuleDelivery] = []

    def number(self, delivery: RuleDelivery) -> int:
        known = self._by_id.get(id(delivery))
        if known is not None:
            return known
        number = self._by_value.setdefault(delivery, len(self.values))
        if number == len(self.values):
            self.values.append(delivery)
        self._by_id[id(delivery)] = number
        self._held.append(delivery)
        return number


def conflicts(wanted: Mapping[str, int]) -> dict[str, tuple[str, ...]]:
    """Return for each exact address the domain entries that cover it with another delivery and must come after it."""
    domains = {recipient for recipient in wanted if not is_address(recipient)}
    if not domains:
        return {}
    at: dict[str, tuple[str, ...]] = {}
    found: dict[str, tuple[str, ...]] = {}
    for recipient, delivery in wanted.items():
        _, is_exact, domain = recipient.rpartition("@")
        if not is_exact:
            continue
        if domain not in at:
            at[domain] = tuple(entry for entry in (domain, *parent_entries(domain)) if entry in domains)
        if against := tuple(entry for entry in at[domain] if wanted[entry] != delivery):
            found[recipient] = against
    return found


def make_bins(
    rules: Iterable[Rule], wanted: Mapping[str, int], numbers: Deliveries, scope: frozenset[str] | None
) -> list[RuleBin]:
    """Return an empty bin for each rule, with the delivery that most of its recipients should have."""
    return [_open(rule, wanted, numbers, scope) for rule in rules]


def _open(rule: Rule, wanted: Mapping[str, int], numbers: Deliveries, scope: frozenset[str] | None) -> RuleBin:
    pinned = set() if scope is None else rule.recipient_set - scope
    now = numbers.number(rule.delivery)
    made = RuleBin(rule.name, is_first_rule(rule.name), now, rule, pinned=set(pinned))
    if not pinned:
        made.delivery = _most_wanted(rule, wanted, now)
    return made


def _mark_untouched(each: RuleBin, numbers: Deliveries, untouched: frozenset[str]) -> None:
    if each.name in untouched and each.old is not None:
        each.is_untouched, each.pinned, each.delivery = (
            True,
            set(each.old.recipients),
            numbers.number(each.old.delivery),
        )


def _most_wanted(rule: Rule, wanted: Mapping[str, int], now: int) -> int:
    """If most of the rule's recipients need another delivery, changing the rule is one call and moves no recipient."""
    votes: dict[int, int] = {now: 0}
    for recipient in rule.recipients:
        if (delivery := wanted.get(recipient)) is not None:
            votes[delivery] = votes.get(delivery, 0) + 1
    return max(votes, key=lambda delivery: (votes[delivery], delivery == now, -delivery))


def pack(
    wanted: Mapping[str, RuleDelivery],
    ours: Sequence[Rule],
    *,
    limits: RuleLimits,
    taken: Iterable[str] = (),
    scope: frozenset[str] | None = None,
    untouched: frozenset[str] = frozenset(),
) -> tuple[Rule, ...]:
    """Return the managed rules of the desired state, in order. `taken` are other rule names in the set.

    With a scope, recipients outside it stay in their rules. `untouched` names rules that must not change. Raises
    Refused if a rule name would be too long.
    """
    return _Packer(wanted, ours, limits, taken, scope, untouched).packed()


class _Packer:
    def __init__(
        self,
        wanted: Mapping[str, RuleDelivery],
        ours: Sequence[Rule],
        limits: RuleLimits,
        taken: Iterable[str],
        scope: frozenset[str] | None,
        untouched: frozenset[str],
    ) -> None:
        self.numbers = Deliveries()
        self.wanted = {
            recipient: self.numbers.number(wanted[recipient])
            for recipient in sorted(wanted)  # the order of the rows must not matter
            if scope is None or recipient in scope
        }
        self.conflicts = conflicts(self.wanted)
        self.size = limits.recipients
        self.is_scoped = scope is not None
        found = make_bins(ours, self.wanted, self.numbers, scope)
        for each in found:
            _mark_untouched(each, self.numbers, untouched)
        self.first = [each for each in found if each.first]
        self.general = [each for each in found if not each.first]
        self.where: dict[str, RuleBin] = {}
        self._roomy: dict[tuple[bool, int], list[RuleBin]] = {}
        self.names = {is_first: self._names(is_first, found, limits, taken) for is_first in (True, False)}

    @staticmethod
    def _names(first: bool, found: Sequence[RuleBin], limits: RuleLimits, taken: Iterable[str]) -> Iterator[str]:
        return new_names({*taken, *(each.name for each in found)}, first=first, limits=limits)

    def packed(self) -> tuple[Rule, ...]:
        self._places = {each: at for at, each in enumerate((*self.first, *self.general), start=-len(self.first))}
        self._keep_untouched()
        self._keep_domains()
        self._keep_addresses()
        for each in (*self.first, *self.general):
            each.is_dirty = each.has_changes
        missing = [recipient for recipient in self.wanted if recipient not in self.where]
        self.homes = self._homes_of({domain_of(recipient) for recipient in missing})
        self._place_domains([recipient for recipient in missing if not is_address(recipient)])
        self._place_addresses()
        full = [each for each in (*self.first, *self.general) if not each.is_empty]
        return tuple(each.as_rule(self.numbers.values[each.delivery]) for each in full)

    # Keeping

    def _keep_untouched(self) -> None:
        for each in (*self.first, *self.general):
            for recipient in sorted(each.pinned) if each.is_untouched else ():
                if self.wanted.get(recipient) == each.delivery:
                    self.where.setdefault(recipient, each)

    def _keep_domains(self) -> None:
        for each in self.general:
            for recipient in self._correct_recipients(each):
                if not is_address(recipient):
                    self._put(recipient, each)

    def _keep_addresses(self) -> None:
        for each in (*self.first, *self.general):
            for recipient in self._correct_recipients(each):
                if is_address(recipient) and (each.first or self._comes_before_domains(recipient, each)):
                    self._put(recipient, each)

    def _correct_recipients(self, each: RuleBin) -> Iterator[str]:
        """Yield the recipients that this rule delivers correctly and that no earlier rule has kept."""
        if each.old is None or each.is_untouched or not each.is_usable:
            return
        recipients: Sequence[str] = each.old.recipients
        if len(self.wanted) < len(recipients):  # of one customer's change, far fewer
            recipients = sorted(each.old.recipient_set.intersection(self.wanted))
        for recipient in recipients:
            if self.wanted.get(recipient) == each.delivery and recipient not in self.where:
                yield recipient

    def _comes_before_domains(self, recipient: str, each: RuleBin) -> bool:
        """With a scope, a plan moves no rule, so it doesn't correct the order either."""
        if self.is_scoped:
            return True
        against = self.conflicts.get(recipient, ())
        return all(entry not in self.where or self._places[each] < self._places[self.where[entry]] for entry in against)

    # Placing

    def _place_domains(self, missing: Sequence[str]) -> None:
        behind = self._last_address_before()
        for entry in missing:
            earliest = behind.get(entry, -1) + 1
            delivery = self.wanted[entry]
            candidates = self._open(self.general[earliest:], delivery)
            chosen = self._best(candidates, entry) or self._reuse_empty(self.general[earliest:], entry, delivery)
            if chosen is None and earliest and self._has_spare(delivery) and not self._comes_after_untouched(entry):
                self._send_to_first(entry)
                chosen = self._best(self._open(self.general, delivery), entry)
            self._put(entry, chosen or self._new(delivery, first=False))

    def _last_address_before(self) -> dict[str, int]:
        """Return for each domain entry the position of the last rule with an address that must come before it."""
        found: dict[str, int] = {}
        for recipient, against in self.conflicts.items():
            each = self.where.get(recipient)
            if each is not None and not each.first:
                for entry in against:
                    found[entry] = max(found.get(entry, -1), self._places[each])
        return found

    def _has_spare(self, delivery: int) -> bool:
        """Return whether a rule of this delivery has room; another rule only for the order would be one too many."""
        return any(True for _ in self._open(self.general, delivery))

    def _comes_after_untouched(self, entry: str) -> bool:
        addresses = (self.where.get(one) for one, against in self.conflicts.items() if entry in against)
        return any(each is not None and each.is_untouched for each in addresses)

    def _send_to_first(self, entry: str) -> None:
        """Remove the addresses that would come after this entry from their rules; a "first" rule gets them."""
        for recipient, against in self.conflicts.items():
            each = self.where.get(recipient)
            if entry in against and each is not None and not each.first:
                each.kept.discard(recipient)
                del self.where[recipient]

    def _place_addresses(self) -> None:
        """Place groups with the same delivery and domain together: a group in one rule can be changed with one call."""
        groups: dict[tuple[bool, int, str], list[str]] = defaultdict(list)
        for recipient, delivery in self.wanted.items():
            if recipient not in self.where:
                groups[recipient in self.conflicts, delivery, domain_of(recipient)].append(recipient)
        for (first, delivery, _), group in groups.items():
            self._place_group(group, delivery, first=first)

    def _place_group(self, group: list[str], delivery: int, *, first: bool) -> None:
        bins = self.first if first else self.general
        roomy = self._roomy.get((first, delivery))
        if roomy is None:
            roomy = self._roomy[first, delivery] = list(bins)
        while group:
            roomy[:] = self._open(roomy, delivery)
            chosen = self._best(roomy, group[0], len(group))
            if chosen is None:
                chosen = self._reuse_empty(bins, group[0], delivery) or self._new(delivery, first=first)
                roomy.append(chosen)
            fits = chosen.room(self.size)
            for recipient in group[:fits]:
                self._put(recipient, chosen)
            group = group[fits:]

    def _open(self, bins: Iterable[RuleBin], delivery: int) -> Iterator[RuleBin]:
        return (each for each in bins if each.delivery == delivery and each.is_usable and each.room(self.size) > 0)

    def _best(self, candidates: Iterable[RuleBin], recipient: str, number: int = 1) -> RuleBin | None:
        homes = self.homes.get(domain_of(recipient), ())

        def merit(each: RuleBin) -> tuple[bool, bool, bool, int]:
            room = each.room(self.size)
            return (room >= number and each in homes, room >= number, each.is_dirty, room)

        return max(candidates, key=merit, default=None)

    def _reuse_empty(self, bins: Iterable[RuleBin], recipient: str, delivery: int) -> RuleBin | None:
        """Return a rule that would be deleted, for another delivery; one that had this domain if possible."""
        homes = self.homes.get(domain_of(recipient), ())
        empty = [each for each in bins if each.is_empty]
        chosen = max(empty, key=lambda each: each in homes, default=None)
        if chosen is not None:
            chosen.delivery = delivery
        return chosen

    def _new(self, delivery: int, *, first: bool) -> RuleBin:
        made = RuleBin(next(self.names[first]), first, delivery)
        (self.first if first else self.general).append(made)
        self._places[made] = len(self.general)
        return made

    def _put(self, recipient: str, each: RuleBin) -> None:
        each.keep(recipient)
        self.where[recipient] = each

    def _homes_of(self, domains: set[str]) -> dict[str, set[RuleBin]]:
        """Return for each domain with recipients to place the rules that have, or had, recipients at it."""
        homes: dict[str, set[RuleBin]] = defaultdict(set)
        for each in (*self.first, *self.general):
            for recipient in ending_in(domains, each.old.recipients) if each.old else ():
                if (domain := domain_of(recipient)) in domains:
                    homes[domain].add(each)
        return homes
