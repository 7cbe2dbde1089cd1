"""Turns a cause into a finding: who is affected, what to enter, and when it will be visible.

It computes from the TTLs, in seconds, when caches will have expired, and identifies the company that hosts the
mailboxes by the names of the mail servers.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from domains.checking.core import sentences
from domains.checking.core.sentences import problems_in
from domains.diagnosis.core import findings
from domains.diagnosis.core.codes import CODES, Code
from domains.diagnosis.core.findings import IN_ZONE, OCCUPIED, Case, Cause, DiagnosisFinding, Severity
from domains.diagnosis.core.observations import MAIL_HOSTS, Observations, minimum_of, mx_hosts
from domains.dns.core import Answer, LookupStatus, mx_pairs, question_for
from domains.policies.core import dmarc_name
from domains.providers.core import GENERIC, FormValues
from domains.providers.core import form_values as typed_at
from domains.records.core import SPF_KEYS, Need, Purpose, Record

UNKNOWN_TTL = 3600  # if the answer has none: the default of most DNS hosts
LONGEST_TTL = 7 * 86_400  # resolvers cap longer TTLs (RFC 8767 names a week)


def cache_expiry(answers: Iterable[Answer], now: datetime, *, otherwise: int | None = None) -> datetime | None:
    """Return when the last of these answers expires from caches; None without answers. Failed ones are not cached."""
    answered = [answer for answer in answers if answer.status is not LookupStatus.FAILED]
    ttls = (otherwise if answer.ttl is None else answer.ttl for answer in answered)
    seconds = [UNKNOWN_TTL if ttl is None else ttl for ttl in ttls]
    return now + timedelta(seconds=min(max(seconds), LONGEST_TTL)) if seconds else None


def negative_ttl(observations: Observations) -> int | None:
    """Return for how many seconds the zone's absences are cached."""
    return next((minimum for soa in observations.soas if (minimum := minimum_of(soa)) is not None), None)


def format_time(moment: datetime, now: datetime) -> str:
    """Return "15:40 UTC", with the day if it is another one. Rounded up, so that the promise holds."""
    shown, today = moment.astimezone(UTC), now.astimezone(UTC)
    if shown.second or shown.microsecond:
        shown = shown.replace(second=0, microsecond=0) + timedelta(minutes=1)
    return f"{shown:%H:%M} UTC" if shown.date() == today.date() else f"{shown:%H:%M} UTC on {shown:%-d %B}"


def current_mail_host(values: tuple[str, ...], ours: str) -> str:
    """Return who runs the best mail server that is not ours, with its priority; "" if there is none."""
    preference, plain = min((pair for pair in mx_pairs(values) if pair[1] != ours.lower()), default=(0, ""))
    companies = MAIL_HOSTS.mailboxes.items()
    company = next((name for ending, name in companies if plain == ending or plain.endswith(f".{ending}")), "")
    return f"{company or findings.clean_text(plain, 80)} (priority {preference})" if plain else ""


_WHY = {
    Purpose.OWNERSHIP: "SES can't send or receive mail for this domain until this is fixed.",
    Purpose.SIGNING: "SES can't sign your mail until this is fixed.",
    Purpose.BOUNCES: "Mail still flows, but more of it may be marked as spam.",
    Purpose.RECEIVING: "No mail arrives here until this is fixed.",
    Purpose.RECOMMENDED: "Mail still flows, but more of it may be marked as spam.",
}
_KEPT = "SES keeps the domain for about 72 hours. After that you have to set it up again."
_BLOCKS: dict[Purpose, tuple[str, ...]] = {
    Purpose.OWNERSHIP: ("sending", "receiving"),
    Purpose.SIGNING: ("sending",),
    Purpose.RECEIVING: ("receiving",),
}
LONGEST_VALUE = 4000  # of a value to copy, which must not be cut
_BESIDE = "Delete the {kind} record at “{typed}”: {others}"
_AT_THE_TOP = "Ask your website's host for IP addresses to replace the CNAME, or use in.{zone} for mail."
_OTHER_PROOF = "If it doesn't, add a TXT record at {domain} itself: amazonses:{value}"
_NO_OTHER_WAY = "Ask its support. If it doesn't, move your DNS to a host that does."


