"""Repacks the recipients into as few rules as possible. It is a plan of its own, because it moves correct recipients.

The bound is, for each delivery, its recipients divided by what a rule holds. It is reached exactly wherever the
deliveries can be put in an order in which every exact address stands before the domain entries that cover it. Where
they cannot (of two deliveries each has an address inside the other's domains), each delivery in such a circle takes one
more rule, which holds the addresses that must stand first.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from math import ceil

from receipt_rules.planner.core.packing import Bin, Deliveries, conflicts, open_bins
from receipt_rules.planner.core.rules import Rule, RuleDelivery, RuleLimits, new_names

_Group = tuple[bool, int]  # whether it stands first, and the number of its delivery


def bound(wanted: Mapping[str, RuleDelivery], limits: RuleLimits) -> int:
    """No packing has fewer rules than this."""
    return sum(ceil(number / limits.recipients) for number in Counter(wanted.values()).values())


def compact(
    wanted: Mapping[str, RuleDelivery], ours: Sequence[Rule], *, limits: RuleLimits, taken: Iterable[str] = ()
) -> tuple[Rule, ...]:
    """Our rules in their order. The fullest rules of each delivery stay, and the others are emptied into them."""
    numbers = Deliveries()
    numbered = {recipient: numbers.number(wanted[recipient]) for recipient in sorted(wanted)}
    bins = open_bins(ours, numbered, numbers, None)
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
    """A place for each delivery, such that few addresses stand behind a domain entry that covers them.

    Where that matters, the order follows from what is wanted alone: a second compaction must find nothing more.
    """
    before: Counter[tuple[int, int]] = Counter(
        (wanted[recipient], wanted[entry]) for recipient, entries in against.items() for entry in entries
    )
    late: Counter[int] = Counter()  # how many addresses would stand behind, were the delivery the next
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
    groups: Mapping[_Group, list[str]], bins: Sequence[Bin], limits: RuleLimits, taken: Iterable[str]
) -> list[Bin]:
    chosen = {group: _fullest(members, group, bins, limits) for group, members in groups.items()}
    used = {each for some in chosen.values() for each in some}
    spare = {first: [each for each in bins if each.first == first and each not in used] for first in (True, False)}
    all_names = {*taken, *(each.name for each in bins)}
    names = {first: new_names(all_names, first=first, limits=limits) for first in (True, False)}
    for (first, delivery), members in groups.items():
        some = chosen[first, delivery]
        while len(some) < ceil(len(members) / limits.recipients):
            made = spare[first].pop(0) if spare[first] else Bin(next(names[first]), first, delivery)
            made.delivery = delivery
            some.append(made)
        _distribute(members, some, limits)
    return [each for some in chosen.values() for each in some]


def _fullest(members: Sequence[str], group: _Group, bins: Sequence[Bin], limits: RuleLimits) -> list[Bin]:
    """As many of the rules that hold this group as it needs, the fullest; each keeps what it holds of it."""
    wanted = frozenset(members)
    of_group = [each for each in bins if (each.first, each.delivery) == group and each.old]
    held = {each: wanted.intersection(each.old.recipients) for each in of_group if each.old}
    best = sorted((each for each in of_group if held[each]), key=lambda each: -len(held[each]))
    return best[: ceil(len(members) / limits.recipients)]


def _distribute(members: Sequence[str], some: Sequence[Bin], limits: RuleLimits) -> None:
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
