"""Finds the cause for each record that is absent, wrong, or correct but in conflict with another record. Pure.

- `explain_absence`: the record is elsewhere, of another type, hidden, lost, or not published.
- `explain_mismatch`, `conflicts_of_correct`: the value is wrong, or another record conflicts with it.
- `judge`: what the DNS host serves and what the public resolvers return, with the causes.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

from domains.checking.core.comparison import DNAME_CODE, INHERITED_CODE, OTHER_HOST_CODE, Verdict, compare
from domains.checking.core.comparison import Comparison as Compared
from domains.checking.core.nearness import is_close
from domains.diagnosis.core import observations, words
from domains.diagnosis.core.findings import IN_ZONE, Case, Cause, LinkState
from domains.diagnosis.core.observations import (
    Cut,
    contains_record,
    is_forwarding,
    mx_hosts,
    serial_of,
    wildcard_of,
)
from domains.diagnosis.core.places import (
    accepts_underscores,
    as_occupied,
    at_domain,
    damaged_there,
    in_the_way,
    is_entered_as_ns,
    misplaced,
    underscore_questions,
    unread,
)
from domains.diagnosis.core.policies import INSIDE_SPF, ignored_terms, strict_policy, unwelcome_reports
from domains.dns.core import Answer, LookupStatus, Question, question_for, rival_question
from domains.records.core import RECEIVING_REGIONS, SPF_KEYS, Need, Purpose, Record
from domains.spf.core.grammar import spf_records

PUBLISHED_WITHIN = timedelta(minutes=10)  # a host whose serial is still unchanged then has published nothing
MIN_FAILED_CHECKS = 2  # failed checks before we suspect that the host refuses underscores


def explain_absence(record: Record, case: Case, *, wrong: str = "", found: tuple[str, ...] = ()) -> Cause:
    """Return why a record is missing. `wrong` and `found`: the code and values of what is there instead, if any."""
    cause = misplaced(record, case)
    if cause is None and case.seen.is_fully_searched(record, case.domain):
        cause = _explain_hidden(record, case) or _explain_lost(record, case)
    return cause or _changed(record, case, ()) or Cause(wrong or "dns.absent", record, found)


def _explain_hidden(record: Record, case: Case) -> Cause | None:
    """Return the cause if a wildcard or alias answers at the name."""
    aliases = _aliases(record, case)
    if is_wildcard(record, case):
        return Cause("dns.rival.wildcard", record, aliases, at=wildcard_of(record, case.domain.zone))
    if record.key == "mail-from-mx" and aliases:
        return Cause("dns.rival.mail_from_in_use", record, aliases)
    if aliases and record.type != "CNAME" and not _has_own_cause(aliases, record, case):
        return Cause("dns.rival.cname", record, aliases)
    return in_the_way(record, case)


def _has_own_cause(aliases: tuple[str, ...], record: Record, case: Case) -> bool:
    """Return True if the alias is another record of the name with a wrong type, which gets its own cause.

    SPF is recognised by its version, because the value that we offer depends on lookups, which may fail.
    """
    others = [other for other in case.seen.records if other.name == record.name]
    is_spf = bool(spf_records(aliases)) and any(other.key in SPF_KEYS for other in others)
    return is_spf or any(other.value.lower() in aliases for other in others)


def is_wildcard(record: Record, case: Case) -> bool:
    """Return True if a name that nobody publishes gets the same answer as this one."""
    probe = case.seen.host_answers(Question(observations.wildcard_name(record), record.type))
    here = [
        answer for answer in case.seen.host_answers(question_for(record)) if answer.status is not LookupStatus.FAILED
    ]
    return any(_same(one, other) for one in here for other in probe)


def _same(one: Answer, other: Answer) -> bool:
    content = (one.values, one.aliases)
    return content == (other.values, other.aliases) and content != ((), ())


def _aliases(record: Record, case: Case) -> tuple[str, ...]:
    passed = [answer.aliases for answer in case.seen.host_answers(question_for(record)) if answer.aliases]
    return passed[0][:1] if passed else case.seen.values(record.name, "CNAME") if record.type != "CNAME" else ()


def _explain_lost(record: Record, case: Case) -> Cause | None:
    """Return the likely reason for a name without records, if one is known."""
    verified = case.history.verified_at(record.key)
    if verified:
        return Cause("dns.change.gone", record, until=verified)
    if zone := _zone_of_its_own(record, case):
        if is_entered_as_ns(record, zone, case):
            return Cause("dns.delegation.ns_record", record, zone.servers, at=zone.zone)
        return Cause("dns.delegation.sub_zone", record, zone.servers, at=zone.zone, data=((IN_ZONE, zone.zone),))
    since = case.history.said_added_at
    if since and _serial_is_unchanged(case) and case.now - since >= PUBLISHED_WITHIN:
        return Cause("dns.time.unpublished", record, until=case.history.serial_since)
    return Cause("dns.name.underscore", record) if _only_underscores_missing(record, case) else None


def _zone_of_its_own(record: Record, case: Case) -> Cut | None:
    """Return the zone below the registered domain's that a missing record belongs in, if there is one. What is added
    in the zone above it has no effect, and nobody can look it up there.
    """
    own = case.domain.zone
    is_below = own != case.facts.domain.zone and record.need is Need.REQUIRED
    return case.seen.cut_of(record.name) or (Cut(own, case.seen.servers) if is_below and case.seen.servers else None)


def _serial_is_unchanged(case: Case) -> bool:
    """Return True if each server's serial is the same as before the customer said that the records were added."""
    serials = {serial_of(soa) for soa in case.seen.soas}
    since, added_at = case.history.serial_since, case.history.said_added_at
    return bool(since and added_at and since <= added_at and serials == {case.history.serial})


