"""Computes a plan's impact on each address: which start receiving, stop receiving or change destination.

Also detects the S3 layout of the legacy system's rules, whose function reads mail for addresses at `emails/<domain>/`
and for a catch-all at `emails/<domain>/catchall/`. `Layout` has the settings that keep it.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from receipt_rules.planner.core.recipient_index import (
    RecipientIndex,
    SampleAddresses,
    affected_addresses,
    relevant_rules,
)
from receipt_rules.planner.core.rules import S3, RuleDelivery, RuleSet, deliveries_of, describe_address, domain_of
from receipt_rules.planner.core.steps import RuleStep


class ConsequenceKind(StrEnum):
    """How a plan changes where an address's mail goes."""

    LOSES = "loses"
    BOUNCES = "bounces"
    REDIRECTED = "redirected"
    TWICE = "twice"
    ONCE = "once"
    GAINS = "gains"
    CLEARS = "clears"


SES_REJECTS = "SES will reject its mail."
_SENTENCES = {
    ConsequenceKind.LOSES: f"{{who}} stops receiving. {SES_REJECTS}",
    ConsequenceKind.BOUNCES: "{who} is delivered and also bounced: {bouncing} returns its mail to the senders. "
    "Before: {before}. After: {after}.",
    ConsequenceKind.REDIRECTED: "{who} changes destination from {before} to: {after}.",
    ConsequenceKind.TWICE: "{who} is stored and processed more than once: {after}. Before: {before}.",
    ConsequenceKind.ONCE: "{who} is stored and processed fewer times than now: {after}.",
    ConsequenceKind.GAINS: "{who} starts receiving: {after}.",
    ConsequenceKind.CLEARS: "{who} is no longer bounced: {after}.",
}


@dataclass(frozen=True, slots=True)
class Consequence:
    """The impact on one address, which may be a `sample_address`.

    `before`, `after`: one delivery for each rule that delivers its mail. `was_bounced_by`, `bounced_by`: the rules that
    return it to its senders, also if others deliver it.
    """

    address: str
    kind: ConsequenceKind
    before: tuple[RuleDelivery, ...]
    after: tuple[RuleDelivery, ...]
    was_bounced_by: tuple[str, ...] = ()
    bounced_by: tuple[str, ...] = ()

    @property
    def who(self) -> str:
        return describe_address(self.address)

    @property
    def sentence(self) -> str:
        before, after = " and ".join(self.places_before) or "not", " and ".join(self.places_after) or "not"
        who, bouncing = self.who, " and ".join(self.bounced_by)
        sentence = _SENTENCES[self.kind].format(
            who=who[0].upper() + who[1:] if " " in who else who, before=before, after=after, bouncing=bouncing
        )
        if self.kind is ConsequenceKind.LOSES and bouncing:
            return sentence.replace(SES_REJECTS, f"{bouncing} returns its mail to the senders.")
        return sentence

    @property
    def places_before(self) -> tuple[str, ...]:
        """Return what the rules do with its mail, as shown."""
        return _places_shown(self.before, self.was_bounced_by)

    @property
    def places_after(self) -> tuple[str, ...]:
        return _places_shown(self.after, self.bounced_by)


def _places_shown(deliveries: tuple[RuleDelivery, ...], bounced_by: tuple[str, ...]) -> tuple[str, ...]:
    bounced = (f"a bounce by {' and '.join(bounced_by)}",) if bounced_by else ()
    return (*(str(each) for each in deliveries), *bounced)


def consequences(before: RuleSet, after: RuleSet, steps: Sequence[RuleStep] | None) -> tuple[Consequence, ...]:
    """Return the impact on each address that changes and that the steps affect, most severe first.

    `steps=None`: check all addresses.
    """
    before, after = relevant_rules(before, after, steps=steps)
    addresses = SampleAddresses((*before.rules, *after.rules))
    stops = any(rule.enabled and rule.delivery.stops for rule in (*before.rules, *after.rules))
    affected = addresses.all if steps is None else affected_addresses(steps, addresses, order_matters=stops)
    bounces = any(rule.enabled and rule.delivery.bounces for rule in (*before.rules, *after.rules))
    start, end = RecipientIndex(before), RecipientIndex(after)
    found = []
    for address in affected:
        was = deliveries_of(start.delivering_rules(address), address)
        becomes = deliveries_of(end.delivering_rules(address), address)
        bounced = [_bouncing(each, address) if bounces else () for each in (start, end)]
        was_both, is_both = bool(was and bounced[0]), bool(becomes and bounced[1])
        kind = _with_bounces(_kind_of(was, becomes), was_both=was_both, is_both=is_both)
        if kind is not None:
            found.append(Consequence(address, kind, was, becomes, *bounced))
    worst = {kind: place for place, kind in enumerate(ConsequenceKind)}
    return tuple(sorted(found, key=lambda each: worst[each.kind]))


