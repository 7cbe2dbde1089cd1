"""Decides whether a record stands at its own name. Pure.

A wildcard (RFC 4592) answers at every name that doesn't exist, and a DNAME (RFC 6672) redirects every name below it. If
either leads to another zone, the owner of that zone chooses what DNS says at these names. So an answer proves who
controls a domain only if a sibling name that nobody published, chosen anew each time, isn't answered in the same way.
A zone below the domain that is delegated (`_domainkey`, for a provider's keys) is somebody else's choice too.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from domains.dns.core import Answer, LookupStatus, Question
from domains.names.core import DomainName

WILDCARD_CODE = "dns.rival.wildcard"


class Standing(StrEnum):
    """SHARED: the value is there by a wildcard, a DNAME, a delegation or a CNAME that doesn't count. UNKNOWN: a lookup
    failed.
    """

    OWN = "own"
    SHARED = "shared"
    ABSENT = "absent"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Seen:
    """The answers at a name and at its sibling: of the resolvers, and of the zone's own nameservers that answered."""

    own: Sequence[Answer]
    siblings: Sequence[Answer]
    own_at_host: Sequence[Answer] = ()
    siblings_at_host: Sequence[Answer] = ()
    has_sibling: bool = True


@dataclass(frozen=True)
class Evidence:
    """A question, and the value that must be among the answers."""

    question: Question
    is_right: Callable[[Answer], bool]


def sibling_of(question: Question, label: str) -> Question:
    return Question(f"{label}.{question.name.partition('.')[2]}", question.type)


def has_sibling(question: Question, domain: DomainName) -> bool:
    """Return whether a wildcard could answer at the name: never at a registrable domain, which exists."""
    return question.name != domain.zone


def answers_for_zone(answers: Iterable[Answer], domain: DomainName) -> list[Answer]:
    """Return nameservers' answers for the domain's zone: their own, a CNAME that they don't follow, and a referral to a
    zone below the domain. One to the domain itself says nothing: they aren't its nameservers.
    """
    return [
        answer
        for answer in answers
        if answer.aliases
        or answer.dname
        or answer.cut.endswith(f".{domain.ascii}")
        or (answer.authoritative and answer.status is not LookupStatus.FAILED)
    ]


def judge_standing(is_right: Callable[[Answer], bool], seen: Seen, *, may_be_alias: bool = False) -> Standing:
    """Judge one name. `may_be_alias`: a CNAME or delegation counts that was placed at exactly this name, where no
    sibling has one.

    Where a sibling has any CNAME, none counts: a DNS host may choose the target of a wildcard at random. That the CNAME
    is still there, the zone's own nameservers must say: resolvers keep the answer of a wildcard that was removed.
    """
    answered = [answer for answer in seen.own if answer.status is not LookupStatus.FAILED]
    is_alias_at_host = bool(seen.own_at_host) and all(map(_is_redirected, seen.own_at_host))
    if is_alias_at_host and not may_be_alias:
        return Standing.SHARED
    if not answered or not all(map(is_right, answered)):
        is_coming = any(is_right(answer) and not _is_redirected(answer) for answer in seen.own_at_host)
        return Standing.ABSENT if answered and not is_coming else Standing.UNKNOWN
    siblings = (*seen.siblings, *seen.siblings_at_host)
    is_shared = any(map(is_right, siblings)) or any(answer.cut for answer in seen.siblings_at_host)
    if is_shared or any(answer.dname for answer in (*answered, *seen.own_at_host)):
        return Standing.SHARED
    if any(map(_is_redirected, answered)):
        if not may_be_alias or any(map(_is_redirected, siblings)):
            return Standing.SHARED
        if not is_alias_at_host:
            return Standing.UNKNOWN
    sure = {answer.resolver for answer in seen.siblings if answer.status is not LookupStatus.FAILED}
    is_sure = not seen.has_sibling or sure.issuperset(answer.resolver for answer in answered)
    return Standing.OWN if is_sure else Standing.UNKNOWN


def all_of(standings: Sequence[Standing]) -> Standing:
    """Return OWN if all are. One that is shared or absent decides, even if the lookup of another failed."""
    order = (Standing.SHARED, Standing.ABSENT, Standing.UNKNOWN, Standing.OWN)
    return min(standings, key=order.index, default=Standing.ABSENT)


def any_of(standings: Sequence[Standing]) -> Standing:
    """Return OWN if one is. One that is unknown may be OWN at the next check."""
    order = (Standing.OWN, Standing.UNKNOWN, Standing.SHARED, Standing.ABSENT)
    return min(standings, key=order.index, default=Standing.ABSENT)


def has_text(value: str) -> Callable[[Answer], bool]:
    return lambda answer: value in answer.values


def is_alias_to(target: str) -> Callable[[Answer], bool]:
    return lambda answer: [value.lower() for value in answer.values] == [target.lower()]


def has_dkim_key(answer: Answer) -> bool:
    return any("p=" in value for value in answer.values)


def _is_redirected(answer: Answer) -> bool:
    return bool(answer.aliases or answer.dname or answer.cut)