def _only_underscores_missing(record: Record, case: Case) -> bool:
    """Return True if, after failed checks, all names with "_" are missing and a name without one is published."""
    if "_" not in record.name or case.history.failed_checks < MIN_FAILED_CHECKS:
        return False
    if accepts_underscores(case) or not all(case.seen.is_answered(question) for question in underscore_questions(case)):
        return False
    return any(contains_record(r, case.seen.values(r.name, r.type)) for r in case.seen.records if "_" not in r.name)


_ELSEWHERE = frozenset({"dns.rival.mx", "dns.rival.mx_shared", "dns.rival.mail_from_mx", OTHER_HOST_CODE})


def explain_mismatch(record: Record, case: Case, code: str, found: tuple[str, ...]) -> tuple[Cause, ...]:
    """Return why a value is wrong. `code` is the result of comparing the values alone."""
    if is_wildcard(record, case) and not contains_record(record, found):
        return (Cause("dns.rival.wildcard", record, found, at=wildcard_of(record, case.domain.zone)),)
    if not contains_record(record, found) and not case.seen.is_answered(
        Question(observations.wildcard_name(record), record.type)
    ):
        return (Cause("dns.lookup_failed", record, found),)
    if _is_dotted(record, found):
        return (Cause("dns.value.dot", record, found),)
    if code == "dns.value.other_region" and _is_unknown_region(record, found):
        code = "dns.value.typo"
    if code in INSIDE_SPF:
        return (Cause(code, record, found, data=INSIDE_SPF[code](spf_records(found)[0], case.facts.policies.names)),)
    if code in _ELSEWHERE or code == "dns.value.differs":
        return _explain_rival(record, case, code, found)
    return (Cause(code, record, found),)


