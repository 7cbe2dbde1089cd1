"""Names what is wrong with a zone as a whole and so explains all its records. Pure.

The cause is stored with each record that it explains, under the code of the diagnosis: every page, email, reply and API
field that shows a record or the domain reads it there.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from domains.checking.core.judgement import Judgement, NextActor, Overall, State
from domains.diagnosis.core.observations import has_replied
from domains.dns.core import ANSWERED, Answer, LookupStatus, parked_servers
from domains.records.core import Need

NO_SUCH, LAPSED, MOVED, DNSSEC = (
    *("dns.domain.no_such", "dns.domain.lapsed"),
    *("dns.change.nameservers", "dns.dnssec.broken"),
)
CODES = (NO_SUCH, LAPSED, MOVED, DNSSEC)
NEVER_THERE = "{zone} doesn't exist in DNS. Check the spelling, or register the domain first."
REMOVED = "{zone} doesn't exist in DNS any more. Renew it at your registrar, or ask there why it was removed."
PARKED = "{zone} has expired or is on hold at its registrar. Renew it there, or ask there to remove the hold."
AT_OTHERS = "{zone} moved to other nameservers ({servers}), which don't have its records. Publish them there."
BROKEN = (
    "DNSSEC of {zone} is broken, so Amazon SES and most resolvers can't see any of its records. At the registrar, "
    "remove the DS record, or replace it with the one from your current DNS host."
)
HALF_BROKEN = (
    "DNSSEC of {zone} is broken: resolvers that validate can't see any of its records, so mail to and from it fails "
    "there. At the registrar, remove the DS record, or replace it with the one from your current DNS host."
)
_UNEXPLAINED = (State.WAITING, State.WRONG, State.AT_RISK, State.COULD_NOT_CHECK)


@dataclass(frozen=True)
class ZoneCause:
    code: str
    sentence: str

    @property
    def asks_to_publish(self) -> bool:
        """Return True if the records are to be published now. Otherwise something else comes first."""
        return self.code == MOVED


class Explained(Protocol):
    """A stored check, or the judgement that becomes one."""

    @property
    def code(self) -> str: ...
    @property
    def sentence(self) -> str: ...


@dataclass(frozen=True)
class ZoneAnswers:
    """The resolvers' NS answers for a zone. Of a zone for which one reported an error, also those without DNSSEC
    validation, and those for the zone above it.
    """

    plain: Sequence[Answer] = ()
    unchecked: Sequence[Answer] = ()
    above: Sequence[Answer] = ()

    @property
    def is_absent(self) -> bool:
        """Return True if it doesn't exist, by all answers. A failed lookup leaves it open, as for a record: a resolver
        that filters, or kept an old answer, must not decide alone.
        """
        return bool(self.plain) and all(a.status is LookupStatus.NO_NAME and not a.aliases for a in self.plain)

    @property
    def is_parked(self) -> bool:
        return bool(parked_servers([name for answer in self.plain for name in answer.values]))

    @property
    def is_bogus(self) -> bool:
        """Return True if every resolver that replied did so with an error, but found the zone without validation."""
        replied = [answer for answer in self.plain if has_replied(answer)]
        found = {answer.resolver for answer in self.unchecked if answer.status is LookupStatus.FOUND}
        failed = [answer for answer in replied if answer.status is LookupStatus.FAILED]
        return bool(failed) and failed == replied and all(answer.resolver in found for answer in failed)

    @property
    def is_bogus_for_some(self) -> bool:
        """Return True if a resolver finds this zone only without validation, but the zone above it with it.

        One whose own validation is at fault (its clock, its trust anchor) fails for the zone above as well.
        """
        found = {answer.resolver for answer in self.unchecked if answer.status is LookupStatus.FOUND}
        able = {answer.resolver for answer in self.above if answer.status is not LookupStatus.FAILED}
        return any(answer.resolver in found & able for answer in self.plain if is_servfail(answer))


def is_servfail(answer: Answer) -> bool:
    """Return True for the error with which a resolver reports a failed validation, among others."""
    return answer.status is LookupStatus.FAILED and answer.error.startswith(f"{ANSWERED} SERVFAIL")


def cause_in(answers: Mapping[str, ZoneAnswers], zones: Sequence[str], *, was_correct: bool) -> ZoneCause | None:
    """Return the cause that the answers show, of the registered zone (the first) before that of a zone below it."""
    for zone in zones:
        found = answers.get(zone, ZoneAnswers())
        if zone == zones[0] and found.is_absent:
            code, text = (LAPSED, REMOVED) if was_correct else (NO_SUCH, NEVER_THERE)
            return ZoneCause(code, text.format(zone=zone))
        if zone == zones[0] and found.is_parked:
            return ZoneCause(LAPSED, PARKED.format(zone=zone))
        if found.is_bogus:
            return ZoneCause(DNSSEC, BROKEN.format(zone=zone))
        if found.is_bogus_for_some:
            return ZoneCause(DNSSEC, HALF_BROKEN.format(zone=zone))
    return None


def is_unexplained(judgements: Iterable[Judgement]) -> bool:
    """Return True if no required record is there, and not because it only propagates: the zone may be the cause."""
    required = [each for each in judgements if each.need is Need.REQUIRED]
    return any(each.state in _UNEXPLAINED for each in required) and not any(
        each.state in (State.VERIFIED, State.SPREADING) for each in required
    )


def with_cause(judgements: Iterable[Judgement], cause: ZoneCause) -> list[Judgement]:
    """Return the judgements with the cause in place of what would be said of each record alone."""
    return [
        replace(each, code=cause.code, sentence=cause.sentence) if each.state in _UNEXPLAINED else each
        for each in judgements
    ]


def with_broken_dnssec(judgements: Iterable[Judgement], cause: ZoneCause, *, was_verified: bool) -> list[Judgement]:
    """Return the judgements with required records that only resolvers without validation see as lost."""
    state = State.AT_RISK if was_verified else State.WRONG
    return [
        replace(each, state=state, code=cause.code, sentence=cause.sentence) if each.need is Need.REQUIRED else each
        for each in judgements
    ]


def cause_of(records: Iterable[Explained]) -> ZoneCause | None:
    """Return the cause that is stored with records, None if there is none."""
    return next((ZoneCause(each.code, each.sentence) for each in records if each.code in CODES), None)


def summarised(result: Overall, cause: ZoneCause, *, was_verified: bool) -> Overall:
    """Return the domain's result with the cause. Lookups that failed for a known cause are no unknown result."""
    state = result.state
    if state is State.COULD_NOT_CHECK:
        state = State.AT_RISK if was_verified else State.WRONG
    return replace(result, state=state, next_actor=NextActor.YOU, sentence=cause.sentence)
