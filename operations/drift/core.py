"""Compares identities and tenants in SES with our rows, and lists what can be decided about each difference. Pure.

Work in progress is no difference: a domain that is being set up, changed or deleted, or a policy or association that
hasn't been sent to SES yet. Drift of the receipt rules is found by its own app. Here it only gets its decisions, and a
plan reverts it.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from tenants.status.core import is_by_policy


class Decision(StrEnum):
    """ADOPT: accept from SES. RESTORE: set in SES again. IGNORE: keep both until something changes."""

    ADOPT = "adopt"
    RESTORE = "restore"
    IGNORE = "ignore"

    @property
    def words(self) -> str:
        return {"adopt": "Accept from SES", "restore": "Restore in SES", "ignore": "Ignore"}[self]


@dataclass(frozen=True)
class FoundDifference:
    """One difference that a check found. `key` names the subject and the value found."""

    kind: str
    key: str
    subject: str
    sentence: str
    place: str = ""
    customer_id: str = ""
    wanted: Mapping[str, Any] = field(default_factory=dict)
    found: Mapping[str, Any] = field(default_factory=dict)
    may_adopt: bool = False
    may_restore: bool = False


IDENTITIES_AREA = "identities"
UNOWNED, GONE = "unowned", "gone"
MAIL_FROM, SIGNING = "mail_from", "signing"
WHILE_MISSING = {True: "refuse to send", False: "send with Amazon’s own"}


@dataclass(frozen=True)
class IdentitySettings:
    """Settings of one identity. `mail_from` "": the SES default.

    `rejects`: SES sends nothing while its record is missing.
    """

    mail_from: str
    rejects: bool
    signs: bool


@dataclass(frozen=True)
class OurDomain:
    """A domain that is set up, and what was last sent to SES for it."""

    name: str
    customer_id: str
    customer: str
    settings: IdentitySettings


def compare_identities(
    ours: Iterable[OurDomain], on_their_way: frozenset[str], there: Mapping[str, IdentitySettings | None]
) -> tuple[FoundDifference, ...]:
    """Compare. `there`: each identity in SES; None if no customer has it, so its settings weren't read."""
    known = {each.name: each for each in ours}
    found = [each for name, own in known.items() for each in _of_one(own, there)]
    found += [_unowned(name) for name in there if name not in known and name not in on_their_way]
    return tuple(sorted(found, key=lambda each: each.key))


def _of_one(own: OurDomain, there: Mapping[str, IdentitySettings | None]) -> Iterator[FoundDifference]:
    if own.name not in there:
        sentence = (
            f"Identity {own.name} of {own.customer} no longer exists in SES: its mail is neither signed nor received."
        )
        yield _found(GONE, own, sentence, {"identity": True}, {"identity": False}, may_adopt=True, may_restore=True)
        return
    now, expected = there[own.name], own.settings
    if now is None:
        return
    if _mail_from(now) != _mail_from(expected):
        sentence = f"MAIL FROM of {own.name} is {_named(now)} in SES, but should be {_named(expected)}."
        yield _found(MAIL_FROM, own, sentence, _mail_from(expected), _mail_from(now), may_adopt=True, may_restore=True)
    if now.signs != expected.signs:
        now_is, should_be = ("on", "off") if now.signs else ("off", "on")
        sentence = f"DKIM signing of {own.name} is {now_is} in SES, but should be {should_be}."
        values = {"dkim_signing": expected.signs}, {"dkim_signing": now.signs}
        yield _found(SIGNING, own, sentence, *values, may_adopt=True, may_restore=True)


def _mail_from(settings: IdentitySettings) -> dict[str, object]:
    """Without a MAIL FROM domain, the behaviour on a missing record is meaningless."""
    if not settings.mail_from:
        return {"mail_from": ""}
    return {"mail_from": settings.mail_from, "while_missing": WHILE_MISSING[settings.rejects]}


def _named(settings: IdentitySettings) -> str:
    if not settings.mail_from:
        return "the default"
    return f"{settings.mail_from} ({WHILE_MISSING[settings.rejects]} while its record is missing)"


