"""Packs recipients into rules: recipients with equal delivery share rules, and nothing moves needlessly.

An entry stays where it is while its rule brings its mail to the right place and the order is right: an exact address
stands before every domain entry that covers it with another delivery. New entries go to a rule that knows their domain,
so that switching a domain's mode is one call; then to one that changes anyway; then to the emptiest. Rules named
"first" hold the exact addresses for which no other rule stands early enough, and stand before all others.

A `Bin` is one rule while it is packed. It is mutable; only this module and `compaction` use it.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from receipt_rules.planner.core.rules import (
    Rule,
    RuleDelivery,
    RuleLimits,
    above,
    domain_of,
    ending_in,
    is_address,
    new_names,
    stands_first,
)


@dataclass(eq=False)
class Bin:
    """`delivery` is a number of `Deliveries`. `pinned` recipients are out of scope: they stay, and so does the rule.

    One that `stays` is not changed at all (`untouched`).
    """

    name: str
    first: bool
    delivery: int
    old: Rule | None = None
    kept: set[str] = field(default_factory=set)
    pinned: set[str] = field(default_factory=set)
    stays: bool = False
    is_dirty: bool = False  # whether the plan changes the rule already, so that one more recipient costs no call

    def keep(self, recipient: str) -> None:
        self.kept.add(recipient)
        self.is_dirty = self.is_dirty or self.old is None or recipient not in self.old.recipient_set

    def room(self, size: int) -> int:
        return 0 if self.stays else size - len(self.kept) - len(self.pinned)

    @property
    def is_empty(self) -> bool:
        return not self.kept and not self.pinned

    @property
    def loses_some(self) -> bool:
        """Right after keeping, whether anything of the rule changes."""
        old = self.old
        return old is None or len(self.kept) + len(self.pinned) < len(old.recipients) or not old.enabled

    @property
    def is_usable(self) -> bool:
        """A rule that was switched off by hand is switched on only where all in it is in scope."""
        return not self.pinned or self.old is None or self.old.enabled

    def as_rule(self, delivery: RuleDelivery) -> Rule:
        """The rule itself where nothing about it changes: a customer's change leaves nearly all of them alone."""
        if self.old is None:
            return Rule(self.name, delivery, tuple(self.kept))
        enabled = self.old.enabled if self.pinned else True
        recipients = frozenset(self.kept | self.pinned)
        is_as_before = (delivery, enabled, recipients) == (self.old.delivery, self.old.enabled, self.old.recipient_set)
        return self.old if self.stays or is_as_before else Rule(self.name, delivery, tuple(recipients), enabled)


class Deliveries:
    """Numbers for deliveries, so that 100,000 comparisons are of numbers."""

    def __init__(self) -> None:
        self._by_id: dict[int, int] = {}
        self._by_value: dict[RuleDelivery, int] = {}
        self._held: list[RuleDelivery] = []  # an id is only good while its object lives
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
    """For exact addresses the domain entries that cover them with another delivery: those must stand behind them."""
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
            at[domain] = tuple(entry for entry in (domain, *above(domain)) if entry in domains)
        if against := tuple(entry for entry in at[domain] if wanted[entry] != delivery):
            found[recipient] = against
    return found


def open_bins(
    rules: Iterable[Rule], wanted: Mapping[str, int], numbers: Deliveries, scope: frozenset[str] | None
) -> list[Bin]:
    """A bin for each rule, with the delivery that most of what is in it wants; nothing is kept yet."""
    return [_open(rule, wanted, numbers, scope) for rule in rules]


def _open(rule: Rule, wanted: Mapping[str, int], numbers: Deliveries, scope: frozenset[str] | None) -> Bin:
    pinned = set() if scope is None else rule.recipient_set - scope
    now = numbers.number(rule.delivery)
    made = Bin(rule.name, stands_first(rule.name), now, rule, pinned=set(pinned))
    if not pinned:
        made.delivery = _most_wanted(rule, wanted, now)
    return made


def _let_stay(each: Bin, numbers: Deliveries, untouched: frozenset[str]) -> None:
    if each.name in untouched and each.old is not None:
        each.stays, each.pinned, each.delivery = True, set(each.old.recipients), numbers.number(each.old.delivery)