def _bouncing(rules: RecipientIndex, address: str) -> tuple[str, ...]:
    return tuple(rule.name for rule in rules.bouncing_rules(address))


HARMFUL = (
    ConsequenceKind.LOSES,
    ConsequenceKind.BOUNCES,
    ConsequenceKind.REDIRECTED,
    ConsequenceKind.TWICE,
)  # TWICE only where the address already receives


@dataclass(frozen=True)
class Impact:
    """How many of the addresses that receive mail now (`served`), or are bounced after it, a plan affects, and how.

    `unmanaged_buckets`: addresses whose mail a plan sends to a bucket that isn't among our stores and wasn't used
    before, or moves out of our stores. `others`: addresses of customers other than the one the plan is for.
    """

    served: int
    stops: int = 0
    moves: int = 0
    twice: int = 0
    bounces: int = 0
    unmanaged_buckets: int = 0
    others: tuple[str, ...] = ()

    @property
    def harmed(self) -> int:
        return self.stops + self.moves + self.twice + self.bounces

    @property
    def numbers(self) -> dict[str, int]:
        """Return the numbers under the names of the API."""
        return {
            "served": self.served,
            "stop": self.stops,
            "change_place": self.moves,
            "stored_twice": self.twice,
            "also_bounced": self.bounces,
            "to_strangers": self.unmanaged_buckets,
            "other_customers": len(self.others),
        }

    @property
    def sentences(self) -> tuple[str, ...]:
        """Return a sentence for each kind of impact that affects an address."""
        ways = (
            (self.stops, "stop receiving"),
            (self.bounces, "are delivered and also bounced"),
            (self.moves, "change destination"),
            (self.twice, "are stored more than once"),
            (self.unmanaged_buckets, "are delivered to an unmanaged bucket"),
            (len(self.others), "belong to a customer outside the plan's scope"),
        )
        return tuple(f"{number:,} of {self.served:,} addresses {what}." for number, what in ways if number)

    def needs_typing(self, percent: int) -> bool:
        """Return whether the plan needs a typed confirmation.

        It does if it harms more than `percent` of the addresses, affects another customer, or moves mail to an
        unmanaged bucket.
        """
        return 100 * self.harmed > percent * self.served or bool(self.others or self.unmanaged_buckets)


def impact(found: Iterable[Consequence], *, served: int, stores: frozenset[str], others: Iterable[str] = ()) -> Impact:
    found = tuple(found)
    number = Counter(each.kind for each in found)
    new_bounces = sum(each.kind is ConsequenceKind.BOUNCES and not each.before for each in found)
    return Impact(
        served=max(served, sum(bool(each.before) for each in found)) + new_bounces,
        stops=number[ConsequenceKind.LOSES],
        bounces=number[ConsequenceKind.BOUNCES],
        moves=number[ConsequenceKind.REDIRECTED],
        twice=sum(each.kind == ConsequenceKind.TWICE and bool(each.before) for each in found),
        unmanaged_buckets=sum(_reaches_unmanaged_bucket(each, stores) for each in found),
        others=tuple(others),
    )


def served(rule_set: RuleSet) -> int:
    """Return how many addresses receive mail: those named in rules, and one for each domain entry."""
    trace = RecipientIndex(rule_set)
    return sum(bool(trace.delivering_rules(address)) for address in SampleAddresses(rule_set.rules).all)


def _reaches_unmanaged_bucket(each: Consequence, stores: frozenset[str]) -> bool:
    before, after = _buckets(each.before), _buckets(each.after)
    leaves = bool(before & stores) and bool(each.after) and not after & stores
    return leaves or bool(after - stores - before)


def _buckets(deliveries: Iterable[RuleDelivery]) -> frozenset[str]:
    return frozenset(
        action.bucket for each in deliveries for action in each.effective_actions if isinstance(action, S3)
    )


# Singular and plural, most severe first.
_SUMMARY = {
    ConsequenceKind.LOSES: ("stops receiving", "stop receiving"),
    ConsequenceKind.BOUNCES: ("is delivered and also bounced", "are delivered and also bounced"),
    ConsequenceKind.REDIRECTED: ("changes destination", "change destination"),
    ConsequenceKind.TWICE: ("is stored more than once", "are stored more than once"),
    ConsequenceKind.GAINS: ("starts receiving", "start receiving"),
    ConsequenceKind.ONCE: ("is stored fewer times", "are stored fewer times"),
    ConsequenceKind.CLEARS: ("is no longer bounced", "are no longer bounced"),
}


_WOULD = {
    "stops receiving": "would have stopped receiving",
    "changes destination": "would have changed destination",
    "is stored": "would have been stored",
    "is delivered": "would have been delivered",
    "is no longer": "would no longer have been",
    "are delivered": "would have been delivered",
    "are no longer": "would no longer have been",
    "starts receiving": "would have started receiving",
    "stop receiving": "would have stopped receiving",
    "change destination": "would have changed destination",
    "are stored": "would have been stored",
    "start receiving": "would have started receiving",
}