def _explain_rival(record: Record, case: Case, code: str, found: tuple[str, ...]) -> tuple[Cause, ...]:
    """The value belongs to somebody else, unless a failed lookup hides that ours is elsewhere. If ours is, both are
    named: our record only moves to its name if nothing else has to leave it first.
    """
    elsewhere = misplaced(record, case)
    if elsewhere is None and code != "dns.value.differs" and not case.seen.is_fully_searched(record, case.domain):
        return (Cause("dns.lookup_failed", record, found),)
    if elsewhere and record.type == "TXT":
        return (elsewhere,)  # other text may stay beside ours
    here = (
        _rival(record, case, code, found)
        if code in _ELSEWHERE
        else (_changed(record, case, found) or Cause(code, record, found),)
    )
    if elsewhere is None:
        return here
    return (elsewhere if record.purpose is Purpose.RECEIVING else as_occupied(elsewhere), *here)


def _values_of_other_domains(record: Record, case: Case, found: tuple[str, ...]) -> tuple[str, ...]:
    """Return the values that belong to another domain of ours at the MAIL FROM name, which then must change."""
    if record.key != "mail-from-mx":
        return ()
    others = [each for each in case.history.others if question_for(each) == question_for(record)]
    return tuple(
        v for v in found if not contains_record(record, (v,)) and any(contains_record(other, (v,)) for other in others)
    )


def conflicts_of_correct(record: Record, case: Case, found: tuple[str, ...], signed: bool) -> Iterator[Cause]:
    """Yield what breaks a record that is itself correct. `signed`: the domain has DKIM in place."""
    question = rival_question(record)
    rivals = case.seen.values(question.name, question.type)
    if rivals and not _leads_to_record(case, record, rivals):
        yield Cause("dns.rival.cname", record, rivals, at=question.type)
    if record.key == "dmarc":
        yield from strict_policy(record, case, signed)
        yield from unwelcome_reports(record, case, found)
    yield from ignored_terms(record, found)


def _leads_to_record(case: Case, record: Record, rivals: tuple[str, ...]) -> bool:
    """Return True if the alias leads to the correct record, or is a record of wrong type that gets its own cause."""
    if record.type == "CNAME":
        return any(
            answer.aliases for answer in case.seen.host_answers(rival_question(record)) if answer.values == rivals
        )
    followed = any(answer.aliases for answer in case.seen.host_answers(question_for(record)))
    return followed or _has_own_cause(rivals, record, case)


def _rival(record: Record, case: Case, code: str, found: tuple[str, ...]) -> tuple[Cause, ...]:
    """Return the causes for somebody else's mail servers at the name."""
    alias = _alias_to_ours(record, case, found)
    if alias:
        return (Cause("dns.value.mx_alias", record, found, at=alias),)
    if any(map(partial(_alias_lookup_failed, case), mx_hosts(found))):
        return (Cause("dns.lookup_failed", record, found),)
    if record.purpose is Purpose.RECEIVING:
        return _inbound_rival(record, case, code, found)
    if code == OTHER_HOST_CODE:
        return (Cause(code, record, found),)
    return (Cause(code if contains_record(record, found) else "dns.rival.mail_from_in_use", record, found),)


def _inbound_rival(record: Record, case: Case, code: str, found: tuple[str, ...]) -> tuple[Cause, ...]:
    """A MAIL FROM host at a registered domain is misplaced. Below one, it may be the parent domain's MAIL FROM.

    Once it is removed, our inbound MX is still to be added, beside whoever else receives there.
    """
    ours = [r for r in case.seen.records if r.key == "mail-from-mx" and r.value.lower() in mx_hosts(found)]
    if not ours or record.name != case.facts.domain.zone:
        code = "dns.rival.mx" if ours else "dns.rival.forwarding" if is_forwarding(found) else code
        return (Cause(code, record, found),)
    others = tuple(value for value in found if ours[0].value.lower() not in mx_hosts((value,)))
    rest = compare(
        record, Answer(question_for(record), "", LookupStatus.FOUND if others else LookupStatus.NO_DATA, others)
    )
    left = () if rest.verdict is Verdict.CORRECT else (Cause(rest.code, record, others),)
    return (at_domain(ours[0], case, found, record.name), *left)