def _most_wanted(rule: Rule, wanted: Mapping[str, int], now: int) -> int:
    """A change of delivery is one call and moves nobody, where most of the rule's recipients want it."""
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
    """Our rules as they shall be, in their order. `taken` are other names of the set.

    With a scope, recipients outside of it stay exactly where they are. `untouched` names rules that stay as they are.
    Raises Refused over the limit of a name.
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
        found = open_bins(ours, self.wanted, self.numbers, scope)
        for each in found:
            _let_stay(each, self.numbers, untouched)
        self.first = [each for each in found if each.first]
        self.general = [each for each in found if not each.first]
        self.where: dict[str, Bin] = {}
        self._roomy: dict[tuple[bool, int], list[Bin]] = {}
        self.names = {is_first: self._names(is_first, found, limits, taken) for is_first in (True, False)}

    @staticmethod
    def _names(first: bool, found: Sequence[Bin], limits: RuleLimits, taken: Iterable[str]) -> Iterator[str]:
        return new_names({*taken, *(each.name for each in found)}, first=first, limits=limits)

    def packed(self) -> tuple[Rule, ...]:
        self._places = {each: at for at, each in enumerate((*self.first, *self.general), start=-len(self.first))}
        self._keep_what_stays()
        self._keep_domains()
        self._keep_addresses()
        for each in (*self.first, *self.general):
            each.is_dirty = each.loses_some
        missing = [recipient for recipient in self.wanted if recipient not in self.where]
        self.homes = self._homes_of({domain_of(recipient) for recipient in missing})
        self._place_domains([recipient for recipient in missing if not is_address(recipient)])
        self._place_addresses()
        full = [each for each in (*self.first, *self.general) if not each.is_empty]
        return tuple(each.as_rule(self.numbers.values[each.delivery]) for each in full)

    # Keeping

    def _keep_what_stays(self) -> None:
        for each in (*self.first, *self.general):
            for recipient in sorted(each.pinned) if each.stays else ():
                if self.wanted.get(recipient) == each.delivery:
                    self.where.setdefault(recipient, each)

    def _keep_domains(self) -> None:
        for each in self.general:
            for recipient in self._right_in(each):
                if not is_address(recipient):
                    self._put(recipient, each)

    def _keep_addresses(self) -> None:
        for each in (*self.first, *self.general):
            for recipient in self._right_in(each):
                if is_address(recipient) and (each.first or self._stands_before_domains(recipient, each)):
                    self._put(recipient, each)

    def _right_in(self, each: Bin) -> Iterator[str]:
        """The recipients whose mail this rule brings to where it is wanted, and that no earlier rule has kept."""
        if each.old is None or each.stays or not each.is_usable:
            return
        recipients: Sequence[str] = each.old.recipients
        if len(self.wanted) < len(recipients):  # of one customer's change, far fewer
            recipients = sorted(each.old.recipient_set.intersection(self.wanted))
        for recipient in recipients:
            if self.wanted.get(recipient) == each.delivery and recipient not in self.where:
                yield recipient

    def _stands_before_domains(self, recipient: str, each: Bin) -> bool:
        """A plan with a scope moves no rule, and so mends no order that it finds."""
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
            chosen = self._best(candidates, entry) or self._emptied(self.general[earliest:], entry, delivery)
            if chosen is None and earliest and self._has_spare(delivery) and not self._is_behind_what_stays(entry):
                self._send_to_first(entry)
                chosen = self._best(self._open(self.general, delivery), entry)
            self._put(entry, chosen or self._new(delivery, first=False))

    def _last_address_before(self) -> dict[str, int]:
        """For each domain entry the place of the last rule with an address that must stand before it."""
        found: dict[str, int] = {}
        for recipient, against in self.conflicts.items():
            each = self.where.get(recipient)
            if each is not None and not each.first:
                for entry in against:
                    found[entry] = max(found.get(entry, -1), self._places[each])
        return found

    def _has_spare(self, delivery: int) -> bool:
        """Whether a rule of this delivery has room: one more, only to stand later, would be one too many."""
        return any(True for _ in self._open(self.general, delivery))

    def _is_behind_what_stays(self, entry: str) -> bool:
        addresses = (self.where.get(one) for one, against in self.conflicts.items() if entry in against)
        return any(each is not None and each.stays for each in addresses)

    def _send_to_first(self, entry: str) -> None:
        """The addresses that would stand behind this entry leave their rules; they are placed anew."""
        for recipient, against in self.conflicts.items():
            each = self.where.get(recipient)
            if entry in against and each is not None and not each.first:
                each.kept.discard(recipient)
                del self.where[recipient]

    def _place_addresses(self) -> None:
        """In groups of equal delivery and domain, since a group that shares a rule can be switched in one call."""
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
                chosen = self._emptied(bins, group[0], delivery) or self._new(delivery, first=first)
                roomy.append(chosen)
            fits = chosen.room(self.size)
            for recipient in group[:fits]:
                self._put(recipient, chosen)
            group = group[fits:]

    def _open(self, bins: Iterable[Bin], delivery: int) -> Iterator[Bin]:
        return (each for each in bins if each.delivery == delivery and each.is_usable and each.room(self.size) > 0)

    def _best(self, candidates: Iterable[Bin], recipient: str, number: int = 1) -> Bin | None:
        homes = self.homes.get(domain_of(recipient), ())

        def merit(each: Bin) -> tuple[bool, bool, bool, int]:
            room = each.room(self.size)
            return (room >= number and each in homes, room >= number, each.is_dirty, room)

        return max(candidates, key=merit, default=None)

    def _emptied(self, bins: Iterable[Bin], recipient: str, delivery: int) -> Bin | None:
        """A rule that would be deleted takes another delivery instead, at best one that knew this domain."""
        homes = self.homes.get(domain_of(recipient), ())
        empty = [each for each in bins if each.is_empty]
        chosen = max(empty, key=lambda each: each in homes, default=None)
        if chosen is not None:
            chosen.delivery = delivery
        return chosen

    def _new(self, delivery: int, *, first: bool) -> Bin:
        made = Bin(next(self.names[first]), first, delivery)
        (self.first if first else self.general).append(made)
        self._places[made] = len(self.general)
        return made

    def _put(self, recipient: str, each: Bin) -> None:
        each.keep(recipient)
        self.where[recipient] = each

    def _homes_of(self, domains: set[str]) -> dict[str, set[Bin]]:
        """For each domain with something to place the rules that hold, or held until now, anything of it."""
        homes: dict[str, set[Bin]] = defaultdict(set)
        for each in (*self.first, *self.general):
            for recipient in ending_in(domains, each.old.recipients) if each.old else ():
                if (domain := domain_of(recipient)) in domains:
                    homes[domain].add(each)
        return homes
