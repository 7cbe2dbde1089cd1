"""A plan's impact on each address: which start receiving, stop receiving or change destination."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from receipt_rules.planner.core.recipient_index import Addresses, Trace, affected, within_reach
from receipt_rules.planner.core.rules import S3, RuleDelivery, RuleSet, domain_of, spoken
from receipt_rules.planner.core.steps import RuleStep


class Fate(StrEnum):
    LOSES = "loses"
    REDIRECTED = "redirected"
    TWICE = "twice"
    ONCE = "once"
    GAINS = "gains"


_SENTENCES = {
    Fate.LOSES: "{who} stops receiving. SES will reject its mail.",
    Fate.REDIRECTED: "{who} changes destination from {before} to: {after}.",
    Fate.TWICE: "{who} is stored and processed more than once: {after}. Before: {before}.",
    Fate.ONCE: "{who} is stored and processed fewer times than now: {after}.",
    Fate.GAINS: "{who} starts receiving: {after}.",
}


@dataclass(frozen=True, slots=True)
class Consequence:
    """`before`, `after`: one delivery for each rule that takes the mail. The address may be one of `sample_address`."""

    address: str
    fate: Fate
    before: tuple[RuleDelivery, ...]
    after: tuple[RuleDelivery, ...]

    @property
    def who(self) -> str:
        return spoken(self.address)

    @property
    def sentence(self) -> str:
        before, after = (" and ".join(str(each) for each in some) or "not" for some in (self.before, self.after))
        who = self.who
        return _SENTENCES[self.fate].format(
            who=who[0].upper() + who[1:] if " " in who else who, before=before, after=after
        )


def consequences(before: RuleSet, after: RuleSet, steps: Sequence[RuleStep] | None) -> tuple[Consequence, ...]:
    """Of every address that the steps touch and for which something changes; what is worst comes first.

    Without steps, of all addresses.
    """
    before, after = within_reach(before, after, steps=steps)
    addresses = Addresses((*before.rules, *after.rules))
    stops = any(rule.enabled and rule.delivery.stops for rule in (*before.rules, *after.rules))
    asked = addresses.all if steps is None else affected(steps, addresses, order_matters=stops)
    start, end = Trace(before), Trace(after)
    found = []
    for address in asked:
        was = tuple(rule.delivery for rule in start.taking(address))
        becomes = tuple(rule.delivery for rule in end.taking(address))
        if (fate := _fate(was, becomes)) is not None:
            found.append(Consequence(address, fate, was, becomes))
    worst = {fate: place for place, fate in enumerate(Fate)}
    return tuple(sorted(found, key=lambda each: worst[each.fate]))


HARMFUL = (Fate.LOSES, Fate.REDIRECTED, Fate.TWICE)  # the last for an address that is received already


@dataclass(frozen=True)
class Impact:
    """How many of the addresses that are received now (`served`) a plan touches, and in which way.

    `strangers`: mail that goes to a bucket that is none of `stores`, and did not before, or leaves ours for one.
    `others`: addresses of other customers than the one that the plan is for.
    """

    served: int
    stops: int = 0
    moves: int = 0
    twice: int = 0
    strangers: int = 0
    others: tuple[str, ...] = ()

    @property
    def harmed(self) -> int:
        return self.stops + self.moves + self.twice

    @property
    def sentences(self) -> tuple[str, ...]:
        """For each way that concerns any address."""
        ways = (
            (self.stops, "stop receiving"),
            (self.moves, "change destination"),
            (self.twice, "are stored more than once"),
            (self.strangers, "are delivered to an unmanaged bucket"),
            (len(self.others), "belong to a customer outside the plan's scope"),
        )
        return tuple(f"{number:,} of {self.served:,} addresses {what}." for number, what in ways if number)

    def needs_typing(self, percent: int) -> bool:
        """Whether more than so many per cent are harmed, or anybody's whom the plan is not for, or leave our stores."""
        return 100 * self.harmed > percent * self.served or bool(self.others or self.strangers)


def impact(found: Iterable[Consequence], *, served: int, stores: frozenset[str], others: Iterable[str] = ()) -> Impact:
    found = tuple(found)
    number = Counter(each.fate for each in found)
    return Impact(
        served=max(served, sum(bool(each.before) for each in found)),
        stops=number[Fate.LOSES],
        moves=number[Fate.REDIRECTED],
        twice=sum(each.fate == Fate.TWICE and bool(each.before) for each in found),
        strangers=sum(_goes_to_strangers(each, stores) for each in found),
        others=tuple(others),
    )


def served(rule_set: RuleSet) -> int:
    """How many addresses are received: all that rules name, and one for everything else at a domain."""
    trace = Trace(rule_set)
    return sum(bool(trace.taking(address)) for address in Addresses(rule_set.rules).all)


