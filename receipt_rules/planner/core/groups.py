"""Groups the lines of a plan, so that hundreds of rules and thousands of addresses fit on one screen."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from receipt_rules.planner.core.consequences import Consequence, Fate
from receipt_rules.planner.core.steps import Step

MOST_GROUPS = 12  # more are merged


@dataclass(frozen=True)
class AddressGroup:
    """Addresses of the same fate. `befores` and `after` are their places until now and from then on, each once."""

    fate: Fate
    befores: tuple[str, ...]
    after: tuple[str, ...]
    members: tuple[Consequence, ...]


def grouped_addresses(found: Sequence[Consequence], most: int = MOST_GROUPS) -> tuple[AddressGroup, ...]:
    """By fate, place before and place after; where that is too many, by fate and place after. The worst come first."""
    groups = _groups((each.fate, each.before, each.after, each) for each in found)
    if len(groups) > most:
        groups = _groups((each.fate, (), each.after, each) for each in found)
    if len(groups) > most:
        groups = _groups((each.fate, (), (), each) for each in found)
    worst = {fate: place for place, fate in enumerate(Fate)}
    return tuple(sorted(groups, key=lambda group: (worst[group.fate], -len(group.members))))


def _groups(keyed: Iterable[tuple[Fate, object, object, Consequence]]) -> list[AddressGroup]:
    made: dict[tuple[Fate, object, object], list[Consequence]] = defaultdict(list)
    for fate, before, after, each in keyed:
        made[fate, before, after].append(each)
    return [
        AddressGroup(fate, _places(one.before for one in some), _places(one.after for one in some), tuple(some))
        for (fate, _, _), some in made.items()
    ]


def _places(some: Iterable[Sequence[object]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(" and ".join(str(each) for each in one) for one in some if one))


@dataclass(frozen=True)
class StepGroup:
    """Steps of one kind that follow on each other. `number` is that of the first."""

    number: int
    kind: str
    members: tuple[Step, ...]


def grouped_steps(steps: Sequence[Step], most: int = MOST_GROUPS) -> tuple[StepGroup, ...]:
    """Each for itself where they are few."""
    if len(steps) <= most:
        return tuple(StepGroup(number, type(step).__name__, (step,)) for number, step in enumerate(steps, start=1))
    return tuple(_runs(steps))


def _runs(steps: Sequence[Step]) -> Iterator[StepGroup]:
    number = 1
    for kind, some in groupby(steps, key=lambda step: type(step).__name__):
        members = tuple(some)
        yield StepGroup(number, kind, members)
        number += len(members)
