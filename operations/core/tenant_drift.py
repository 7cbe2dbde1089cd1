"""Amazon's tenants against our rows: what differs, in words, and what can be done about each.

What is on its way (a policy not told yet, an association not made yet) is no difference.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from operations.core.differences import Found

AREA = "tenants"
MISSING, REPLACED, UNKNOWN = "missing", "replaced", "unknown"
POLICY, STATUS = "policy", "status"
NOT_ASSOCIATED, ALSO_ASSOCIATED, OUTSIDE = "not_associated", "also_associated", "outside"
PAUSED, SENDS = "DISABLED", "ENABLED"


@dataclass(frozen=True)
class Ours:
    """A tenant as our rows have it, created and told. `associated`: ARN to name; `going`: on their way in or out.

    `policy` and `is_paused` are None while Amazon has still to be told of them. `outside`: identities of the customer
    that are in no tenant though their sends name this one.
    """

    name: str
    arn: str
    customer_id: str
    customer: str
    policy: str | None
    is_paused: bool | None
    associated: Mapping[str, str] = field(default_factory=dict)
    going: frozenset[str] = frozenset()
    outside: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Theirs:
    """A tenant as Amazon has it; `policy` and `staff` are "" where Amazon keeps no reputation of it."""

    name: str
    arn: str
    resources: frozenset[str] = frozenset()
    policy: str = ""
    staff: str = ""
    staff_cause: str = ""


def compare(ours: Iterable[Ours], theirs: Iterable[Theirs], owners: Mapping[str, tuple[str, str]]) -> tuple[Found, ...]:
    """`owners`: ARN of an identity to id and name of the customer whose domain it is, for tenants that nobody knows."""
    known, there = {each.name: each for each in ours}, {each.name: each for each in theirs}
    found: list[Found] = []
    for name, own in known.items():
        found.extend(_of_one(own, there.get(name), known))
    found.extend(_unknown(each, owners) for name, each in there.items() if name not in known)
    return tuple(sorted(found, key=lambda each: each.key))


def _of_one(own: Ours, at_amazon: Theirs | None, known: Mapping[str, Ours]) -> Iterator[Found]:
    if at_amazon is None:
        sentence = f"Amazon has no tenant {own.name} any more: mail of {own.customer} that names it is refused."
        yield _found(MISSING, own, own.name, sentence, wanted={"arn": own.arn}, may_restore=True)
        return
    if at_amazon.arn != own.arn:
        sentence = f"{own.name} was deleted at Amazon and made again by somebody else."
        values = ({"arn": own.arn}, {"arn": at_amazon.arn})
        yield _found(REPLACED, own, own.name, sentence, *values, may_adopt=True)
        return
    yield from _policy(own, at_amazon)
    yield from _status(own, at_amazon)
    yield from _associations(own, at_amazon, known)


def _policy(own: Ours, at_amazon: Theirs) -> Iterator[Found]:
    if own.policy is None or not at_amazon.policy or own.policy == at_amazon.policy:
        return
    sentence = f"The reputation policy of {own.name} is {at_amazon.policy} at Amazon; here it is {own.policy}."
    values = ({"policy": own.policy}, {"policy": at_amazon.policy})
    yield _found(POLICY, own, own.name, sentence, *values, may_adopt=True, may_restore=True)


def _status(own: Ours, at_amazon: Theirs) -> Iterator[Found]:
    if own.is_paused is None or not at_amazon.staff or own.is_paused == (at_amazon.staff == PAUSED):
        return
    values = ({"staff": PAUSED if own.is_paused else SENDS}, {"staff": at_amazon.staff})
    cause = f" Amazon says: {at_amazon.staff_cause}" if at_amazon.staff_cause else ""
    sentence = (
        f"{own.name} sends at Amazon, and is paused here.{cause}"
        if own.is_paused
        else f"{own.name} is paused at Amazon, and nobody paused it here.{cause}"
    )
    yield _found(STATUS, own, own.name, sentence, *values, may_adopt=True, may_restore=True)


def _associations(own: Ours, at_amazon: Theirs, known: Mapping[str, Ours]) -> Iterator[Found]:
    for arn in sorted(set(own.associated) - at_amazon.resources - own.going):
        sentence = f"{own.associated[arn]} does not belong to {own.name} at Amazon any more."
        yield _found(NOT_ASSOCIATED, own, arn, sentence, {"associated": True}, {"associated": False}, may_restore=True)
    for arn in sorted(at_amazon.resources - set(own.associated) - own.going):
        other = next((each for each in known.values() if each is not own and arn in each.associated), None)
        whose = f", and it belongs to {other.name}" if other else ""
        sentence = f"{name_of(arn)} belongs to {own.name} at Amazon; here it does not{whose}."
        values = ({"associated": False}, {"associated": True})
        yield _found(ALSO_ASSOCIATED, own, arn, sentence, *values, may_adopt=other is None, may_restore=True)
    for arn, name in sorted(own.outside.items()):
        if arn not in at_amazon.resources:
            sentence = f"{name} is in no tenant, though mail of {own.customer} names {own.name}: it would be refused."
            yield _found(OUTSIDE, own, arn, sentence, {"associated": True}, {"associated": False}, may_restore=True)


def _unknown(at_amazon: Theirs, owners: Mapping[str, tuple[str, str]]) -> Found:
    """Made by hand, or by another program; whoever has most of its identities is offered first."""
    votes: dict[tuple[str, str], int] = {}
    for arn in at_amazon.resources:
        if arn in owners:
            votes[owners[arn]] = votes.get(owners[arn], 0) + 1
    customer_id, customer = max(votes, key=lambda each: (votes[each], each), default=("", ""))
    holds = f" It holds identities of {customer}." if customer else ""
    number = len(at_amazon.resources)
    sentence = f"The tenant {at_amazon.name} ({number} resource{'' if number == 1 else 's'}) is nobody’s here.{holds}"
    return Found(
        kind=UNKNOWN,
        key=f"{UNKNOWN} {at_amazon.arn}",
        subject=at_amazon.name,
        place=at_amazon.name,
        sentence=sentence,
        customer_id=customer_id,
        found={"arn": at_amazon.arn, "resources": sorted(at_amazon.resources)[:50]},
        may_adopt=True,
    )


def _found(
    kind: str,
    own: Ours,
    subject: str,
    sentence: str,
    wanted: Mapping[str, object] | None = None,
    found: Mapping[str, object] | None = None,
    *,
    may_adopt: bool = False,
    may_restore: bool = False,
) -> Found:
    """The key holds both sides, so that a decision is over when either changes."""
    sides = " ".join(str(value) for value in (*(wanted or {}).values(), *(found or {}).values()))
    return Found(
        kind=kind,
        key=f"{kind} {own.name} {subject} {sides}"[:500],
        subject=subject,
        place=own.name,
        sentence=sentence,
        customer_id=own.customer_id,
        wanted=wanted or {},
        found=found or {},
        may_adopt=may_adopt,
        may_restore=may_restore,
    )


def name_of(arn: str) -> str:
    """The last part of an ARN of SES's: the domain, the set's name."""
    return arn.split(":", 5)[-1].partition("/")[2] or arn
