"""Finds a record in the wrong place: at another name, of another type, or in the wrong box. Pure.

A record at another name can belong to somebody else:

- If another domain here, of any customer, requires it at that name, it is correct there.
- A value that no other domain has (ownership, DKIM) belongs to this domain wherever it is.
- All other values are the same for every domain: SES's host of a region, SPF with SES, DMARC, MTA-STS. One at another
name counts as this domain's only if nobody could use it there (`_may_belong_to_another`), since another SES user may
have it. Otherwise nobody is told to edit or remove it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from domains.checking.core.comparison import ONE_BOX_CODE, PASTED_KEY_CODE, compare, names_inside
from domains.checking.core.nearness import is_in_other_type, is_pasted_key
from domains.diagnosis.core import observations
from domains.diagnosis.core.findings import OCCUPIED, Case, Cause
from domains.diagnosis.core.observations import (
    Cut,
    ProbePlace,
    contains_record,
    is_key,
    is_proxied,
    is_same_content,
    is_unique,
    mx_hosts,
)
from domains.dns.core import ANSWERED, SKIPPED, Answer, LookupStatus, Question, mx_pairs, question_for
from domains.records.core import Record, is_inbound


def misplaced(record: Record, case: Case) -> Cause | None:
    """Return where the correct content is instead, if anywhere. The search stops at a failed lookup."""
    for answer in (each for each in case.seen.elsewhere if each.question == question_for(record)):
        if contains_record(record, answer.values):
            return Cause("dns.host.elsewhere", record, case.seen.servers, at=answer.resolver)
        if answer.status is LookupStatus.FAILED:
            return None
    for probe in observations.probes(record, case.domain):
        values = case.seen.values(probe.question.name, probe.question.type)
        if case.seen.lookup_failed(probe.question, record) or not case.seen.is_agreed(probe.question):
            return None
        other = belongs_to_another_domain(record, case, probe.question) or _may_be_wildcard(
            record, case, probe.question.type, values
        )
        if (
            values
            and not other
            and probe.place is not ProbePlace.WILDCARD
            and (cause := _cause_at(record, case, probe, values))
        ):
            return cause
    return None


def belongs_to_another_domain(record: Record, case: Case, question: Question) -> bool:
    """Return True if another domain here requires the same content at that name."""
    there = (other for other in case.history.others if question_for(other) == question)
    return any(is_same_content(record, other) for other in there)


def _may_belong_to_another(record: Record, case: Case, place: ProbePlace, name: str) -> bool:
    """Return True if another SES user may need the record at that name.

    A MAIL FROM domain is below an identity, so an MX at a registered domain is nobody's MAIL FROM. A DMARC record
    counts only below "_dmarc", so one at the domain itself is of no use.
    """
    if is_unique(record) or place not in (ProbePlace.APEX, ProbePlace.PARENT):
        return False
    alone = case.facts.domain.zone if record.type == "MX" else case.domain.ascii
    return place is ProbePlace.PARENT or name != alone


def _may_be_wildcard(record: Record, case: Case, kind: str, values: tuple[str, ...]) -> bool:
    """Return True if a wildcard gives the same answer, or might: its lookup failed."""
    name = observations.wildcard_name(record)
    return values == case.seen.values(name, kind) or not case.seen.is_answered(Question(name, kind))


def _cause_at(record: Record, case: Case, probe: observations.Probe, values: tuple[str, ...]) -> Cause | None:
    place, name = probe.place, probe.question.name
    if place is ProbePlace.TYPE:
        return _of_another_type(record, probe.question.type, values)
    if place is ProbePlace.SWAPPED:
        return _in_wrong_box(record, case, name, values)
    if place is ProbePlace.APEX and (typed := names_inside(record, values)):
        return Cause(ONE_BOX_CODE, record, typed, at=name)
    if not contains_record(record, values):
        return _damaged(record, case, place, name, values)
    codes = {ProbePlace.DOUBLED: "dns.name.doubled_zone", ProbePlace.UNDERSCORE: _of_underscore(case)}
    if place in codes:
        return Cause(codes[place], record, values, at=name)
    return _too_high(record, case, place, name, values)


def _in_wrong_box(record: Record, case: Case, name: str, values: tuple[str, ...]) -> Cause | None:
    """Name and value were swapped, or both were entered as the name."""
    if name.startswith(observations.ONE_BOX):
        return Cause(ONE_BOX_CODE, record, (name,))
    return Cause("dns.name.swapped", record, at=name) if _is_swapped(record, case, values) else None


def _of_underscore(case: Case) -> str:
    """Return who removed the underscore, the customer or the DNS host; "dns.absent" after a failed lookup."""
    if accepts_underscores(case):
        return "dns.name.underscore_forgotten"
    return (
        "dns.name.underscore"
        if all(case.seen.is_answered(each) for each in underscore_questions(case))
        else "dns.absent"
    )


def _too_high(record: Record, case: Case, place: ProbePlace, name: str, values: tuple[str, ...]) -> Cause | None:
    """The record is at the apex of the domain or zone, or has labels missing."""
    if record.key == "apex-spf" or is_inbound(record.key):
        return None  # a parent name may have its own SPF or inbound MX: never advise to remove it
    if record.key == "mail-from-spf" and place is ProbePlace.APEX:  # reports that ours is missing, and keeps that one
        return None if case.facts.wants_apex_spf else Cause("dns.name.spf_at_apex", record, values, at=name)
    if _may_belong_to_another(record, case, place, name):
        return None
    if record.key == "dmarc":
        return Cause("dns.name.dmarc", record, values, at=name)
    if place is ProbePlace.PARENT:
        return Cause("dns.name.wrong_parent", record, values, at=name)
    is_mx = record.type == "MX"
    return at_domain(record, case, values, name) if is_mx else Cause("dns.name.apex", record, values, at=name)


def at_domain(record: Record, case: Case, values: tuple[str, ...], name: str) -> Cause:
    """Return the cause for the MAIL FROM MX at the domain itself. It diverts mail only with the best priority."""
    pairs = mx_pairs(values)
    best = min(pairs)[0]
    hosts = {host for priority, host in pairs if priority == best}
    share = (
        "all mail" if hosts == {record.value.lower()} else "part of the mail" if record.value.lower() in hosts else ""
    )
    there = case.seen.values(record.name, record.type)
    is_free = case.seen.is_answered(question_for(record)) and (
        not there or _may_be_wildcard(record, case, record.type, there)
    )
    data = (("share", share),) if share else ()
    cause = Cause("dns.name.apex_mx" if share else "dns.name.apex", record, values, at=name, data=data)
    return cause if is_free else as_occupied(cause)


def as_occupied(cause: Cause) -> Cause:
    """Return the cause of a misplaced record with only its removal, since another record is where it belongs."""
    return cause if OCCUPIED in cause.data else replace(cause, data=(*cause.data, OCCUPIED))


_DAMAGED = frozenset(
    (
        *("dns.value.zone_appended", "dns.value.dot", "dns.value.quoted", "dns.value.cut", "dns.value.typo"),
        *("dns.value.case", "dns.value.spaces", "dns.value.priority_inside"),
    )
)


def _damaged(record: Record, case: Case, place: ProbePlace, name: str, values: tuple[str, ...]) -> Cause | None:
    """Return the cause if our record is there with a damaged value, so that name and value have a mistake each.

    Only where nobody else's record can be: at a name that has the zone twice, or a value that is this domain's alone.
    """
    if place is not ProbePlace.DOUBLED and not is_unique(record):
        return None
    answer = Answer(question_for(record), "", LookupStatus.FOUND, values)
    code = compare(record, answer).code
    whole = {value.rstrip(".\\").lower() for value in (mx_hosts(values) if record.type == "MX" else values)}
    code = "dns.value.dot" if code not in _DAMAGED and record.value.lower() in whole else code
    if code not in _DAMAGED:
        return None
    codes = {
        ProbePlace.DOUBLED: "dns.name.doubled_zone",
        ProbePlace.UNDERSCORE: _of_underscore(case),
        ProbePlace.PARENT: "dns.name.wrong_parent",
        ProbePlace.APEX: "dns.name.apex",
    }
    found = Cause(codes[place], record, values, at=name, data=(("damage", code),))
    return None if found.code == "dns.absent" else found


def damaged_there(cause: Cause) -> tuple[Cause, ...]:
    """Return the second mistake of a misplaced record: that of its value."""
    code = dict(cause.data).get("damage", "")
    return (Cause(code, cause.record, cause.found),) if code else ()


def _of_another_type(record: Record, kind: str, values: tuple[str, ...]) -> Cause | None:
    if is_in_other_type(record.value, record.priority, values):
        return Cause("dns.value.wrong_type", record, values, at=kind)
    if record.type == "CNAME" and kind == "TXT" and is_pasted_key(values):
        return Cause(PASTED_KEY_CODE, record, values, at=kind)
    if record.type == "CNAME" and kind == "TXT" and is_key(values):
        return Cause("dns.value.flattened", record, values, at=kind)
    if record.type == "CNAME" and kind == "A" and is_proxied(values):
        return Cause("dns.rival.proxied", record, values, at=kind)
    return None


def in_the_way(record: Record, case: Case) -> Cause | None:
    """Return the record of another type at the name of a missing CNAME, which DNS hosts refuse beside it."""
    if record.type != "CNAME":
        return None
    for probe in observations.probes(record, case.domain):
        kind, values = probe.question.type, case.seen.values(probe.question.name, probe.question.type)
        if probe.place is not ProbePlace.TYPE or not values:
            continue
        if not _may_be_wildcard(record, case, kind, values):
            return Cause("dns.rival.other_type", record, values, at=kind)
        if kind == "TXT" and values == case.seen.values(observations.wildcard_name(record), kind):
            found = tuple(f"TXT {value}" for value in values)
            return Cause("dns.rival.wildcard", record, found, at=observations.wildcard_of(record, case.domain.zone))
    return None


def _is_swapped(record: Record, case: Case, values: tuple[str, ...]) -> bool:
    """Return True if the value box has the record's name, in full or relative to the zone."""
    typed = {record.name, case.domain.relative(record.name)}
    targets = (value.rpartition(" ")[2] if record.type == "MX" else value for value in values)
    return any(
        value.rstrip(".").lower() in typed or value.rstrip(".").lower() == f"{record.name}.{case.domain.zone}"
        for value in targets
    )