def _unowned(name: str) -> FoundDifference:
    return FoundDifference(
        kind=UNOWNED,
        key=f"{UNOWNED} {name}",
        subject=name,
        place=name,
        sentence=f"Identity {name} exists in SES but has no customer here.",
        found={"identity": name},
        may_adopt=True,
    )


TENANTS_AREA = "tenants"
MISSING, REPLACED, UNKNOWN = "missing", "replaced", "unknown"
POLICY, STATUS = "policy", "status"
SUPPRESSION, UNMEASURED = "suppression", "unmeasured"
NOT_ASSOCIATED, ALSO_ASSOCIATED, OUTSIDE = "not_associated", "also_associated", "outside"
SET_GONE, DEFAULT_SET = "set_gone", "default_set"
PAUSED, SENDS = "DISABLED", "ENABLED"


@dataclass(frozen=True)
class OurTenant:
    """A created tenant as our rows have it. `associated`: ARN to name. `going`: associations being added or removed.

    `policy` and `is_paused` are None until they are sent to SES. `stopped`: what SES had done with it, and what we then
    do. `outside`: identities of the customer that are in no tenant though their sends name this one. `suppression`: the
    desired scope, "" until it is sent; `found_suppression`: as last read. `unmeasured_set`: its configuration set if it
    has no metrics. `default_sets`: those of its identities that our rows don't have in it, ARN to identities.
    `gone_set`: the ARN of its set if SES doesn't have that.
    """

    name: str
    arn: str
    customer_id: str
    customer: str
    policy: str | None
    is_paused: bool | None
    suppression: str = ""
    found_suppression: str = ""
    unmeasured_set: str = ""
    gone_set: str = ""
    default_sets: Mapping[str, str] = field(default_factory=dict)
    associated: Mapping[str, str] = field(default_factory=dict)
    going: frozenset[str] = frozenset()
    outside: Mapping[str, str] = field(default_factory=dict)
    stopped: str = ""


@dataclass(frozen=True)
class SesTenant:
    """A tenant as SES has it. `policy` and `staff` are "" if SES keeps no reputation of it."""

    name: str
    arn: str
    resources: frozenset[str] = frozenset()
    policy: str = ""
    staff: str = ""
    staff_cause: str = ""


def compare_tenants(
    ours: Iterable[OurTenant], theirs: Iterable[SesTenant], owners: Mapping[str, tuple[str, str]]
) -> tuple[FoundDifference, ...]:
    """Compare. `owners`: identity ARN to ID and name of the domain's customer, for unknown tenants."""
    known, there = {each.name: each for each in ours}, {each.name: each for each in theirs}
    found: list[FoundDifference] = []
    for name, own in known.items():
        found.extend(_of_one_tenant(own, there.get(name), known))
    found.extend(_unknown(each, owners) for name, each in there.items() if name not in known)
    return tuple(sorted(found, key=lambda each: each.key))


def _of_one_tenant(
    own: OurTenant, at_amazon: SesTenant | None, known: Mapping[str, OurTenant]
) -> Iterator[FoundDifference]:
    stopped = f" {own.stopped}" if own.stopped else ""
    if at_amazon is None:
        sentence = (
            f"Tenant {own.name} no longer exists in SES: SES rejects mail of {own.customer} that names it.{stopped}"
        )
        yield _found(MISSING, own, sentence, {"arn": own.arn}, {}, subject=own.name, may_restore=True)
        return
    if at_amazon.arn != own.arn:
        sentence = f"{own.name} was deleted in SES and recreated by someone else.{stopped}"
        values = ({"arn": own.arn}, {"arn": at_amazon.arn})
        yield _found(REPLACED, own, sentence, *values, subject=own.name, may_adopt=True)
        return
    yield from _policy(own, at_amazon)
    yield from _status(own, at_amazon)
    yield from _settings(own)
    yield from _associations(own, at_amazon, known)
    yield from _default_sets(own, at_amazon)


