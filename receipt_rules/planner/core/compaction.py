"""Repacks recipients into as few rules as possible.

It needs a plan of its own, because it moves recipients that are correct.

The lower bound is, for each delivery, its number of recipients divided by the recipients that a rule can hold.
Compaction reaches it if the deliveries can be ordered so that every exact address comes before the domain entries that
cover it. If they can't (each of two deliveries has an address at a domain of the other), each delivery in such a cycle
needs one more rule, for the addresses that must come first.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from math import ceil

from receipt_rules.planner.core.packing import Deliveries, RuleBin, conflicts, make_bins
from receipt_rules.planner.core.rules import Rule, RuleDelivery, RuleLimits, new_names

_Group = tuple[bool, int]  # whether its rules come first, and the number of its delivery


def minimum_rules(wanted: Mapping[str, RuleDelivery], limits: RuleLimits) -> int:
    """Return a lower bound for the number of rules."""
    return sum(ceil(number / limits.recipients) for number in Counter(wanted.values()).values())


def compact(
    wanted: Mapping[str, RuleDelivery], ours: Sequence[Rule], *, limits: RuleLimits, taken: Iterable[str] = ()
) -> tuple[Rule, ...]:
    """Return our rules in order. For each delivery, the fullest rules stay, and the others are emptied into them."""
    numbers = Deliveries()
    numbered = {recipient: numbers.number(wanted[recipient]) for recipient in sorted(wanted)}
    bins = make_bins(ours, numbered, numbers, None)
    against = conflicts(numbered)
    order = _order(numbered, against, [each.delivery for each in bins])
    groups = _groups(numbered, against, order)
    filled = _fill(groups, bins, limits, taken)
    places = {each: place for place, each in enumerate(filled)}
    filled.sort(key=lambda each: (not each.first, order[each.delivery], places[each]))
    return tuple(each.as_rule(numbers.values[each.delivery]) for each in filled)


def _order(
    wanted: Mapping[str, int], against: Mapping[str, tuple[str, ...]], standing: Sequence[int]
) -> dict[int, int]:
    """Return a position for each delivery, so that few addresses come after a domain entry that covers them.

    If there are such conflicts, the order depends only on the desired state, so that a second compaction changes
    nothing.
    """
    before: Counter[tuple[int, int]] = Counter(
        (wanted[recipient], wanted[entry]) for recipient, entries in against.items() for entry in entries
    )
    late: Counter[int] = Counter()  # addresses that would come too late if this delivery were next
    for (_, entry), number in before.items():
        late[entry] += number
    left = list(dict.fromkeys(list(wanted.values()) if before else [*standing, *wanted.values()]))
    order: dict[int, int] = {}
    while left:
        chosen = min(left, key=lambda each: late[each]) if before else left[0]
        order[chosen] = len(order)
        left.remove(chosen)
        for (address, entry), number in before.items():
            late[entry] -= number if address == chosen else 0
    return order


def _groups(
    wanted: Mapping[str, int], against: Mapping[str, tuple[str, ...]], order: Mapping[int, int]
) -> dict[_Group, list[str]]:
    groups: dict[_Group, list[str]] = defaultdict(list)
    for recipient, delivery in wanted.items():
        entries = against.get(recipient, ())
        first = any(order[wanted[entry]] < order[delivery] for entry in entries)
        groups[first, delivery].append(recipient)
    return groups


def _fill(
    groups: Mapping[_Group, list[str]], bins: Sequence[RuleBin], limits: RuleLimits, taken: Iterable[str]
) -> list[RuleBin]:
    chosen = {group: _fullest(members, group, bins, limits) for group, members in groups.items()}
    used = {each for some in chosen.values() for each in some}
    spare = {first: [each for each in bins if each.first == first and each not in used] for first in (True, False)}
    all_names = {*taken, *(each.name for each in bins)}
    names = {first: new_names(all_names, first=first, limits=limits) for first in (True, False)}
    for (first, delivery), members in groups.items():
        some = chosen[first, delivery]
        while len(some) < ceil(len(members) / limits.recipients):
            made = spare[first].pop(0) if spare[first] else RuleBin(next(names[first]), first, delivery)
            made.delivery = delivery
            some.append(made)
        _distribute(members, some, limits)
    return [each for some in chosen.values() for each in some]


def _fullest(members: Sequence[str], group: _Group, bins: Sequence[RuleBin], limits: RuleLimits) -> list[RuleBin]:
    """Return the fullest rules of this group, as many as it needs.

    Each keeps the recipients of the group that it has.
    """
    wanted = frozenset(members)
    of_group = [each for each in bins if (each.first, each.delivery) == group and each.old]
    held = {each: wanted.intersection(each.old.recipients) for each in of_group if each.old}
    best = sorted((each for each in of_group if held[each]), key=lambda each: -len(held[each]))
    return best[: ceil(len(members) / limits.recipients)]


def _distribute(members: Sequence[str], some: Sequence[RuleBin], limits: RuleLimits) -> None:
    left = dict.fromkeys(members)
    for each in some:
        held = [recipient for recipient in (each.old.recipients if each.old else ()) if recipient in left]
        for recipient in held[: limits.recipients]:
            each.keep(recipient)
            del left[recipient]
    waiting = list(left)
    for each in some:
        room = each.room(limits.recipients)
        for recipient in waiting[:room]:
            each.keep(recipient)
        waiting = waiting[room:]