_MX_REPLACED = {
    "dns.alias.dangling": "The CNAME replaces the MX record too. Its target doesn't exist, so nobody can send mail to "
    "{domain}.",
    "dns.rival.cname": "The CNAME replaces the MX record too: mail to {domain} goes to the mail servers of its target, "
    "if it has any.",
}
_OF_TRANSPORT = ("mta-sts", "tls-rpt")  # about TLS, not required for delivery


def finding_of(cause: Cause, case: Case) -> DiagnosisFinding:
    """Return the five lines. Raises KeyError for an unknown code."""
    code, record = CODES[cause.code], cause.record
    fields = _fields(cause, case)
    why = code.why if code.why is not None else _why(cause, record, case) if record else ""
    then = code.then if code.then is not None else _next_check_text(cause, case)
    severity = _severity(cause, case)
    return DiagnosisFinding(
        code=cause.code,
        record_key=record.key if record else "",
        verdict=code.verdict.format_map(fields),
        looked_for=_looked_for(cause),
        found=_found(cause),
        why=why.format_map(fields),
        steps=(*_prerequisite(cause), *_steps(cause, code, fields)),
        then=then.format_map(fields),
        severity=severity,
        blocks=_blocks(cause, case, severity),
        mistake=code.mistake,
        data=(
            *((key, findings.clean_text(value, LONGEST_VALUE)) for key, value in cause.data),
            *_copy_values(cause, case),
        ),
        link=code.link,
        more=code.more.format_map(fields),
    )


def _why(cause: Cause, record: Record, case: Case) -> str:
    if _replaces_mx(cause, case):
        return _MX_REPLACED[cause.code]
    return "Mail is delivered without it." if record.key in _OF_TRANSPORT else _WHY[record.purpose]


def _steps(cause: Cause, code: Code, fields: Mapping[str, str]) -> tuple[str, ...]:
    """Return the steps. Where another record is at the right name, ours is only removed from the wrong one: the
    finding of that other record says what to publish there.
    """
    steps = [step for each in code.steps if (step := each.format_map(fields))]
    if OCCUPIED not in cause.data:
        return tuple(steps)
    at = findings.clean_text(cause.at)
    return tuple(steps[:1] if len(steps) > 1 else [f"Delete the {fields['type']} record {fields['bare']} from {at}."])


def _prerequisite(cause: Cause) -> tuple[str, ...]:
    """Return what must be done first: the policy must be served before the MTA-STS record announces it (RFC 8461)."""
    record = cause.record
    return (record.note,) if record and record.key == "mta-sts" and cause.code == "dns.absent" else ()


def _replaces_mx(cause: Cause, case: Case) -> bool:
    """Return True if a CNAME is at the domain itself, so that it hides the domain's MX."""
    return cause.code in _MX_REPLACED and cause.record is not None and cause.record.name == case.domain.ascii


def _severity(cause: Cause, case: Case) -> Severity:
    """An optional record is never more than a note, unless mail that we receive is lost."""
    known = Severity.RED if case.facts.receiving and _replaces_mx(cause, case) else Severity(CODES[cause.code].severity)
    optional = cause.record is not None and cause.record.need is not Need.REQUIRED
    return Severity.NOTE if optional and known is not Severity.RED else known


def _blocks(cause: Cause, case: Case, severity: Severity) -> tuple[str, ...]:
    if severity in (Severity.NOTE, Severity.WAIT, Severity.UNKNOWN):
        return ()
    everything = ("receiving",) if cause.code == "dns.rival.mta_sts" else ("sending", "receiving")
    blocked = _BLOCKS.get(cause.record.purpose, ()) if cause.record else everything
    return tuple(what for what in blocked if what != "receiving" or case.facts.receiving)


def _looked_for(cause: Cause) -> str:
    record = cause.record
    if record is None:
        return ""
    if cause.code == "dns.name.swapped":
        return f"{record.type} at {record.name}: {record.with_priority}"
    if _is_misplaced(cause):
        return f"{record.type} at {record.name}"
    if CODES[cause.code].names_type:
        return f"{record.type} {record.with_priority}"
    return record.with_priority if cause.found else f"{record.type} at {record.name}: {record.with_priority}"


def _found(cause: Cause) -> tuple[str, ...]:
    if cause.code == "dns.name.swapped" and cause.record:
        return (f"{cause.record.type} at {findings.clean_text(cause.at)}: {cause.record.name}",)
    if _is_misplaced(cause):
        return (f"at {findings.clean_text(cause.at)}",)
    found = findings.clean_values(cause.found)
    return tuple(f"{cause.at} {value}" for value in found) if CODES[cause.code].names_type else found