def _policy(own: OurTenant, at_amazon: SesTenant) -> Iterator[FoundDifference]:
    if own.policy is None or not at_amazon.policy or own.policy == at_amazon.policy:
        return
    sentence = f"The reputation policy of {own.name} is {at_amazon.policy} in SES, but should be {own.policy}."
    values = ({"policy": own.policy}, {"policy": at_amazon.policy})
    yield _found(POLICY, own, sentence, *values, subject=own.name, may_adopt=True, may_restore=True)


def _settings(own: OurTenant) -> Iterator[FoundDifference]:
    """Compare settings as last read, since the list of tenants doesn't contain them."""
    wanted, found = own.suppression, own.found_suppression
    if wanted and found and wanted != found:
        sentence = f"{own.name} uses the {found} suppression list in SES, but should use the {wanted} list."
        values = ({"suppression": wanted}, {"suppression": found})
        yield _found(SUPPRESSION, own, sentence, *values, subject=own.name, may_adopt=True, may_restore=True)
    if own.unmeasured_set:
        sentence = f"Reputation metrics of {own.unmeasured_set} are off, so rates of {own.name} may be unknown."
        values_of_set = ({"measured": True}, {"measured": False})
        yield _found(UNMEASURED, own, sentence, *values_of_set, subject=own.name, may_restore=True)


def _status(own: OurTenant, at_amazon: SesTenant) -> Iterator[FoundDifference]:
    if own.is_paused is None or not at_amazon.staff or own.is_paused == (at_amazon.staff == PAUSED):
        return
    values = ({"staff": PAUSED if own.is_paused else SENDS}, {"staff": at_amazon.staff})
    cause = f" Cause in SES: {at_amazon.staff_cause}" if at_amazon.staff_cause else ""
    sentence = (
        f"{own.name} can send in SES, but is paused here.{cause}"
        if own.is_paused
        else f"{own.name} was paused by the SES reputation policy. Restoring it resumes its sending.{cause}"
        if is_by_policy(at_amazon.staff_cause)
        else f"{own.name} is paused in SES, but was not paused here. Restoring it resumes its sending.{cause}"
    )
    yield _found(STATUS, own, sentence, *values, subject=own.name, may_adopt=True, may_restore=True)


def _associations(own: OurTenant, at_amazon: SesTenant, known: Mapping[str, OurTenant]) -> Iterator[FoundDifference]:
    if own.gone_set and own.gone_set not in at_amazon.resources:
        yield _set_gone(own)
    for arn in sorted(set(own.associated) - at_amazon.resources - own.going - {own.gone_set}):
        sentence = f"{own.associated[arn]} is no longer associated with {own.name} in SES."
        yield _found(
            NOT_ASSOCIATED, own, sentence, {"associated": True}, {"associated": False}, subject=arn, may_restore=True
        )
    for arn in sorted(at_amazon.resources - set(own.associated) - own.going):
        if arn in own.default_sets:
            continue
        other = next((each for each in known.values() if each is not own and arn in each.associated), None)
        whose = f" It belongs to {other.name}." if other else ""
        sentence = f"{name_of(arn)} is associated with {own.name} in SES, but not here.{whose}"
        values = ({"associated": False}, {"associated": True})
        yield _found(ALSO_ASSOCIATED, own, sentence, *values, subject=arn, may_adopt=other is None, may_restore=True)
    for arn, name in sorted(own.outside.items()):
        if arn not in at_amazon.resources:
            sentence = f"{name} is in no tenant, but mail of {own.customer} names {own.name}: SES would reject it."
            yield _found(
                OUTSIDE, own, sentence, {"associated": True}, {"associated": False}, subject=arn, may_restore=True
            )


