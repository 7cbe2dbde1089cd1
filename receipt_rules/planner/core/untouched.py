"""Plans around rules that must stay as they are: SES refuses a recipient in them that receives mail.

SES refuses every change of such a rule, and without the recipient its mail would be lost. So the rule stays byte for
byte. What is in it goes on as the rule does; a wish that would change it, or store mail of it a second time, waits;
everything else is carried through in other rules. A recipient that is no longer wanted, or that another wanted entry
serves in the same way, holds nothing up: the rule is written without it.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from receipt_rules.planner.core.desired import Desired
from receipt_rules.planner.core.rules import AnyRule, Rule, RuleDelivery, RuleSet, broader, is_ours

MOST_NAMED = 5


@dataclass(frozen=True)
class Untouched:
    """`refused` are the recipients that SES refuses and that receive mail; `waiting` those whose change waits."""

    rule: str
    refused: tuple[str, ...]
    waiting: tuple[str, ...]

    @property
    def sentence(self) -> str:
        said = (
            f"Rule {self.rule} stays unchanged: SES now refuses {_named(self.refused)} in it, and without that "
            "recipient, its mail would be lost."
        )
        if not self.waiting:
            return said
        number = len(self.waiting)
        return f"{said} {number:,} change{' waits' if number == 1 else 's wait'} for it: {_named(self.waiting)}."


def _named(some: Sequence[str]) -> str:
    more = f" and {len(some) - MOST_NAMED:,} more" if len(some) > MOST_NAMED else ""
    return f"{', '.join(some[:MOST_NAMED])}{more}"


@dataclass(frozen=True)
class Detour:
    """`desired` is what can be carried out now."""

    desired: Desired
    untouched: tuple[Untouched, ...] = ()

    @property
    def names(self) -> frozenset[str]:
        return frozenset(each.rule for each in self.untouched)


def around(
    desired: Desired, actual: RuleSet, *, scope: frozenset[str] | None, take_over: frozenset[str] = frozenset()
) -> Detour:
    """What of a wish can be carried out while some rules stay as they are. One that takes no mail now is left out."""
    if not desired.refused:
        return Detour(desired)
    seeker = _Seeker(desired, actual, scope, take_over)
    while waits := seeker.waits():
        seeker.postpone(waits)
    return seeker.found()


class _Seeker:
    def __init__(
        self, desired: Desired, actual: RuleSet, scope: frozenset[str] | None, take_over: frozenset[str]
    ) -> None:
        self.desired, self.scope = desired, scope
        enabled = [rule for rule in actual.rules if rule.enabled]
        self.ours = [rule for rule in enabled if isinstance(rule, Rule)]
        self.rules = [rule for rule in enabled if is_ours(rule.name) or rule.name in take_over]
        self.entries, self.covered = dict(desired.entries), dict(desired.covered)
        self.wanted = self._deliveries()
        self.postponed: dict[str, str] = {}  # with the rule for which it waits
        self.wrong: set[str] = set()  # what a rule that stays takes elsewhere than it is wanted
        self.live = {one for rule in self.rules for one in rule.recipient_set if one in desired.refused}
        for recipient in desired.refused:
            self._take_in(recipient) if recipient in self.live else self._leave_out(recipient)
        self.first_entries = frozenset(self.entries)
        self._settle()

    def _deliveries(self) -> dict[str, RuleDelivery]:
        """Of every recipient, also of one that a broader entry serves."""
        found = dict(self.entries)
        for recipient in self.covered:
            by = recipient
            while by in self.covered:
                by = self.covered[by]
            if by in found:
                found.setdefault(recipient, found[by])
        return found

    # The wish, with entries taken out of it

    def _take_in(self, recipient: str) -> None:
        """As if SES did not refuse it: what it serves needs no entry of its own."""
        if recipient in self.wanted:
            return
        delivery = self.wanted[recipient] = self.desired.refused[recipient]
        self._place(recipient)
        for each in [one for one in self.entries if recipient in broader(one) and self.wanted[one] == delivery]:
            del self.entries[each]
            self.covered[each] = recipient

    def _leave_out(self, recipient: str) -> None:
        """Those that it served get another entry, or one of their own."""
        self.entries.pop(recipient, None)
        self.covered.pop(recipient, None)
        for each in [one for one, by in self.covered.items() if by == recipient]:
            del self.covered[each]
            self._place(each, but=recipient)

    def _place(self, recipient: str, but: str = "") -> None:
        by = next((one for one in broader(recipient) if one != but and self._serves(one, recipient)), "")
        if by:
            self.covered[recipient] = by
        else:
            self.entries[recipient] = self.wanted[recipient]

    def _serves(self, entry: str, recipient: str) -> bool:
        stands = entry in self.entries or entry in self.covered
        return stands and entry not in self.wrong and self.wanted.get(entry) == self.wanted[recipient]

    # The rules that stay

    def _settle(self) -> None:
        """Finds the rules that stay, and lets what is in them go on as they do."""
        self.staying = [rule for rule in self.rules if any(map(self._holds_up, rule.recipient_set))]
        names = {rule.name for rule in self.staying}
        others = [rule for rule in self.ours if rule.name not in names]
        leaving = [rule for rule in self.rules if rule.name not in names]
        self.going = {one: rule.delivery for rule in leaving for one in rule.recipient_set}
        self.is_for_all_going = any(not rule.recipient_set for rule in leaving)
        self.placed = {one for rule in others for one in rule.recipient_set}
        self.right = {one for rule in others for one in rule.recipient_set if self.wanted.get(one) == rule.delivery}
        self.held: dict[str, AnyRule] = {}
        for rule in sorted(self.staying, key=lambda each: not isinstance(each, Rule)):
            self.held |= {one: rule for one in rule.recipient_set if one not in self.held}
        for recipient, rule in self.held.items():
            if isinstance(rule, Rule) and recipient not in self.wrong:
                self._go_on(recipient, rule)

    def _holds_up(self, recipient: str) -> bool:
        """What is out of a plan's scope stays where it is, whatever serves it."""
        is_out = self.scope is not None and recipient not in self.scope
        return recipient in self.live and (is_out or recipient in self.entries)

    def _go_on(self, recipient: str, rule: Rule) -> None:
        if self.wanted.get(recipient) == rule.delivery:
            self.covered.pop(recipient, None)
            self.entries[recipient] = rule.delivery
            return
        self.wrong.add(recipient)
        self._leave_out(recipient)
        if recipient in self.right:  # a second rule takes it where it is wanted, and goes on
            self.entries[recipient] = self.wanted[recipient]
        else:
            self.entries[recipient] = rule.delivery

    # What waits

    def waits(self) -> dict[str, str]:
        """New entries that would store mail a second time which a rule that stays takes, each with that rule."""
        under: defaultdict[str, list[str]] = defaultdict(list)
        for recipient in self.held:
            for entry in broader(recipient):
                under[entry].append(recipient)
        return dict(self._waits(under)) if self.held else {}

    def _waits(self, under: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, str]]:
        for entry in self.entries:
            if self._stands(entry) or (self.scope is not None and entry not in self.scope):
                continue
            near = [one for one in (entry, *broader(entry)) if one in self.held] + list(under.get(entry, ()))
            by = next((self.held[one].name for one in near if not self._is_wanted_twice(entry, one)), "")
            if (
                by
                and not self.is_for_all_going
                and all(delivery == self.wanted[entry] for _, delivery in self._replaced_by(entry))
            ):
                yield entry, by

    def _replaced_by(self, entry: str) -> Iterator[tuple[str, RuleDelivery]]:
        """What would go while this comes, so that some mail would be taken by neither while it waits.

        Where that goes elsewhere, it may be a former holder's: then it goes, and storing twice is the lesser harm.
        """
        above = frozenset(broader(entry))
        for recipient, delivery in self.going.items():
            if (recipient in above or entry in broader(recipient)) and recipient not in self.wanted:
                yield recipient, delivery

    def _stands(self, entry: str) -> bool:
        return entry in self.placed or entry in self.live or isinstance(self.held.get(entry), Rule)

    def _is_wanted_twice(self, entry: str, recipient: str) -> bool:
        """Whether both are wanted as entries of their own, and the rule does what is wanted of its recipient."""
        rule = self.held[recipient]
        is_right = isinstance(rule, Rule) and self.wanted.get(recipient) == rule.delivery
        return is_right and entry in self.first_entries and recipient in self.first_entries

    def postpone(self, waits: Mapping[str, str]) -> None:
        self.postponed |= waits
        for entry in waits:
            self.entries |= dict(self._replaced_by(entry))
            self._leave_out(entry)
        self._settle()

    def found(self) -> Detour:
        """What SES refuses is an entry only where a rule of ours that stays has it."""
        elsewhere = {one for one in self.live if not isinstance(self.held.get(one), Rule)}
        entries = {one: delivery for one, delivery in self.entries.items() if one not in elsewhere}
        desired = replace(self.desired, entries=MappingProxyType(entries), covered=MappingProxyType(self.covered))
        return Detour(desired, tuple(self._untouched(rule) for rule in self.staying))

    def _untouched(self, rule: AnyRule) -> Untouched:
        refused = tuple(sorted(filter(self._holds_up, rule.recipient_set)))
        waiting = {entry for entry, name in self.postponed.items() if name == rule.name}
        inside_it = rule.recipient_set if isinstance(rule, Rule) else self.live.intersection(rule.recipient_set)
        waiting |= {one for one in inside_it if self.wanted.get(one) != rule.delivery}
        return Untouched(rule.name, refused, tuple(sorted(waiting if self.scope is None else waiting & self.scope)))