def conditional(sentence: str) -> str:
    """A summary or a consequence of a plan that was not applied."""
    for verb, would in _WOULD.items():
        sentence = sentence.replace(f" {verb}", f" {would}")
    return sentence.replace(SES_REJECTS, "SES would have rejected its mail.")


def summary(found: Iterable[Consequence]) -> str:
    """Return a sentence with the number of addresses of each kind, such as "2 addresses stop receiving, 1 starts"."""
    found = tuple(found)
    number = Counter(each.kind for each in found)
    catch_alls = Counter(each.kind for each in found if each.who != each.address)
    parts = [
        (kind, number[kind], one if number[kind] == 1 else several)
        for kind, (one, several) in _SUMMARY.items()
        if number[kind]
    ]
    if not parts:
        return "No address changes."
    (kind, first, verb), *others = parts
    who = _recipients(first - catch_alls[kind], catch_alls[kind])
    return f"{', '.join([f'{who} {verb}', *(f'{count:,} {verb}' for _, count, verb in others)])}."


def _kind_of(before: tuple[RuleDelivery, ...], after: tuple[RuleDelivery, ...]) -> ConsequenceKind | None:
    if not before and not after:
        return None
    if len(after) > max(1, len(before)):
        return ConsequenceKind.TWICE
    if not before:
        return ConsequenceKind.GAINS
    if not after:
        return ConsequenceKind.LOSES
    if set(before) != set(after):
        return ConsequenceKind.REDIRECTED
    return None if len(before) == len(after) else ConsequenceKind.ONCE


def _with_bounces(kind: ConsequenceKind | None, *, was_both: bool, is_both: bool) -> ConsequenceKind | None:
    """A delivery that also bounces is harm of its own, unless it did before: then its other changes count."""
    if is_both and not was_both:
        return ConsequenceKind.BOUNCES
    return ConsequenceKind.CLEARS if kind is None and was_both and not is_both else kind


def _recipients(addresses: int, catch_alls: int) -> str:
    parts = [f"{addresses:,} address{'' if addresses == 1 else 'es'}"] if addresses else []
    parts += [f"{catch_alls:,} catch-all{'' if catch_alls == 1 else 's'}"] if catch_alls else []
    return " and ".join(parts)


@dataclass(frozen=True)
class Layout:
    """`root` comes before each domain's name; `caught` comes after it for mail that a catch-all receives."""

    root: str
    caught: str = ""


def layout_warnings(found: Iterable[Consequence]) -> Iterator[str]:
    """Yield a warning for mail that moves to another S3 location, and the settings that keep the old layout."""
    moved = [
        each
        for each in found
        if each.kind is ConsequenceKind.REDIRECTED and _places(each.before) != _places(each.after)
    ]
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


def tls_warnings(found: Iterable[Consequence]) -> Iterator[str]:
    """Yield a warning for mail that no longer needs TLS, and one for mail that does from now on."""
    found = [each for each in found if each.before and each.after]
    less = [each for each in found if _needs_tls(each.before) and not _needs_tls(each.after)]
    more = [each for each in found if _needs_tls(each.after) and not _needs_tls(each.before)]
    if less:
        yield f"Mail for {_first_of(less)} is also accepted without TLS, which its rules refuse now."
    if more:
        yield f"Mail for {_first_of(more)} is bounced if it comes without TLS, which its rules accept now."


def _needs_tls(deliveries: Sequence[RuleDelivery]) -> bool:
    return all(each.tls_required for each in deliveries)


def _first_of(found: Sequence[Consequence]) -> str:
    return f"{found[0].who} and {len(found) - 1:,} more" if len(found) > 1 else found[0].who


def _places(deliveries: Iterable[RuleDelivery]) -> tuple[str, ...]:
    stores = [action for each in deliveries for action in each.effective_actions if isinstance(action, S3)]
    return tuple(f"{store.bucket}/{store.prefix}" for store in stores)


def _layout_of(moved: Iterable[Consequence]) -> Layout | None:
    """Return the layout if every old location contains its domain's name under one root, else None."""
    parts = Counter(_parts(each) for each in moved)
    if None in parts:
        return None
    roots, caught = {root for root, _ in parts}, {tail for _, tail in parts if tail}  # type: ignore[misc]  # none is None
    return Layout(roots.pop(), caught.pop() if caught else "") if len(roots) == 1 and len(caught) <= 1 else None


def _parts(moved: Consequence) -> tuple[str, str] | None:
    stores = [action for each in moved.before for action in each.effective_actions if isinstance(action, S3)]
    if len(stores) != 1:
        return None
    root, name, caught = stores[0].prefix.partition(f"{domain_of(moved.address)}/")
    return (root, caught) if name else None
