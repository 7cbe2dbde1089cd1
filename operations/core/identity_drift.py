"""Amazon's identities against our domains: what differs, in words, and what can be done about each.

A domain that is being set up, deleted, or told to Amazon is on its way: no difference.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from operations.core.differences import Found

AREA = "identities"
UNOWNED, GONE = "unowned", "gone"
MAIL_FROM, SIGNING = "mail_from", "signing"
WHILE_MISSING = {True: "refuse to send", False: "send with Amazon’s own"}


@dataclass(frozen=True)
class Settings:
    """Of one identity. `mail_from` is "" for Amazon's own; `rejects`: while its record is missing nothing is sent."""

    mail_from: str
    rejects: bool
    signs: bool


@dataclass(frozen=True)
class Ours:
    """A domain that is set up, and what we last told Amazon of it."""

    name: str
    customer_id: str
    customer: str
    settings: Settings


def compare(
    ours: Iterable[Ours], on_their_way: frozenset[str], there: Mapping[str, Settings | None]
) -> tuple[Found, ...]:
    """`there`: each identity that Amazon has; None where nobody here holds it, so that its settings were not read."""
    known = {each.name: each for each in ours}
    found = [each for name, own in known.items() for each in _of_one(own, there)]
    found += [_unowned(name) for name in there if name not in known and name not in on_their_way]
    return tuple(sorted(found, key=lambda each: each.key))


def _of_one(own: Ours, there: Mapping[str, Settings | None]) -> Iterator[Found]:
    if own.name not in there:
        sentence = f"Amazon does not know {own.name} of {own.customer} any more: its mail is neither signed nor taken."
        yield _found(GONE, own, sentence, {"identity": True}, {"identity": False})
        return
    now, told = there[own.name], own.settings
    if now is None:
        return
    if _mail_from(now) != _mail_from(told):
        sentence = f"The MAIL FROM of {own.name} is {_named(now)} at Amazon; here it is {_named(told)}."
        yield _found(MAIL_FROM, own, sentence, _mail_from(told), _mail_from(now))
    if now.signs != told.signs:
        state = "signs" if now.signs else "does not sign"
        sentence = f"Amazon {state} mail of {own.name} (DKIM); here it {'does not' if now.signs else 'does'}."
        yield _found(SIGNING, own, sentence, {"dkim_signing": told.signs}, {"dkim_signing": now.signs})


def _mail_from(settings: Settings) -> dict[str, object]:
    """Without a MAIL FROM, what is done while its record is missing means nothing."""
    if not settings.mail_from:
        return {"mail_from": ""}
    return {"mail_from": settings.mail_from, "while_missing": WHILE_MISSING[settings.rejects]}


def _named(settings: Settings) -> str:
    if not settings.mail_from:
        return "Amazon’s own"
    return f"{settings.mail_from} ({WHILE_MISSING[settings.rejects]} while its record is missing)"


def _unowned(name: str) -> Found:
    return Found(
        kind=UNOWNED,
        key=f"{UNOWNED} {name}",
        subject=name,
        place=name,
        sentence=f"The identity {name} is at Amazon, and nobody here holds it.",
        found={"identity": name},
        may_adopt=True,
    )


def _found(kind: str, own: Ours, sentence: str, wanted: Mapping[str, object], found: Mapping[str, object]) -> Found:
    """The key holds both sides, so that a decision is over when either changes."""
    sides = " ".join(str(value) for value in (*wanted.values(), *found.values()))
    return Found(
        kind=kind,
        key=f"{kind} {own.name} {sides}"[:500],
        subject=own.name,
        place=own.name,
        sentence=sentence,
        customer_id=own.customer_id,
        wanted=wanted,
        found=found,
        may_adopt=True,
        may_restore=True,
    )
