"""Groups the lines of a plan, so that hundreds of rules and thousands of addresses fit on one screen."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from receipt_rules.planner.core.consequences import Consequence, ConsequenceKind
from receipt_rules.planner.core.steps import Step

MOST_GROUPS = 12  # more are merged


@dataclass(frozen=True)
class AddressGroup:
    """Addresses with the same kind of consequence. `befores` and `after` are their destinations, each once."""

    kind: ConsequenceKind
    befores: tuple[str, ...]
    after: tuple[str, ...]
    members: tuple[Consequence, ...]


def grouped_addresses(found: Sequence[Consequence]) -> tuple[AddressGroup, ...]:
    """Group by kind, destination before and destination after, most severe first.

    If that gives more than MOST_GROUPS, group by kind and destination after, then by kind alone.
    """
    groups = _groups((each.kind, each.places_before, each.places_after, each) for each in found)
    if len(groups) > MOST_GROUPS:
        groups = _groups((each.kind, (), each.places_after, each) for each in found)
    if len(groups) > MOST_GROUPS:
        groups = _groups((each.kind, (), (), each) for each in found)
    worst = {kind: place for place, kind in enumerate(ConsequenceKind)}
    return tuple(sorted(groups, key=lambda group: (worst[group.kind], -len(group.members))))


def _groups(keyed: Iterable[tuple[ConsequenceKind, object, object, Consequence]]) -> list[AddressGroup]:
    made: dict[tuple[ConsequenceKind, object, object], list[Consequence]] = defaultdict(list)
    for kind, before, after, each in keyed:
        made[kind, before, after].append(each)
    return [
        AddressGroup(
            kind,
            _places(one.places_before for one in some),
            _places(one.places_after for one in some),
            tuple(some),
        )
        for (kind, _, _), some in made.items()
    ]


def _places(some: Iterable[Sequence[str]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(" and ".join(one) for one in some if one))


@dataclass(frozen=True)
class StepGroup:
    """Consecutive steps of one kind. `number` is the number of the first step."""

    number: int
    kind: str
    members: tuple[Step, ...]


def grouped_steps(steps: Sequence[Step]) -> tuple[StepGroup, ...]:
    """Group consecutive steps of one kind; up to MOST_GROUPS steps are a group each."""
    if len(steps) <= MOST_GROUPS:
        return tuple(StepGroup(number, type(step).__name__, (step,)) for number, step in enumerate(steps, start=1))
    return tuple(_runs(steps))


def _runs(steps: Sequence[Step]) -> Iterator[StepGroup]:
    number = 1
    for kind, some in groupby(steps, key=lambda step: type(step).__name__):
        members = tuple(some)
        yield StepGroup(number, kind, members)
        number += len(members)