def _goes_to_strangers(each: Consequence, stores: frozenset[str]) -> bool:
    before, after = _buckets(each.before), _buckets(each.after)
    leaves = bool(before & stores) and bool(each.after) and not after & stores
    return leaves or bool(after - stores - before)


def _buckets(deliveries: Iterable[RuleDelivery]) -> frozenset[str]:
    return frozenset(action.bucket for each in deliveries for action in each.reached if isinstance(action, S3))


# Of one address and of several; most severe first.
_SUMMARY = {
    Fate.LOSES: ("stops receiving", "stop receiving"),
    Fate.REDIRECTED: ("changes destination", "change destination"),
    Fate.TWICE: ("is stored more than once", "are stored more than once"),
    Fate.GAINS: ("starts receiving", "start receiving"),
    Fate.ONCE: ("is stored fewer times", "are stored fewer times"),
}


def summary(found: Iterable[Consequence]) -> str:
    """Return one sentence with the number of addresses of each fate, such as "2 addresses stop receiving, 1 starts"."""
    found = tuple(found)
    number = Counter(each.fate for each in found)
    catch_alls = Counter(each.fate for each in found if each.who != each.address)
    parts = [
        (fate, number[fate], one if number[fate] == 1 else several)
        for fate, (one, several) in _SUMMARY.items()
        if number[fate]
    ]
    if not parts:
        return "No address changes."
    (fate, first, verb), *others = parts
    who = _recipients(first - catch_alls[fate], catch_alls[fate])
    return f"{', '.join([f'{who} {verb}', *(f'{count:,} {verb}' for _, count, verb in others)])}."


def _fate(before: tuple[RuleDelivery, ...], after: tuple[RuleDelivery, ...]) -> Fate | None:
    if not before and not after:
        return None
    if len(after) > max(1, len(before)):
        return Fate.TWICE
    if not before:
        return Fate.GAINS
    if not after:
        return Fate.LOSES
    if set(before) != set(after):
        return Fate.REDIRECTED
    return None if len(before) == len(after) else Fate.ONCE


def _recipients(addresses: int, catch_alls: int) -> str:
    parts = [f"{addresses:,} address{'' if addresses == 1 else 'es'}"] if addresses else []
    parts += [f"{catch_alls:,} catch-all{'' if catch_alls == 1 else 's'}"] if catch_alls else []
    return " and ".join(parts)


@dataclass(frozen=True)
class Layout:
    """`root` stands before each domain's name, `caught` after it for mail that a catch-all takes."""

    root: str
    caught: str = ""


def layout_remarks(found: Iterable[Consequence]) -> Iterator[str]:
    """A sentence for mail that changes its place, and one that offers the older layout where all of it had one."""
    moved = [each for each in found if each.fate is Fate.REDIRECTED and _places(each.before) != _places(each.after)]
    if not moved:
        return
    first, more = moved[0], f" and {len(moved) - 1:,} more" if len(moved) > 1 else ""
    old, new = (" and ".join(_places(some)) or "nowhere" for some in (first.before, first.after))
    yield (
        f"Mail for {first.who}{more} moves to another S3 location: {new} instead of {old}. Programs that read "
        "the old location won't find new mail there."
    )
    if layout := _layout_of(moved):
        caught = f" and RECEIVING_CATCH_ALL_PREFIX={layout.caught}" if layout.caught else ""
        yield (
            f"To keep the old layout, set RECEIVING_PREFIX={layout.root}, "
            f"RECEIVING_PREFIX_EACH_DOMAIN=1{caught}, restart, and update the plan."
        )


def _places(deliveries: Iterable[RuleDelivery]) -> tuple[str, ...]:
    stores = [action for each in deliveries for action in each.reached if isinstance(action, S3)]
    return tuple(f"{store.bucket}/{store.prefix}" for store in stores)


def _layout_of(moved: Iterable[Consequence]) -> Layout | None:
    """Only where every place has its domain's name in it, under one root."""
    parts = Counter(_parts(each) for each in moved)
    if None in parts:
        return None
    roots, caught = {root for root, _ in parts}, {tail for _, tail in parts if tail}  # type: ignore[misc]  # none is None
    return Layout(roots.pop(), caught.pop() if caught else "") if len(roots) == 1 and len(caught) <= 1 else None


def _parts(moved: Consequence) -> tuple[str, str] | None:
    stores = [action for each in moved.before for action in each.reached if isinstance(action, S3)]
    if len(stores) != 1:
        return None
    root, name, caught = stores[0].prefix.partition(f"{domain_of(moved.address)}/")
    return (root, caught) if name else None