def _is_misplaced(cause: Cause) -> bool:
    """Return True if the value is correct and only its place is wrong."""
    if cause.record is None or not cause.at or cause.code == "dns.rival.wildcard":
        return False
    return CODES[cause.code].link == "name" or cause.code == "dns.host.elsewhere"


def _copy_values(cause: Cause, case: Case) -> tuple[tuple[str, str], ...]:
    """Return what a page offers to copy, relative to the zone, as most DNS hosts expect it."""
    record = cause.record
    if record is None:
        return ()
    offer = (("withheld", record.withheld),) if record.withheld else (("value", record.value),)
    mended = (("merged", record.value),) if record.value and _is_own(cause, record) else ()
    zone = replace(case.domain, zone=dict(cause.data).get(IN_ZONE, case.domain.zone))
    typed = (*mended, ("type", record.type), ("name", zone.relative(record.name)), *offer)
    return typed if record.priority is None else (*typed, ("priority", str(record.priority)))


def _next_check_text(cause: Cause, case: Case) -> str:
    """We ask authoritative servers, so we see a change at once. Others cache today's answer for its TTL."""
    answers = case.seen.host_answers(question_for(cause.record)) if cause.record else ()
    until = cache_expiry(answers, case.now, otherwise=negative_ttl(case.seen))
    if until is None:
        return "We'll check again within minutes."
    return f"We'll check again within minutes. Old answers expire by {format_time(until, case.now)}."


def _fields(cause: Cause, case: Case) -> dict[str, str]:
    """Return all fields of the sentences. Values from DNS are cleaned and shortened."""
    found = findings.clean_values(cause.found)
    checked = _time(case.amazon.looked_at, case) if case.amazon.looked_at else ""
    return {
        **{key: findings.clean_text(value, LONGEST_VALUE) for key, value in cause.data},
        "domain": str(case.domain),
        "zone": case.domain.zone,
        "found": _shorten(found),
        "at": findings.clean_text(cause.at, 100),
        "meant": f" Did you mean {cause.at}?" if cause.at else "",
        "count": dict(cause.data).get("count", ""),
        "share": dict(cause.data).get("share", ""),
        "day": _time(cause.until, case),
        "time": _time(cause.until, case),
        "until": _time(cause.until, case),
        "gone": "now has a different value" if found else "is now missing",
        "last_checked": f"Amazon SES last checked at {checked}." if checked else "Amazon SES hasn't checked yet.",
        "at_check": f" at {checked}" if checked else "",
        **(_of_record(cause.record, cause, case) if cause.record else {}),
    }


def _of_record(record: Record, cause: Cause, case: Case) -> dict[str, str]:
    subject, boxes = sentences.subject(record), _form_values(record, case, dict(cause.data).get(IN_ZONE, ""))
    typed = boxes.name or "(nothing)"
    others = tuple(value for value in cause.found if record.value.lower() not in value.lower())
    rivals = _shorten(findings.clean_values(others or cause.found))
    alternative = _OTHER_PROOF if record.key == "identity" else _NO_OTHER_WAY
    removal = _AT_THE_TOP if record.name == case.domain.ascii else _BESIDE
    return {
        "subject": subject,
        "lower_subject": sentences.mid_sentence(subject),
        "type": record.type,
        "a_type": f"an {record.type}" if record.type.startswith("M") else f"a {record.type}",
        "name": record.name,
        "typed": typed,
        "where": "At your DNS host" if boxes.provider == GENERIC else f"At {boxes.provider.name}",
        "value": boxes.value,
        "bare": record.value,
        "whole": record.with_priority,
        "priority": str(record.priority or 0),
        "priority_box": f", {boxes.priority_label.lower()} {boxes.priority}" if boxes.priority_label else "",
        "remove": removal.format(kind=cause.at or "CNAME", typed=typed, zone=case.domain.zone, others=rivals),
        "while_gone": _KEPT if record.purpose in (Purpose.OWNERSHIP, Purpose.SIGNING) else _WHY[record.purpose],
        "others": rivals,
        **_of_hosts(record, cause, rivals, boxes),
        **_of_offer(record, cause),
        **_of_broken(record, cause),
        **_of_policy(record, cause),
        "use": sentences.use_of(cause.found),
        "reports": sentences.reports_of(cause.found),
        "underscore": alternative.format(domain=case.domain.ascii, value=record.value),
    }


