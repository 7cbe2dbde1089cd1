"""Why what is at the right place is not right: its value, or what stands beside it."""

import re
from collections.abc import Iterator

from domains.core import spf
from domains.core.comparing import is_close
from domains.core.diagnosis import missing
from domains.core.diagnosis.causes import Case, Cause
from domains.core.diagnosis.holding import holds, is_forwarding, mx_hosts
from domains.core.diagnosis.merging import merged, nested_lookups
from domains.core.diagnosis.places import beside
from domains.core.observing import question_for
from domains.core.records import RECEIVING_REGIONS, Purpose, Record

_DOTS = re.compile(r"[.\\]+$")
_ELSEWHERE = frozenset({"dns.rival.mx", "dns.rival.mail_from_mx"})


def explain(record: Record, case: Case, code: str, found: tuple[str, ...]) -> Cause:
    """`code` is what comparing the values alone came to."""
    if missing.is_wildcard(record, case) and not holds(record, found):
        return Cause("dns.rival.wildcard", record, found, at=f"*.{record.name.partition('.')[2]}")
    if _is_dotted(record, found):
        return Cause("dns.value.dot", record, found)
    if code == "dns.value.other_region" and _is_no_region(record, found):
        code = "dns.value.typo"
    if code in ("dns.rival.spf", "dns.value.spf_lookups"):
        return _two_lines(record, found) if code == "dns.rival.spf" else _lookups(record, case, found)
    if code in _ELSEWHERE:
        return missing.misplaced(record, case) or _rival(record, case, code, found)
    if code == "dns.value.differs" or record.key == "dmarc":
        return missing.misplaced(record, case) or _changed(record, case, found) or Cause(code, record, found)
    return Cause(code, record, found)


def beside_right(record: Record, case: Case, found: tuple[str, ...], signed: bool) -> Iterator[Cause]:
    """What spoils a record that is right itself; `signed` where a signature of the domain's is in place."""
    question = beside(record)
    rivals = case.seen.values(question.name, question.type)
    if rivals and not _is_the_way(case, record, rivals):
        yield Cause("dns.rival.cname", record, rivals, at=question.type)
    if record.key in ("mail-from-spf", "apex-spf") and _count(case, spf.spf_among(found)) > spf.MOST_LOOKUPS:
        yield _lookups(record, case, found)
    if (
        record.key == "dmarc"
        and not signed
        and re.search(r";\s*p\s*=\s*(reject|quarantine)", " ".join(found), re.IGNORECASE)
    ):
        yield Cause("dns.value.dmarc_strict", record, found)


def _is_the_way(case: Case, record: Record, rivals: tuple[str, ...]) -> bool:
    """Whether the alias leads to what is right, or is another record of the name in a wrong type, told of there."""
    if record.type == "CNAME":
        return any(answer.aliases for answer in case.seen.at_host(beside(record)) if answer.values == rivals)
    followed = any(answer.aliases for answer in case.seen.at_host(question_for(record)))
    return followed or any(r.value.lower() in rivals for r in case.seen.records if r.name == record.name)


def _rival(record: Record, case: Case, code: str, found: tuple[str, ...]) -> Cause:
    """Somebody else's mail servers at the name."""
    alias = _alias_to_ours(record, case, found)
    if alias:
        return Cause("dns.value.mx_alias", record, found, at=alias)
    if record.purpose is Purpose.RECEIVING:
        ours = [r for r in case.seen.records if r.key == "mail-from-mx" and r.value.lower() in mx_hosts(found)]
        if ours:
            return Cause("dns.name.apex_mx", ours[0], found, at=record.name)
        return Cause("dns.rival.forwarding" if is_forwarding(found) else code, record, found)
    return Cause(code if holds(record, found) else "dns.rival.mail_from_in_use", record, found)


def _alias_to_ours(record: Record, case: Case, found: tuple[str, ...]) -> str:
    """An MX must not name an alias (RFC 2181 10.3); this one is an alias of the very host that was meant."""
    hosts = [host for host in mx_hosts(found) if record.value.lower() in case.seen.values(host, "CNAME")]
    return hosts[0] if hosts else ""


def _changed(record: Record, case: Case, found: tuple[str, ...]) -> Cause | None:
    verified = case.history.verified_at(record.key)
    return Cause("dns.change.gone", record, found, until=verified) if verified else None


def _two_lines(record: Record, found: tuple[str, ...]) -> Cause:
    line = merged(spf.spf_among(found))
    data = (("merged", line.value), ("lookups", str(line.lookups)))
    return Cause("dns.rival.spf", record, found, data=data)


def _is_no_region(record: Record, found: tuple[str, ...]) -> bool:
    """A letter of the region mistyped, which makes it a region that Amazon has not got."""
    said = mx_hosts(found) if record.type == "MX" else found
    close = [value for value in said if is_close(record.value.lower(), value.rstrip(".").lower(), 2)]
    return any(RECEIVING_REGIONS.isdisjoint(value.split(".")) for value in close)


def _is_dotted(record: Record, found: tuple[str, ...]) -> bool:
    said = mx_hosts(found) if record.type == "MX" else found
    expected = record.value.lower() if record.type != "TXT" else record.value
    return any(value != expected and _DOTS.sub("", value) == expected for value in said)


def _lookups(record: Record, case: Case, found: tuple[str, ...]) -> Cause:
    line = spf.spf_among(found)[0]
    counted = nested_lookups(line, dict(case.seen.spf))
    costliest = max(counted.by_term, key=lambda pair: pair[1], default=("", 0))
    data = (("lookups", str(counted.total)), ("costliest", costliest[0]), ("costs", str(costliest[1])))
    return Cause("dns.value.spf_lookups", record, found, data=data)


def _count(case: Case, lines: tuple[str, ...]) -> int:
    return nested_lookups(lines[0], dict(case.seen.spf)).total if lines else 0
