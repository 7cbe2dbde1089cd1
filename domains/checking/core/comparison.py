"""Compares one resolver's answer with one wanted record: correct, absent, wrong with a code, or unknown. Pure.

Codes are stable: pages, API and documentation identify a cause by them. M numbers are those of the catalogue of DNS
mistakes.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from domains.dmarc import core as dmarc_core
from domains.dns.core import Answer, LookupStatus
from domains.records.core import Record, is_inbound
from domains.spf.core import evaluation, grammar

RIGHT_CODE = ""
ABSENT_CODE = "dns.absent"
FAILED_CODE = "dns.lookup_failed"

_LESS_EXACT = ("dns.value.typo", "dns.value.spaces")  # than the place and reason of a broken term
_QUOTES = "\"'“”„‟‘’`\\"
_REGIONAL = re.compile(r"(inbound-smtp\.[a-z0-9-]+\.amazonaws|feedback-smtp\.[a-z0-9-]+\.amazonses)\.com")
_DKIM_TARGET = re.compile(r"([a-z0-9]+)\.dkim(?:\.[a-z0-9-]+)?\.amazonses\.com")
_SES_TOKEN = re.compile(r"[A-Za-z0-9+/]{43}=")
_UNSEEN = re.compile(r"[\s\u00ad\u200b-\u200f\u2060\ufeff\ufffd]|\\[0-9]{3}")  # a host name shows a byte as "\226"
_IP = re.compile(r"[0-9.]+|.*:.*")


class Verdict(Enum):
    RIGHT = auto()
    ABSENT = auto()
    WRONG = auto()
    UNKNOWN = auto()


@dataclass(frozen=True)
class Comparison:
    """`found` holds what answered at the record's place, as it answered."""

    verdict: Verdict
    code: str
    found: tuple[str, ...] = ()


def compare(record: Record, answer: Answer, further: Sequence[Answer] = ()) -> Comparison:
    """`further` are answers to `dns.core.further_questions`; those of another resolver are left out."""
    plain = _compare_plain(record, answer)
    if plain.verdict in (Verdict.RIGHT, Verdict.UNKNOWN):
        return plain
    same_source = [other for other in further if other.resolver == answer.resolver]
    better = [finding for other in same_source if (finding := _better(record, plain, other))]
    proof = [finding for finding in better if finding.verdict is Verdict.RIGHT]
    return (proof or better or [plain])[0]


def difference(expected: str, found: str) -> str:
    """The code that says in which usual way a value differs, "dns.value.differs" where it is none of them."""
    looks = (
        (found.strip().strip(_QUOTES).strip() == expected, "dns.value.quoted"),
        (found.lower() == expected.lower(), "dns.value.case"),
        (_UNSEEN.sub("", found) == _UNSEEN.sub("", expected), "dns.value.spaces"),
        (found.lower().startswith(expected.lower() + "."), "dns.value.zone_appended"),
        (found == f"amazonses:{expected}", "dns.value.prefixed"),
        (re.sub(r"^[0-9]+(?:\\032|\s)*", "", found) == expected, "dns.value.priority_inside"),
        (expected.startswith(found) and len(found) >= 0.6 * len(expected), "dns.value.cut"),
        (len(expected) > 8 and is_close(expected, found, 3), "dns.value.typo"),
    )
    return next((code for holds, code in looks if holds), "dns.value.differs")


def _compare_plain(record: Record, answer: Answer) -> Comparison:
    if answer.status is LookupStatus.FAILED:
        return Comparison(Verdict.UNKNOWN, FAILED_CODE)
    if answer.status is not LookupStatus.FOUND or not answer.values:
        return Comparison(Verdict.ABSENT, ABSENT_CODE)
    by_key = _inbound if is_inbound(record.key) else _BY_KEY.get(record.key)
    return (by_key or _BY_TYPE[record.type])(record, answer.values)


def _better(record: Record, plain: Comparison, other: Answer) -> Comparison | None:
    """What an answer from another place or of another type proves, if anything."""
    same_name, same_type = other.question.name == record.name, other.question.type == record.type
    if record.key == "identity" and not same_name and same_type and record.name == f"_amazonses.{other.question.name}":
        return _at_the_apex(record, other)
    if other.status is not LookupStatus.FOUND:
        return None
    if same_type and other.question.name.startswith(record.name + "."):
        right = _compare_plain(record, other).verdict is Verdict.RIGHT
        found_at = (f"at {other.question.name}",)  # the value is the expected one: the name is what differs
        return Comparison(Verdict.WRONG, "dns.name.doubled_zone", found_at) if right else None
    if same_name and plain.verdict is Verdict.ABSENT and record.type == "CNAME" and other.question.type == "TXT":
        return _text_for_alias(record, other.values)
    if same_name and record.type != "CNAME" and other.question.type == "CNAME":
        return Comparison(Verdict.WRONG, "dns.rival.cname", other.values)
    return None