def _alias_to_ours(record: Record, case: Case, found: tuple[str, ...]) -> str:
    """Return an MX host that is an alias of the expected host. An MX must not name an alias (RFC 2181 10.3)."""
    hosts = [host for host in mx_hosts(found) if record.value.lower() in case.seen.values(host, "CNAME")]
    return hosts[0] if hosts else ""


def _alias_lookup_failed(case: Case, host: str) -> bool:
    """Return True if the lookup of an alias behind a mail server failed."""
    answers = case.seen.host_answers(Question(host, "CNAME"))
    return bool(answers) and all(answer.status is LookupStatus.FAILED for answer in answers)


def _changed(record: Record, case: Case, found: tuple[str, ...]) -> Cause | None:
    verified = case.history.verified_at(record.key)
    return Cause("dns.change.gone", record, found, until=verified) if verified else None


def _is_unknown_region(record: Record, found: tuple[str, ...]) -> bool:
    """Return True if a typo in the region makes it one that does not exist."""
    values = mx_hosts(found) if record.type == "MX" else found
    close = [value for value in values if is_close(record.value.lower(), value.rstrip(".").lower(), 2)]
    return any(RECEIVING_REGIONS.isdisjoint(value.split(".")) for value in close)


def _is_dotted(record: Record, found: tuple[str, ...]) -> bool:
    values = mx_hosts(found) if record.type == "MX" else found
    expected = record.value.lower() if record.type != "TXT" else record.value
    return any(value != expected and value.rstrip(".\\") == expected for value in values)


_NOTES = frozenset({"dns.value.dmarc_strict", "dns.value.dmarc_consent", "dns.spf.ignored"})


@dataclass(frozen=True)
class JudgedRecord:
    """`values` are the answers at the record's name. `is_right`: the DNS host and public resolvers have the record."""

    record: Record
    host: LinkState
    public: LinkState
    values: tuple[str, ...]
    causes: tuple[Cause, ...]

    @property
    def is_right(self) -> bool:
        stopped = any(cause.code not in _NOTES for cause in self.causes)
        return self.host is LinkState.OK and self.public is LinkState.OK and not stopped


def judge(case: Case) -> tuple[JudgedRecord, ...]:
    """Return the judged records in their order."""
    compared = {record.key: _compare(record, case) for record in case.seen.records}
    keys = [record for record in case.seen.records if record.purpose is Purpose.SIGNING]
    signed = bool(keys) and all(_state(compared[record.key]) is not LinkState.BROKEN for record in keys)
    return tuple(_judge(record, case, compared[record.key], signed) for record in case.seen.records)


def _judge(record: Record, case: Case, compared: list[tuple[Answer, Compared]], signed: bool) -> JudgedRecord:
    host = _state(compared)
    found = _found(compared)
    if host is LinkState.UNKNOWN:
        cause = unread(record, case, [answer for answer, _ in compared])
        known = LinkState.BROKEN if cause.code == "dns.delegation.ns_record" else host
        return JudgedRecord(record, known, LinkState.NOT_REACHED, (), (cause,))
    if host is LinkState.BROKEN:
        strict = strict_policy(record, case, signed) if record.key == "dmarc" else ()
        return JudgedRecord(record, host, LinkState.NOT_REACHED, found, (*_broken(record, case, compared), *strict))
    if any(finding.code == INHERITED_CODE for _, finding in compared):
        return JudgedRecord(record, host, LinkState.OK, (), tuple(strict_policy(record, case, signed)))
    beside = tuple(conflicts_of_correct(record, case, found, signed))
    public, waiting = _public(record, case)
    return JudgedRecord(record, host, public, found, (*beside, *waiting))


def _compare(record: Record, case: Case) -> list[tuple[Answer, Compared]]:
    answers = case.seen.host_answers(question_for(record))
    names = case.facts.policies.names
    return [(answer, compare(record, answer, _alternative(record, case, answer), names)) for answer in answers]


