"""What packing fills: one bin is one rule in the making. Mutable, and seen by `packing` and `compacting` alone."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from receipt_rules.core.naming import stands_first
from receipt_rules.core.recipients import above, is_address
from receipt_rules.core.rules import Delivery, Rule


@dataclass(eq=False)
class Bin:
    """`delivery` is a number of `Deliveries`. `pinned` recipients are out of scope: they stay, and so does the rule."""

    name: str
    first: bool
    delivery: int
    old: Rule | None = None
    kept: set[str] = field(default_factory=set)
    pinned: set[str] = field(default_factory=set)
    is_dirty: bool = False  # whether the plan changes the rule already, so that one more recipient costs no call

    def keep(self, recipient: str) -> None:
        self.kept.add(recipient)
        self.is_dirty = self.is_dirty or self.old is None or recipient not in self.old.recipient_set

    def room(self, size: int) -> int:
        return size - len(self.kept) - len(self.pinned)

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

    def as_rule(self, delivery: Delivery) -> Rule:
        """The rule itself where nothing about it changes."""
        if self.old is None:
            return Rule(self.name, delivery, tuple(self.kept))
        enabled = self.old.enabled if self.pinned else True
        made = Rule(self.name, delivery, (*self.kept, *self.pinned), enabled)
        return self.old if made == self.old else made


class Deliveries:
    """Numbers for deliveries, so that 100,000 comparisons are of numbers."""

    def __init__(self) -> None:
        self._by_id: dict[int, int] = {}
        self._by_value: dict[Delivery, int] = {}
        self._held: list[Delivery] = []  # an id is only good while its object lives
        self.values: list[Delivery] = []

    def number(self, delivery: Delivery) -> int:
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


def _most_wanted(rule: Rule, wanted: Mapping[str, int], now: int) -> int:
    """A change of delivery is one call and moves nobody, where most of the rule's recipients want it."""
    votes: dict[int, int] = {now: 0}
    for recipient in rule.recipients:
        if (delivery := wanted.get(recipient)) is not None:
            votes[delivery] = votes.get(delivery, 0) + 1
    return max(votes, key=lambda delivery: (votes[delivery], delivery == now, -delivery))