def _at_the_apex(record: Record, other: Answer) -> Comparison | None:
    """Amazon takes `amazonses:TOKEN` at the domain itself where a DNS host refuses underscores."""
    if other.status is LookupStatus.FAILED:
        return Comparison(Verdict.UNKNOWN, FAILED_CODE)
    right = f"amazonses:{record.value}" in other.values
    return Comparison(Verdict.RIGHT, RIGHT_CODE, (f"amazonses:{record.value}",)) if right else None


def _text_for_alias(record: Record, values: tuple[str, ...]) -> Comparison | None:
    """M13: the alias entered as text. M25: the DNS host answers with the key behind the alias in place of the alias."""
    if any(_host(value) == record.value.lower() for value in values):
        return Comparison(Verdict.WRONG, "dns.value.wrong_type", values)
    if any("p=" in value for value in values):
        return Comparison(Verdict.WRONG, "dns.value.flattened", values)
    return None


def _text(record: Record, values: tuple[str, ...]) -> Comparison:
    """Exact, case and all. Other values beside ours are allowed: each account and region has its own token."""
    if record.value in values:
        return Comparison(Verdict.RIGHT, RIGHT_CODE, values)
    code = _telling(difference(record.value, value) for value in values)
    if code == "dns.value.differs" and record.key == "identity" and all(map(_SES_TOKEN.fullmatch, values)):
        return Comparison(Verdict.ABSENT, "dns.value.other_token", values)
    return Comparison(Verdict.WRONG, code, values)


def _alias(record: Record, values: tuple[str, ...]) -> Comparison:
    hosts = [_host(value) for value in values]
    expected = record.value.lower()
    if hosts == [expected]:
        return Comparison(Verdict.RIGHT, RIGHT_CODE, values)
    return Comparison(Verdict.WRONG, _telling(_alias_difference(expected, host) for host in hosts), values)


def _alias_difference(expected: str, host: str) -> str:
    """M28: the same key in another region's zone, or a key that is not ours."""
    code, other = difference(expected, host), _DKIM_TARGET.fullmatch(host)
    if other and other[1] == expected.partition(".")[0]:
        return "dns.value.other_region"
    return "dns.value.old_key" if other and code == "dns.value.differs" else code


def _inbound(record: Record, values: tuple[str, ...]) -> Comparison:
    """By order, not by number: our host must be strictly the best preference."""
    best = min((preference for preference, _ in _mx(values)), default=0)
    ours = [preference for preference, host in _mx(values) if host == record.value.lower()]
    rivals = [preference for preference, host in _mx(values) if host != record.value.lower()]
    if not ours:
        return _wrong_mx(record, values, "dns.rival.mx")
    if min(ours) > best or min(ours) in rivals:
        return Comparison(Verdict.WRONG, "dns.rival.mx", values)
    return Comparison(Verdict.RIGHT, "dns.rival.mx_behind" if rivals else RIGHT_CODE, values)


def _only_mx(record: Record, values: tuple[str, ...]) -> Comparison:
    """Amazon refuses the set-up where the MAIL FROM name has any second MX (M22)."""
    hosts = {host for _, host in _mx(values)}
    if hosts == {record.value.lower()} and len(values) == 1:
        return Comparison(Verdict.RIGHT, RIGHT_CODE, values)
    if record.value.lower() in hosts:
        return Comparison(Verdict.WRONG, "dns.rival.mail_from_mx", values)
    return _wrong_mx(record, values, "dns.rival.mail_from_mx")


def _wrong_mx(record: Record, values: tuple[str, ...], rival: str) -> Comparison:
    """None of the hosts is ours: mistyped, or somebody else's."""
    code = _telling(_mx_difference(record.value.lower(), host) for _, host in _mx(values))
    return Comparison(Verdict.WRONG, rival if code == "dns.value.differs" else code, values)


def _mx_difference(expected: str, host: str) -> str:
    if host in ("", "."):
        return "dns.rival.null_mx"
    if _REGIONAL.fullmatch(host) and host.partition(".")[0] == expected.partition(".")[0]:
        return "dns.value.other_region"
    return "dns.value.ip" if _IP.fullmatch(host) else difference(expected, host)


def _spf(record: Record, values: tuple[str, ...]) -> Comparison:
    """Amazon must be included where it takes effect; what else the line holds is the customer's own."""
    lines = grammar.spf_among(values)
    if len(lines) > 1:
        return Comparison(Verdict.WRONG, "dns.rival.spf", lines)
    if not lines:
        broken = tuple(filter(grammar.resembles_spf, values))
        return _spoilt_or_absent(record, values, broken, "dns.value.spf_syntax")
    line = grammar.read(lines[0])
    if line.problems or not grammar.allows(lines[0]):
        return _without_amazon(record, line, lines)
    if line.is_open:
        return Comparison(Verdict.WRONG, "dns.value.spf_open", lines)
    too_many = line.lookups > evaluation.MOST_LOOKUPS
    return (
        Comparison(Verdict.WRONG, "dns.value.spf_lookups", lines) if too_many else Comparison(Verdict.RIGHT, "", lines)
    )


