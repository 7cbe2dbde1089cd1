"""Why a record is not at its place: it is at another, of another type, hidden, lost, or simply not published."""

from datetime import timedelta

from domains.core.diagnosis import places
from domains.core.diagnosis.causes import Case, Cause
from domains.core.diagnosis.holding import holds, is_key, is_proxied
from domains.core.diagnosis.observations import serial_of
from domains.core.diagnosis.places import Place
from domains.core.observing import Answer, Question, Status, question_for
from domains.core.records import Record

PUBLISHED_WITHIN = timedelta(minutes=10)  # a host whose serial has not moved by then has published nothing
PATIENCE = 2  # looks that must have failed before we ask about underscores


def explain(record: Record, case: Case, *, wrong: str = "", found: tuple[str, ...] = ()) -> Cause:
    """`wrong` and `found` are the code and values of what stands there instead, where something does."""
    cause = misplaced(record, case) or _hidden(record, case) or _lost(record, case)
    return cause or Cause(wrong or "dns.absent", record, found)


def misplaced(record: Record, case: Case) -> Cause | None:
    """The right content, somewhere else."""
    for answer in case.seen.elsewhere:
        if answer.question == question_for(record) and holds(record, answer.values):
            return Cause("dns.host.elsewhere", record, case.seen.servers, at=answer.resolver)
    for probe in places.probes(record, case.domain):
        values = case.seen.values(probe.question.name, probe.question.type)
        if values and (cause := _at(record, case, probe, values)):
            return cause
    return None


def _at(record: Record, case: Case, probe: places.Probe, values: tuple[str, ...]) -> Cause | None:
    place, name = probe.place, probe.question.name
    if values == case.seen.values(places.wildcard_name(record), probe.question.type):
        return None  # a catch-all answers so everywhere
    if place is Place.TYPE:
        return _of_another_type(record, probe.question.type, values)
    if place is Place.SWAPPED:
        return Cause("dns.name.swapped", record, at=name) if _is_swapped(record, case, values) else None
    if place is Place.WILDCARD or not holds(record, values):
        return None
    codes = {Place.DOUBLED: "dns.name.doubled_zone", Place.UNDERSCORE: "dns.name.underscore"}
    if place in codes:
        return Cause(codes[place], record, values, at=name)
    return _too_high(record, case, place, name, values)


def _too_high(record: Record, case: Case, place: Place, name: str, values: tuple[str, ...]) -> Cause | None:
    """At the top of the domain or of its zone, or with labels forgotten."""
    if record.key == "dmarc":
        return Cause("dns.name.dmarc", record, values, at=name) if place is Place.APEX else None
    if record.key in ("apex-spf", "inbound-mx"):
        return None  # a name above has an SPF, or receives through Amazon, in its own right: never advise to remove it
    if place is Place.PARENT:
        return Cause("dns.name.wrong_parent", record, values, at=name)
    if record.key == "mail-from-spf":
        return None if case.facts.wants_apex_spf else Cause("dns.name.spf_at_apex", record, values, at=name)
    return Cause("dns.name.apex_mx" if record.type == "MX" else "dns.name.apex", record, values, at=name)


def _of_another_type(record: Record, kind: str, values: tuple[str, ...]) -> Cause | None:
    plain = tuple(value.strip().rstrip(".").lower() for value in values)
    wanted = record.value.lower()
    if wanted in plain or (record.type == "MX" and f"{record.priority} {wanted}" in plain):
        return Cause("dns.value.wrong_type", record, values, at=kind)
    if record.type == "CNAME" and kind == "TXT" and is_key(values):
        return Cause("dns.value.flattened", record, values, at=kind)
    if record.type == "CNAME" and kind == "A" and is_proxied(values):
        return Cause("dns.rival.proxied", record, values, at=kind)
    return None


def _is_swapped(record: Record, case: Case, values: tuple[str, ...]) -> bool:
    """What was typed into the value box is the name, whole or as the host has it."""
    typed = {record.name, case.domain.relative(record.name)}
    said = (value.rpartition(" ")[2] if record.type == "MX" else value for value in values)
    return any(
        value.rstrip(".").lower() in typed or value.rstrip(".").lower() == f"{record.name}.{case.domain.zone}"
        for value in said
    )


def _hidden(record: Record, case: Case) -> Cause | None:
    """Something else answers at the name, for a reason that can be told."""
    aliases = _aliases(record, case)
    if is_wildcard(record, case):
        return Cause("dns.rival.wildcard", record, aliases, at=f"*.{record.name.partition('.')[2]}")
    if record.key == "mail-from-mx" and aliases:
        return Cause("dns.rival.mail_from_in_use", record, aliases)
    if aliases and record.type != "CNAME" and not _is_told(aliases, record, case):
        return Cause("dns.rival.cname", record, aliases)
    return None


def _is_told(aliases: tuple[str, ...], record: Record, case: Case) -> bool:
    """Whether the alias is another record of the name in a wrong type, which is told there."""
    return any(other.value.lower() in aliases for other in case.seen.records if other.name == record.name)


def is_wildcard(record: Record, case: Case) -> bool:
    """Whether a name that nobody publishes gets the very answer that this one gets."""
    probe = case.seen.at_host(Question(places.wildcard_name(record), record.type))
    here = [answer for answer in case.seen.at_host(question_for(record)) if answer.status is not Status.FAILED]
    return any(_same(one, other) for one in here for other in probe)


def _same(one: Answer, other: Answer) -> bool:
    said = (one.values, one.aliases)
    return said == (other.values, other.aliases) and said != ((), ())


def _aliases(record: Record, case: Case) -> tuple[str, ...]:
    passed = [answer.aliases for answer in case.seen.at_host(question_for(record)) if answer.aliases]
    return passed[0][:1] if passed else case.seen.values(record.name, "CNAME") if record.type != "CNAME" else ()


def _lost(record: Record, case: Case) -> Cause | None:
    """Nothing is there, and something is known of why."""
    verified = case.history.verified_at(record.key)
    if verified:
        return Cause("dns.change.gone", record, until=verified)
    cut = case.seen.cut_of(record.name)
    if cut:
        return Cause("dns.delegation.sub_zone", record, cut.servers, at=cut.zone)
    since = case.history.said_added_at
    if since and _stands_still(case) and case.now - since >= PUBLISHED_WITHIN:
        return Cause("dns.time.unpublished", record, until=case.history.serial_since)
    return Cause("dns.name.underscore", record) if _underscores_alone(record, case) else None


def _stands_still(case: Case) -> bool:
    """Whether the zone's serial is what it was before the customer said that the records are added."""
    told = {serial for soa in case.seen.soas if (serial := serial_of(soa))}
    since, said = case.history.serial_since, case.history.said_added_at
    return bool(since and said and since <= said and told == {case.history.serial})


def _underscores_alone(record: Record, case: Case) -> bool:
    """After looks that failed: every name with "_" is missing, and a name without one is there."""
    if "_" not in record.name or case.history.failed_looks < PATIENCE:
        return False
    found = {bool(case.seen.values(r.name, r.type)) for r in case.seen.records if "_" in r.name}
    return found == {False} and any(
        holds(r, case.seen.values(r.name, r.type)) for r in case.seen.records if "_" not in r.name
    )