def _of_hosts(record: Record, cause: Cause, rivals: str, boxes: FormValues) -> dict[str, str]:
    return {
        "only_mx": sentences.only_mx(record, findings.clean_values(cause.found)) if record.type == "MX" else "",
        **_of_dname(record, cause, boxes),
        "mail_at": current_mail_host(cause.found, record.value) or rivals,
        "host": _shorten(findings.clean_values(mx_hosts(cause.found) if record.type == "MX" else cause.found)),
    }


def _of_dname(record: Record, cause: Cause, boxes: FormValues) -> dict[str, str]:
    """Return the steps for a name below a DNAME. A CNAME at the target isn't seen: lookups end at the redirection."""
    target = "" if record.type == "CNAME" else findings.clean_text(dict(cause.data).get("target", ""))
    priority = f" {boxes.priority}" if boxes.priority_label else ""
    if not target:
        added = f"the {record.type} record “{boxes.name}”:{priority} {boxes.value}"
        replaced = f"Ask your DNS host to replace the DNAME with single records, then add {added}"
        return {"at_target": "", "replace_dname": replaced}
    return {
        "at_target": f"At the target's DNS host, add the {record.type} record {target}:{priority} {boxes.value}",
        "replace_dname": f"Or ask your DNS host to replace the DNAME, then add it as “{boxes.name}”",
    }


def _form_values(record: Record, case: Case, in_zone: str) -> FormValues:
    """A record above a delegated subzone is entered in the registered domain's zone. `in_zone`: a subzone."""
    zone = in_zone or case.domain.zone
    if zone != case.domain.zone:
        return typed_at(record, GENERIC, zone)
    is_inside = record.name == zone or record.name.endswith(f".{zone}")
    return typed_at(record, case.provider, zone if is_inside else case.facts.domain.zone)


def _of_policy(record: Record, cause: Cause) -> dict[str, str]:
    """Return the DMARC policy that applies and the name of its record."""
    above, data = record.inherited, dict(cause.data)
    at, policy = (dmarc_name(above.name), above.policy) if above else ("", "")
    return {"policy_at": data.get("policy_at", at), "policy": data.get("policy", policy)}


def _is_own(cause: Cause, record: Record) -> bool:
    """Return True if the found value is the customer's own, into which ours is merged."""
    if record.key == "dmarc":
        return cause.code.startswith(("dns.value.dmarc_", "dns.rival.dmarc", "dns.dmarc."))
    own = cause.code.startswith(("dns.value.spf_", "dns.rival.spf"))
    return record.key in SPF_KEYS and (own or (record.key == "apex-spf" and bool(cause.found) and not cause.at))


def _of_offer(record: Record, cause: Cause) -> dict[str, str]:
    """Return steps with the line to publish, or the reason why none is offered."""
    merged = findings.clean_text(record.value, LONGEST_VALUE)
    is_double = cause.code == "dns.rival.spf"
    subject = sentences.subject(record)
    keep = sentences.one_spf(record, findings.clean_values(cause.found), f"this value: {merged}") if is_double else ()
    return {
        "lost": f"{subject} is at {findings.clean_text(cause.at, 100)}." if cause.at else f"{subject} wasn't found.",
        "merged": merged,
        "fix": findings.clean_text(record.withheld) or f"Replace the current value with: {merged}",
        "keep": keep[0].removesuffix(".") if keep else "",
        "then_delete": keep[1].removesuffix(".") if len(keep) > 1 else "",
    }


def _of_broken(record: Record, cause: Cause) -> dict[str, str]:
    """Return the first syntax error of a policy record and its reason."""
    problems = problems_in(record, cause.found)
    if not problems:
        data = dict(cause.data)
        return {key: findings.clean_text(data.get(key, ""), 160) for key in ("place", "reason")}
    text, problem = problems[0]
    place = findings.clean_text(text[problem.start : problem.end].strip(), 80)
    return {"place": place or "a space", "reason": findings.clean_text(problem.reason, 160)}


def _shorten(found: tuple[str, ...]) -> str:
    """Return at most two shortened values. The finding's `found` has all."""
    some = ", ".join(findings.clean_text(value, 80) for value in found[:2])
    return f"{some} …" if len(found) > 2 else some or "nothing"


def _time(moment: datetime | None, case: Case) -> str:
    return format_time(moment, case.now) if moment else "an earlier check"