def _without_amazon(record: Record, line: grammar.Spf, lines: tuple[str, ...]) -> Comparison:
    """Ours spoilt, or somebody else's. At the domain itself ours is the line that is there and more, not cut."""
    spoilt, at_apex = difference(record.value, lines[0]), record.key == "apex-spf"
    is_whole = at_apex and spoilt == "dns.value.cut" and not line.problems
    if spoilt != "dns.value.differs" and not is_whole and not (line.problems and spoilt in _LESS_EXACT):
        return Comparison(Verdict.WRONG, spoilt, lines)
    if line.problems:
        return Comparison(Verdict.WRONG, "dns.value.spf_syntax", lines)
    out_of_reach = any(term.includes(grammar.AMAZON) for term in line.terms)
    code = "dns.value.spf_order" if out_of_reach else "dns.value.spf_without_amazon"
    untouched = at_apex and not out_of_reach
    return Comparison(Verdict.ABSENT if untouched else Verdict.WRONG, code, lines)


def _spoilt_or_absent(record: Record, values: tuple[str, ...], broken: tuple[str, ...], code: str) -> Comparison:
    """Other text at the name is none of our business, unless it is ours spoilt, or meant as what we look for."""
    spoilt = tuple(value for value in values if difference(record.value, value) != "dns.value.differs")
    if spoilt:
        return Comparison(Verdict.WRONG, difference(record.value, spoilt[0]), spoilt)
    return Comparison(Verdict.WRONG, code, broken) if broken else Comparison(Verdict.ABSENT, ABSENT_CODE)


def _dmarc(record: Record, values: tuple[str, ...]) -> Comparison:
    """Any valid policy will do; the one that is recommended only watches."""
    lines = tuple(filter(dmarc_core.is_dmarc, values))
    if len(lines) > 1:
        return Comparison(Verdict.WRONG, "dns.rival.dmarc", lines)
    if not lines:
        broken = tuple(filter(dmarc_core.resembles_dmarc, values))
        return _spoilt_or_absent(record, values, broken, "dns.value.dmarc_syntax")
    own = dmarc_core.read(lines[0])
    if own.problems:
        code, spoilt = _dmarc_code(own), difference(record.value, lines[0])
        return Comparison(Verdict.WRONG, code if spoilt == "dns.value.differs" else spoilt, lines)
    missing = set(dmarc_core.read(record.value).reports) - set(own.reports)
    return Comparison(Verdict.WRONG if missing else Verdict.RIGHT, "dns.value.dmarc_reports" if missing else "", lines)


def _transport(record: Record, values: tuple[str, ...]) -> Comparison:
    """MTA-STS or TLS-RPT: one line of the version, with the tag that it needs; what it says there is the owner's."""
    version, _, tag = (part.strip() for part in record.value.partition(";"))
    needed = tag.partition("=")[0]
    lines = tuple(value for value in values if value.replace(" ", "").startswith(f"{version};"))
    if not lines:
        return _spoilt_or_absent(record, values, (), "dns.value.differs")
    tags = [part.partition("=") for part in lines[0].split(";")[1:]]
    is_right = len(lines) == 1 and any(name.strip() == needed and value.strip() for name, _, value in tags)
    return Comparison(Verdict.RIGHT if is_right else Verdict.WRONG, "" if is_right else "dns.value.differs", lines)


def _dmarc_code(own: dmarc_core.DmarcRecord) -> str:
    return "dns.value.dmarc_syntax" if "p" in own.tags else "dns.value.dmarc_policy"


def _mx(values: Sequence[str]) -> list[tuple[int, str]]:
    pairs = [value.partition(" ") for value in values]
    return [(int(preference), _host(host)) for preference, _, host in pairs if preference.isdigit()]


def _host(text: str) -> str:
    return text.strip().rstrip(".").lower()


def _telling(codes: Iterable[str]) -> str:
    """The first code that says more than that something differs."""
    return next((code for code in codes if code != "dns.value.differs"), "dns.value.differs")


def is_close(one: str, other: str, most: int) -> bool:
    """Whether at most so many letters were put in, left out or changed (Levenshtein)."""
    if abs(len(one) - len(other)) > most:
        return False
    row = list(range(len(other) + 1))
    for at, letter in enumerate(one, start=1):
        above, row[0] = row[0], at
        for beside, opposite in enumerate(other, start=1):
            above, row[beside] = row[beside], min(row[beside] + 1, row[beside - 1] + 1, above + (letter != opposite))
    return row[-1] <= most


_Compare = Callable[[Record, tuple[str, ...]], Comparison]
_BY_KEY: dict[str, _Compare] = {
    "mail-from-mx": _only_mx,
    "mail-from-spf": _spf,
    "apex-spf": _spf,
    "dmarc": _dmarc,
    "mta-sts": _transport,
    "tls-rpt": _transport,
}
_BY_TYPE: dict[str, _Compare] = {"TXT": _text, "CNAME": _alias, "MX": _only_mx}