def _alternative(record: Record, case: Case, answer: Answer) -> list[Answer]:
    """SES accepts `amazonses:TOKEN` at the domain itself instead of the ownership record.

    The same server's answer counts; another server's only if this one was not asked.
    """
    if record.key != "identity":
        return []
    question = Question(case.domain.ascii, "TXT")
    at_host = case.seen.host_answers(question)
    own = [other for other in (*case.seen.public_answers(question), *at_host) if other.resolver == answer.resolver]
    with_record = [other for other in own or at_host if other.status is LookupStatus.FOUND]
    failed = [other for other in own or at_host if other.status is LookupStatus.FAILED]
    return [replace(other, resolver=answer.resolver) for other in (*with_record, *failed)][:1]


def _state(compared: list[tuple[Answer, Compared]]) -> LinkState:
    conclusive = [finding.verdict for _, finding in compared if finding.verdict is not Verdict.UNKNOWN]
    if not conclusive:
        return LinkState.UNKNOWN
    return LinkState.OK if all(verdict is Verdict.CORRECT for verdict in conclusive) else LinkState.BROKEN


def _found(compared: list[tuple[Answer, Compared]]) -> tuple[str, ...]:
    return next((answer.values for answer, _ in compared if answer.values), ())


def _broken(record: Record, case: Case, compared: list[tuple[Answer, Compared]]) -> tuple[Cause, ...]:
    right = [answer for answer, finding in compared if finding.verdict is Verdict.CORRECT]
    bad = [(a, finding) for a, finding in compared if finding.verdict in (Verdict.ABSENT, Verdict.WRONG)]
    if right:
        count = f"{len(right)} of {len(right) + len(bad)}"
        lines = tuple(f"{answer.resolver}: {', '.join(answer.values) or 'nothing'}" for answer, _ in compared)
        return (Cause("dns.server.disagree", record, lines, at=bad[0][0].resolver, data=(("count", count),)),)
    answer, finding = min(bad, key=lambda each: each[1].code == "dns.absent")  # prefer the more specific code
    if finding.verdict is Verdict.ABSENT:
        other = "" if finding.code == "dns.absent" else finding.code
        cause = explain_absence(record, case, wrong=other, found=finding.found)
        return (cause, *damaged_there(cause))
    if finding.code == DNAME_CODE:
        return (Cause(DNAME_CODE, record, (answer.dname,), data=(("target", next(iter(answer.aliases), "")),)),)
    if theirs := _values_of_other_domains(record, case, _found(compared)):
        return (Cause("dns.rival.mail_from_in_use", record, theirs),)
    return explain_mismatch(record, case, finding.code, _found(compared) or finding.found)


def _public(record: Record, case: Case) -> tuple[LinkState, tuple[Cause, ...]]:
    """A resolver with an older answer is behind, and its TTL says for how long."""
    answers = case.seen.public_answers(question_for(record))
    names = case.facts.policies.names
    judged = [(a, compare(record, a, _alternative(record, case, a), names).verdict) for a in answers]
    if behind := [answer for answer, verdict in judged if verdict in (Verdict.ABSENT, Verdict.WRONG)]:
        until = words.cache_expiry(behind, case.now, otherwise=words.negative_ttl(case.seen))
        who = tuple(f"{answer.resolver}: {', '.join(answer.values) or 'nothing'}" for answer in behind)
        return LinkState.BROKEN, (Cause("dns.spreading", record, who, until=until),)
    if any(verdict is Verdict.CORRECT for _, verdict in judged):
        return LinkState.OK, ()
    errors = tuple(dict.fromkeys(answer.error for answer in answers))
    return LinkState.UNKNOWN, (Cause("dns.lookup_failed", record, errors),)


def transport_causes(case: Case) -> tuple[Cause, ...]:
    """Return why senders that follow MTA-STS don't deliver here: no DNS answer says it, the stored policy does."""
    if case.history.blocked is None:
        return ()
    why, step = case.history.blocked
    return (Cause("dns.rival.mta_sts", data=(("policy_why", why), ("policy_step", step))),)
