"""Plans around rules that must stay unchanged, because SES now refuses a recipient in them that receives mail.

SES refuses every change of such a rule, and without the recipient its mail would be lost. So the rule stays byte for
byte, and its recipients keep their delivery. A change that would alter the rule, or would store its mail a second time,
is postponed; everything else is applied to other rules. A refused recipient that isn't wanted any more, or that another
desired entry serves the same way, blocks nothing: the rule is written without it.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from receipt_rules.planner.core.desired import DesiredEntries
from receipt_rules.planner.core.rules import AnyRule, Rule, RuleDelivery, RuleSet, broader_entries, is_ours

MOST_NAMED = 5


@dataclass(frozen=True)
class UntouchedRule:
    """`refused`: recipients that SES refuses and that receive mail. `waiting`: recipients whose change is pending."""

    rule: str
    refused: tuple[str, ...]
    waiting: tuple[str, ...]

    @property
    def sentence(self) -> str:
        sentence = (
            f"Rule {self.rule} stays unchanged: SES now refuses {_named(self.refused)} in it, and without that "
            "recipient, its mail would be lost."
        )
        if not self.waiting:
            return sentence
        number = len(self.waiting)
        return f"{sentence} {number:,} change{' waits' if number == 1 else 's wait'} for it: {_named(self.waiting)}."


def _named(some: Sequence[str]) -> str:
    more = f" and {len(some) - MOST_NAMED:,} more" if len(some) > MOST_NAMED else ""
    return f"{', '.join(some[:MOST_NAMED])}{more}"


@dataclass(frozen=True)
class ApplicableState:
    """`desired` is what can be applied now."""

    desired: DesiredEntries
    untouched: tuple[UntouchedRule, ...] = ()

    @property
    def names(self) -> frozenset[str]:
        return frozenset(each.rule for each in self.untouched)


def applicable_state(
    desired: DesiredEntries, actual: RuleSet, *, scope: frozenset[str] | None, take_over: frozenset[str] = frozenset()
) -> ApplicableState:
    """Return the part of the desired state that can be applied while some rules stay unchanged.

    A refused recipient that receives no mail now is left out.
    """
    if not desired.refused:
        return ApplicableState(desired)
    builder = _StateBuilder(desired, actual, scope, take_over)
    while postponed := builder.find_postponed():
        builder.postpone(postponed)
    return builder.result()


class _StateBuilder:
    """Changes the desired entries until they can be applied: keeps what untouched rules do, and postpones others.

    Each postponed entry can free or block more rules, so `_find_untouched_rules` runs again after each round.

    `entries`, `covered`: as in `DesiredEntries`, changed in each round. `wanted`: the desired delivery of each
    recipient. `live`: refused recipients in enabled managed rules, or in rules to take over. `rules`: these rules;
    `untouched`: those that must stay unchanged. `held`: each recipient of an untouched rule, with that rule. `placed`:
    recipients of the other managed rules; `correct`: those of `placed` with their desired delivery. `removed`:
    recipients of the rules that may change, with their current delivery.
    """

    def __init__(
        self, desired: DesiredEntries, actual: RuleSet, scope: frozenset[str] | None, take_over: frozenset[str]
    ) -> None:
        self.desired, self.scope = desired, scope
        enabled = [rule for rule in actual.rules if rule.enabled]
        self.ours = [rule for rule in enabled if isinstance(rule, Rule)]
        self.rules = [rule for rule in enabled if is_ours(rule.name) or rule.name in take_over]
        self.entries, self.covered = dict(desired.entries), dict(desired.covered)
        self.wanted = self._deliveries()
        self.postponed: dict[str, str] = {}  # each entry with the rule that it waits for
        self.wrong: set[str] = set()  # recipients that an untouched rule delivers to another place than desired
        self.live = {one for rule in self.rules for one in rule.recipient_set if one in desired.refused}
        for recipient in desired.refused:
            self._include(recipient) if recipient in self.live else self._exclude(recipient)
        self.first_entries = frozenset(self.entries)
        self._find_untouched_rules()

    def _deliveries(self) -> dict[str, RuleDelivery]:
        """Return the desired delivery of every recipient, also of those that a broader entry serves."""
        result = dict(self.entries)
        for recipient in self.covered:
            by = recipient
            while by in self.covered:
                by = self.covered[by]
            if by in result:
                result.setdefault(recipient, result[by])
        return result

    # The desired entries, with some removed

    def _include(self, recipient: str) -> None:
        """Treat the recipient as if SES accepted it: recipients that it serves need no entry of their own."""
        if recipient in self.wanted:
            return
        delivery = self.wanted[recipient] = self.desired.refused[recipient]
        self._place(recipient)
        for each in [one for one in self.entries if recipient in broader_entries(one) and self.wanted[one] == delivery]:
            del self.entries[each]
            self.covered[each] = recipient

    def _exclude(self, recipient: str) -> None:
        """Remove the recipient. Those that it served get another entry, or one of their own."""
        self.entries.pop(recipient, None)
        self.covered.pop(recipient, None)
        for each in [one for one, by in self.covered.items() if by == recipient]:
            del self.covered[each]
            self._place(each, but=recipient)

    def _place(self, recipient: str, but: str = "") -> None:
        by = next((one for one in broader_entries(recipient) if one != but and self._serves(one, recipient)), "")
        if by:
            self.covered[recipient] = by
        else:
            self.entries[recipient] = self.wanted[recipient]

    def _serves(self, entry: str, recipient: str) -> bool:
        stands = entry in self.entries or entry in self.covered
        return stands and entry not in self.wrong and self.wanted.get(entry) == self.wanted[recipient]

    # The untouched rules

    def _find_untouched_rules(self) -> None:
        """Find the rules that must stay unchanged, and keep the delivery of their recipients."""
        self.untouched = [rule for rule in self.rules if any(map(self._blocks_its_rule, rule.recipient_set))]
        names = {rule.name for rule in self.untouched}
        others = [rule for rule in self.ours if rule.name not in names]
        leaving = [rule for rule in self.rules if rule.name not in names]
        self.removed = {one: rule.delivery for rule in leaving for one in rule.recipient_set}
        self.is_catch_all_removed = any(not rule.recipient_set for rule in leaving)
        self.placed = {one for rule in others for one in rule.recipient_set}
        self.correct = {one for rule in others for one in rule.recipient_set if self.wanted.get(one) == rule.delivery}
        self.held: dict[str, AnyRule] = {}
        for rule in sorted(self.untouched, key=lambda each: not isinstance(each, Rule)):
            self.held |= {one: rule for one in rule.recipient_set if one not in self.held}
        for recipient, rule in self.held.items():
            if isinstance(rule, Rule) and recipient not in self.wrong:
                self._keep_delivery(recipient, rule)

    def _blocks_its_rule(self, recipient: str) -> bool:
        """Recipients outside the plan's scope stay in their rule, even if another entry serves them."""
        is_out = self.scope is not None and recipient not in self.scope
        return recipient in self.live and (is_out or recipient in self.entries)

    def _keep_delivery(self, recipient: str, rule: Rule) -> None:
        if self.wanted.get(recipient) == rule.delivery:
            self.covered.pop(recipient, None)
            self.entries[recipient] = rule.delivery
            return
        self.wrong.add(recipient)
        self._exclude(recipient)
        if recipient in self.correct:  # another rule already delivers it correctly
            self.entries[recipient] = self.wanted[recipient]
        else:
            self.entries[recipient] = rule.delivery

    # Postponed entries

    def find_postponed(self) -> dict[str, str]:
        """Return new entries that would store some mail of an untouched rule twice, each with the rule's name."""
        under: defaultdict[str, list[str]] = defaultdict(list)
        for recipient in self.held:
            for entry in broader_entries(recipient):
                under[entry].append(recipient)
        return dict(self._find_postponed(under)) if self.held else {}

    def _find_postponed(self, under: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, str]]:
        for entry in self.entries:
            if entry not in self.wanted:
                continue  # it stays so that its mail isn't lost while another entry is postponed
            if self._is_present(entry) or (self.scope is not None and entry not in self.scope):
                continue
            near = [one for one in (entry, *broader_entries(entry)) if one in self.held] + list(under.get(entry, ()))
            by = next((self.held[one].name for one in near if not self._is_wanted_twice(entry, one)), "")
            if (
                by
                and not self.is_catch_all_removed
                and all(delivery == self.wanted[entry] for _, delivery in self._removed_with(entry))
            ):
                yield entry, by

    def _removed_with(self, entry: str) -> Iterator[tuple[str, RuleDelivery]]:
        """Yield recipients that would be removed while this entry is postponed, so that some mail would be lost.

        A recipient with another delivery may be a former holder's. It is removed: storing mail twice is the lesser
        harm.
        """
        above = frozenset(broader_entries(entry))
        for recipient, delivery in self.removed.items():
            if (recipient in above or entry in broader_entries(recipient)) and recipient not in self.wanted:
                yield recipient, delivery

    def _is_present(self, entry: str) -> bool:
        return entry in self.placed or entry in self.live or isinstance(self.held.get(entry), Rule)

    def _is_wanted_twice(self, entry: str, recipient: str) -> bool:
        """Return whether both are desired as own entries, and one rule alone holds the recipient, with its delivery."""
        rule = self.held[recipient]
        is_alone = sum(recipient in each.recipient_set for each in self.untouched) == 1
        is_right = is_alone and isinstance(rule, Rule) and self.wanted.get(recipient) == rule.delivery
        return is_right and entry in self.first_entries and recipient in self.first_entries

    def postpone(self, entries: Mapping[str, str]) -> None:
        self.postponed |= entries
        for entry in entries:
            self.entries |= dict(self._removed_with(entry))
            self._exclude(entry)
        self._find_untouched_rules()

    def result(self) -> ApplicableState:
        """Return the result. A refused recipient has an entry only if an untouched managed rule has it."""
        elsewhere = {one for one in self.live if not isinstance(self.held.get(one), Rule)}
        entries = {one: delivery for one, delivery in self.entries.items() if one not in elsewhere}
        desired = replace(self.desired, entries=MappingProxyType(entries), covered=MappingProxyType(self.covered))
        return ApplicableState(desired, tuple(self._untouched(rule) for rule in self.untouched))

    def _untouched(self, rule: AnyRule) -> UntouchedRule:
        refused = tuple(sorted(filter(self._blocks_its_rule, rule.recipient_set)))
        waiting = {entry for entry, name in self.postponed.items() if name == rule.name}
        inside_it = rule.recipient_set if isinstance(rule, Rule) else self.live.intersection(rule.recipient_set)
        waiting |= {one for one in inside_it if self.wanted.get(one) != rule.delivery}
        return UntouchedRule(rule.name, refused, tuple(sorted(waiting if self.scope is None else waiting & self.scope)))