def underscore_questions(case: Case) -> Iterator[Question]:
    return (question_for(record) for record in case.seen.records if "_" in record.name)


def accepts_underscores(case: Case) -> bool:
    """Return True if the zone publishes another name with an underscore, so its host accepts them."""
    return any(
        seen.values or seen.aliases for each in underscore_questions(case) for seen in case.seen.host_answers(each)
    )


def unread(record: Record, case: Case, answers: Sequence[Answer]) -> Cause:
    """Return why all lookups of a record failed. A delegation or an alias that was read may never be mended by itself.

    Whether its servers are silent for good isn't known, so the steps name both cases. If they weren't asked, since the
    lookup of their addresses failed or the time was over, nothing is known about them.
    """
    cut = case.seen.cut_of(record.name)
    if cut and is_entered_as_ns(record, cut, case):
        return Cause("dns.delegation.ns_record", record, cut.servers, at=cut.zone)
    if cut and any(_failed_at(cut, answer) for answer in answers):
        return Cause("dns.delegation.silent", record, cut.servers, at=cut.zone)
    refused = [answer.aliases for answer in answers if answer.aliases and answer.error.startswith(ANSWERED)]
    if refused and record.type != "CNAME":
        return Cause("dns.alias.silent", record, refused[0][-1:])
    return Cause("dns.lookup_failed", record, tuple(dict.fromkeys(answer.error for answer in answers)))


def _failed_at(cut: Cut, answer: Answer) -> bool:
    """Return True if a server of the subzone was asked and gave no answer, or if none of them exists."""
    return answer.cut == cut.zone or (answer.resolver in cut.servers and answer.error != SKIPPED)


def is_entered_as_ns(record: Record, cut: Cut, case: Case) -> bool:
    """Return True if the NS record at the record's own name has the record's value, maybe with the zone appended."""
    value = record.value.rstrip(".").lower()
    return cut.zone == record.name and not {value, f"{value}.{case.domain.zone}"}.isdisjoint(cut.servers)