def _default_sets(own: OurTenant, at_amazon: SesTenant) -> Iterator[FoundDifference]:
    """Compare the default sets of its identities, as last read. One that somebody associated in SES should stay."""
    for arn, identities in sorted(own.default_sets.items()):
        name, is_there = name_of(arn), arn in at_amazon.resources
        what = f"{name}, the default configuration set of {identities},"
        sentence = (
            f"{what} is associated with {own.name} in SES, but not here."
            if is_there
            else f"{what} isn’t associated with {own.name}: SES rejects mail from there that names this tenant and no "
            "other set. Restoring associates it. Or choose another default set in SES."
        )
        values = ({"associated": not is_there}, {"associated": is_there})
        yield _found(DEFAULT_SET, own, sentence, *values, subject=arn, may_adopt=is_there, may_restore=not is_there)


def _set_gone(own: OurTenant) -> FoundDifference:
    sentence = (
        f"Configuration set {name_of(own.gone_set)} of {own.name} no longer exists in SES: SES rejects mail that names "
        "this tenant. Restoring it creates the set again and associates it. Event destinations and other settings that "
        "were made in SES are lost."
    )
    values = ({"exists": True, "associated": True}, {"exists": False, "associated": False})
    return _found(SET_GONE, own, sentence, *values, subject=own.gone_set, may_restore=True)


def _unknown(at_amazon: SesTenant, owners: Mapping[str, tuple[str, str]]) -> FoundDifference:
    """Build the difference for a tenant made by hand or another program.

    The customer with most identities is proposed.
    """
    votes: dict[tuple[str, str], int] = {}
    for arn in at_amazon.resources:
        if arn in owners:
            votes[owners[arn]] = votes.get(owners[arn], 0) + 1
    customer_id, customer = max(votes, key=lambda each: (votes[each], each), default=("", ""))
    holds = f" It contains identities of {customer}." if customer else ""
    number = len(at_amazon.resources)
    sentence = f"Tenant {at_amazon.name} ({number:,} resource{'' if number == 1 else 's'}) has no customer here.{holds}"
    return FoundDifference(
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
    own: OurDomain | OurTenant,
    sentence: str,
    wanted: Mapping[str, object],
    found: Mapping[str, object],
    *,
    subject: str = "",
    may_adopt: bool = False,
    may_restore: bool = False,
) -> FoundDifference:
    """Build a difference. Its key contains both sides, so a decision ends when either changes.

    `subject`: of a difference in a tenant.
    """
    key = [kind, own.name, *([subject] if subject else []), *map(str, (*wanted.values(), *found.values()))]
    return FoundDifference(
        kind=kind,
        key=" ".join(key)[:500],
        subject=subject or own.name,
        place=own.name,
        sentence=sentence,
        customer_id=own.customer_id,
        wanted=wanted,
        found=found,
        may_adopt=may_adopt,
        may_restore=may_restore,
    )


def name_of(arn: str) -> str:
    """Return the last part of an SES ARN: the domain or the set's name."""
    return arn.split(":", 5)[-1].partition("/")[2] or arn


RULES_AREA = "rules"
STRANGER_ACTIVE, NOT_AS_WANTED, NONE_ACTIVE = "stranger_active", "not_as_wanted", "none_active"
HARMFUL = "harmful"
OUTAGES = (NONE_ACTIVE, STRANGER_ACTIVE)


def rule_differences(rows: Iterable[tuple[str, str, str, str]]) -> tuple[FoundDifference, ...]:
    """Convert rows of key, kind, rule and sentence. A rule that is only incorrect, or missing, can't be accepted."""
    return tuple(
        FoundDifference(
            kind=kind,
            key=key[:500],
            subject=rule or "rule set",
            place=rule[:64],
            sentence=sentence,
            wanted={"rule": rule} if kind in ("missing", "changed") else {},
            found=_rule_found(kind, rule),
            may_adopt=kind not in (NOT_AS_WANTED, NONE_ACTIVE, HARMFUL),
        )
        for key, kind, rule, sentence in rows
    )


def _rule_found(kind: str, rule: str) -> dict[str, str]:
    if not rule or kind == "missing":
        return {}
    return {"rule": f"{rule}, changed" if kind == "changed" else rule}
