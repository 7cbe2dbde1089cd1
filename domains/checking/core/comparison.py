"""Compares one resolver's answer with one required record: correct, absent, wrong with a code, or unknown. Pure.

Codes are stable: pages, API and documentation identify a cause by them. M numbers are from the catalogue of mistakes.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from itertools import takewhile

from domains.checking.core.amazon_hosts import HostUse, host_use, is_almost_ses, is_amazon_name, meant_use
from domains.checking.core.nearness import DIFFERS, difference, has_name_inside, is_in_other_type, is_pasted_key
from domains.dmarc import core as dmarc_core
from domains.dns.core import Answer, LookupStatus, mx_pairs
from domains.records.core import SPF_KEYS, Record, is_inbound
from domains.spf.core import evaluation, grammar, merger
from domains.spf.core.evaluation import NO_NAMES, SpfNames

CORRECT_CODE = ""
ABSENT_CODE = "dns.absent"
DNAME_CODE = "dns.alias.dname"
DANGLING_CODE = "dns.alias.dangling"
OTHER_HOST_CODE = "dns.value.amazon_other_host"
INHERITED_CODE = "dns.dmarc.inherited"
FAILED_CODE = "dns.lookup_failed"
MX_ALIAS_CODE = "dns.value.mx_alias"
ONE_BOX_CODE = "dns.value.name_inside"
IGNORED_CODE = "dns.spf.ignored"
WRONG_TYPE_CODE = "dns.value.wrong_type"
PASTED_KEY_CODE = "dns.value.pasted_key"

_LESS_EXACT = ("dns.value.typo", "dns.value.spaces")  # less exact than the place and reason of a syntax error
_SES_TOKEN = re.compile(r"[A-Za-z0-9+/]{43}=")
_IP = re.compile(r"(?:[0-9]{1,3}\.){3}[0-9]{1,3}|[0-9a-f]*:[0-9a-f:.]*")
_PART_OF_SPF = re.compile(
    r"[\s\"'“”]*(?:[+?~-]?include\s*[:=]\s*)?amazonses\.com\.?(?:\s+[+?~-]?all)?[\s\"'“”]*", re.IGNORECASE
)
_HOST = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?\.)+(?=[a-z0-9-]*[a-z])[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")


class Verdict(Enum):
    CORRECT = auto()
    ABSENT = auto()
    WRONG = auto()
    UNKNOWN = auto()


@dataclass(frozen=True)
class Comparison:
    """`found` has the values at the record's name, as answered."""

    verdict: Verdict
    code: str
    found: tuple[str, ...] = ()


def _wrong(code: str, found: tuple[str, ...]) -> Comparison:
    return Comparison(Verdict.WRONG, code, found)


def compare(record: Record, answer: Answer, further: Sequence[Answer] = (), names: SpfNames = NO_NAMES) -> Comparison:
    """Judge one answer. `further` answers `further_questions`; `names` is what DNS has at an SPF record's names."""
    plain = _compare_plain(record, answer)
    if plain.verdict is Verdict.CORRECT and record.key in SPF_KEYS:
        return _check_references(plain, names)
    if plain.verdict in (Verdict.CORRECT, Verdict.UNKNOWN):
        return plain
    if answer.dname:
        return _wrong(DNAME_CODE, (answer.dname,))
    if any(_is_alias_to_ours(record, plain, other) for other in further):
        return _wrong(MX_ALIAS_CODE, plain.found)
    same_source = [other for other in further if other.resolver == answer.resolver]
    return _best(plain, [(other, _explain(record, plain, other)) for other in same_source])


def _is_alias_to_ours(record: Record, plain: Comparison, other: Answer) -> bool:
    """Return True if an MX host that was found is an alias of ours: an MX must not name an alias (RFC 2181 10.3)."""
    is_found = record.type == "MX" and other.question.name in {host for _, host in mx_pairs(plain.found)}
    return is_found and other.question.type == "CNAME" and record.value.lower() in other.values


def _best(plain: Comparison, further: Sequence[tuple[Answer, Comparison | None]]) -> Comparison:
    """Prefer a correct result, then an unknown one, then the likeliest cause, unless a failed lookup precedes it."""
    found = [finding for _, finding in further if finding]
    for verdict in (Verdict.CORRECT, Verdict.UNKNOWN):
        if best := [finding for finding in found if finding.verdict is verdict]:
            return best[0]
    answered = takewhile(lambda pair: pair[0].status is not LookupStatus.FAILED, further)
    return next((finding for _, finding in answered if finding), plain)


def _compare_plain(record: Record, answer: Answer) -> Comparison:
    if answer.status is LookupStatus.FAILED:
        return Comparison(Verdict.UNKNOWN, FAILED_CODE)
    if answer.status is LookupStatus.NO_NAME and answer.aliases:
        return _wrong(DANGLING_CODE, answer.aliases[-1:])
    if answer.status is not LookupStatus.FOUND or not answer.values:
        return _inherited(record) if record.key == "dmarc" else Comparison(Verdict.ABSENT, ABSENT_CODE)
    by_key = _inbound if is_inbound(record.key) else _BY_KEY.get(record.key)
    return (by_key or _BY_TYPE[record.type])(record, answer.values)


def _explain(record: Record, plain: Comparison, other: Answer) -> Comparison | None:
    """Return what an answer for another name or type proves, if anything."""
    same_name, same_type = other.question.name == record.name, other.question.type == record.type
    if record.key == "identity" and not same_name and same_type and record.name == f"_amazonses.{other.question.name}":
        return _at_the_apex(record, other)
    if other.status is not LookupStatus.FOUND or plain.code == DANGLING_CODE:
        return None
    if same_type and other.question.name.startswith(record.name + "."):
        right = _compare_plain(record, other).verdict is Verdict.CORRECT
        found_at = (f"at {other.question.name}",)  # the value is correct, only the name differs
        return _wrong("dns.name.doubled_zone", found_at) if right else None
    return _of_another_type(record, plain, other) if same_name else None


def _of_another_type(record: Record, plain: Comparison, other: Answer) -> Comparison | None:
    """Judge records of another type at the record's own name."""
    kind, is_absent = other.question.type, plain.verdict is Verdict.ABSENT
    if kind == "TXT" and is_absent and record.type == "CNAME":
        return _text_for_alias(record, other.values)
    if kind == "TXT" and is_absent and record.type == "MX":
        return _of_wrong_type(record, kind, other.values)
    if kind == "CNAME" and record.type != "CNAME":
        return _of_wrong_type(record, kind, other.values) or _wrong("dns.rival.cname", other.values)
    return None


def _of_wrong_type(record: Record, kind: str, values: tuple[str, ...]) -> Comparison | None:
    """M13: the expected value in a record of another type."""
    is_ours = is_in_other_type(record.value, record.priority, values)
    return _wrong(WRONG_TYPE_CODE, tuple(f"{kind} {v}" for v in values)) if is_ours else None


def _at_the_apex(record: Record, other: Answer) -> Comparison | None:
    """SES accepts `amazonses:TOKEN` at the domain itself, for DNS hosts that refuse underscores."""
    if other.status is LookupStatus.FAILED:
        return Comparison(Verdict.UNKNOWN, FAILED_CODE)
    if f"amazonses:{record.value}" in other.values:
        return Comparison(Verdict.CORRECT, CORRECT_CODE, (f"amazonses:{record.value}",))
    typed = names_inside(record, other.values)
    return _wrong(ONE_BOX_CODE, typed) if typed else None


def names_inside(record: Record, values: tuple[str, ...]) -> tuple[str, ...]:
    """Return the values that also contain the name of the ownership record."""
    return tuple(v for v in values if record.key == "identity" and has_name_inside(record.value, v))


def _text_for_alias(record: Record, values: tuple[str, ...]) -> Comparison:
    """M13: the alias was entered as text. M25: the DNS host returns the key behind it. Other text is in its way."""
    if wrong := _of_wrong_type(record, "TXT", values):
        return wrong
    if is_pasted_key(values):
        return _wrong(PASTED_KEY_CODE, values)
    if any("p=" in value for value in values):
        return _wrong("dns.value.flattened", values)
    return _wrong("dns.rival.other_type", tuple(f"TXT {value}" for value in values))


def _text(record: Record, values: tuple[str, ...]) -> Comparison:
    """Case-sensitive. Other values at the name are allowed: each account and region has its own token."""
    if record.value in values:
        return Comparison(Verdict.CORRECT, CORRECT_CODE, values)
    code = _most_specific(_common_difference(record, value) for value in values)
    if code == DIFFERS and (typed := names_inside(record, values)):
        return _wrong(ONE_BOX_CODE, typed)
    if code == DIFFERS and record.key == "identity" and all(map(_SES_TOKEN.fullmatch, values)):
        return Comparison(Verdict.ABSENT, "dns.value.other_token", values)
    return _wrong(code, values)


def _alias(record: Record, values: tuple[str, ...]) -> Comparison:
    hosts = [value.strip().rstrip(".").lower() for value in values]
    if hosts == [record.value.lower()]:
        return Comparison(Verdict.CORRECT, CORRECT_CODE, values)
    return _wrong(_most_specific(_alias_difference(record, host) for host in hosts), values)


def _alias_difference(record: Record, host: str) -> str:
    """M28: the same key in another region's zone, or somebody else's key."""
    expected = record.value.lower()
    if host in record.others:
        return "dns.value.keys_swapped"
    use, code = host_use(host), _common_difference(record, host)
    if use is None:
        is_our_key = host.partition(".")[0] == expected.partition(".")[0] and is_amazon_name(host)
        return "dns.value.typo" if code == DIFFERS and is_our_key else code
    if use is not HostUse.SIGNING:
        return OTHER_HOST_CODE
    if host.partition(".")[0] == expected.partition(".")[0]:
        return "dns.value.other_region"
    return "dns.value.old_key" if code == DIFFERS else code


def _common_difference(record: Record, found: str) -> str:
    """Return `difference`, but `zone_appended` only if the extra ending is part of the record's own name."""
    code, added = difference(record.value.lower() if record.type != "TXT" else record.value, found), ""
    if code == "dns.value.zone_appended":
        added = found.lower()[len(record.value) + 1 :].rstrip(".")
        half = added[: len(added) // 2]
        added = half if added == f"{half}.{half}" else added  # both the customer and the DNS host appended it
    return "dns.value.typo" if added and ("." not in added or not f".{record.name}".endswith(f".{added}")) else code


def _inbound(record: Record, values: tuple[str, ...]) -> Comparison:
    """Our host must be the only one with the lowest preference number."""
    pairs = mx_pairs(values)
    ours = [preference for preference, host in pairs if host == record.value.lower()]
    rivals = [preference for preference, host in pairs if host != record.value.lower()]
    if not ours:
        return _wrong_mx(record, values, "dns.rival.mx")
    if _has_null(values):
        return _wrong("dns.rival.null_mx_beside", values)
    ahead = {host for preference, host in pairs if preference <= min(ours)} - {record.value.lower()}
    if ahead and all(host_use(host) is HostUse.RECEIVING for host in ahead):  # ours in another region doesn't compete
        return _wrong("dns.value.other_region", values)
    if min(ours) > min(pairs)[0]:
        return _wrong("dns.rival.mx", values)
    if min(ours) in rivals:
        return _wrong("dns.rival.mx_shared", values)
    return Comparison(Verdict.CORRECT, "dns.rival.mx_behind" if rivals else CORRECT_CODE, values)


def _only_mx(record: Record, values: tuple[str, ...]) -> Comparison:
    """SES refuses the setup if the MAIL FROM domain has any other MX (M22)."""
    hosts = {host for _, host in mx_pairs(values)}
    if hosts == {record.value.lower()} and len(values) == 1:
        return Comparison(Verdict.CORRECT, CORRECT_CODE, values)
    if record.value.lower() in hosts:
        code = "dns.rival.null_mx_beside" if _has_null(values) else "dns.rival.mail_from_mx"
        return _wrong(code, values)
    return _wrong_mx(record, values, "dns.rival.mail_from_mx")


def _without_zone(record: Record, host: str) -> str:
    """Remove the domain that a DNS host appended to a host name or IP address without a final dot."""
    above = record.name.split(".")
    zones = [".".join(above[at:]) for at in range(len(above) - 1)]
    return next((bare for zone in zones if (bare := host.removesuffix(f".{zone}")) != host), host)


def _has_null(values: tuple[str, ...]) -> bool:
    """RFC 7505: "0 ." says that no mail is accepted, and must be the only MX."""
    return any(host == "" for _, host in mx_pairs(values))


def _wrong_mx(record: Record, values: tuple[str, ...], rival: str) -> Comparison:
    """None of the hosts is ours: a typo, or somebody else's host."""
    code = _most_specific(_mx_difference(record, host) for _, host in mx_pairs(values))
    return _wrong(rival if code == DIFFERS else code, values)


def _mx_difference(record: Record, host: str) -> str:
    expected = record.value.lower()
    if host == "":
        return "dns.rival.null_mx"
    wanted, there = host_use(expected), host_use(host)
    if wanted and there:
        return "dns.value.other_region" if there is wanted else OTHER_HOST_CODE
    if _IP.fullmatch(_without_zone(record, host)):
        return "dns.value.ip"
    if (code := _common_difference(record, host)) != DIFFERS:
        return code
    if wanted and (meant_use(host) is wanted or is_almost_ses(host)):
        return "dns.value.typo"
    is_itself = host == record.name and not is_inbound(record.key)  # a domain may be its own mail server
    return "dns.value.impossible_host" if is_itself or not _HOST.fullmatch(host) else DIFFERS


def _spf(record: Record, values: tuple[str, ...]) -> Comparison:
    """SES must be included where it takes effect. The rest of the line belongs to the customer."""
    lines = grammar.spf_records(values)
    if len(lines) > 1:
        return _wrong("dns.rival.spf", lines)
    if not lines:
        if part := tuple(filter(_PART_OF_SPF.fullmatch, values)):
            return _wrong("dns.value.spf_part", part)
        broken = tuple(filter(grammar.resembles_spf, values))
        return _damaged_or_absent(merger.DEFAULT_RECORD, values, broken, "dns.value.spf_syntax")
    line = grammar.parse(lines[0])
    if line.problems or not grammar.authorises(lines[0]):
        return _without_ses(record, line, lines)
    if line.allows_anyone:
        return _wrong("dns.value.spf_open", lines)
    return Comparison(Verdict.CORRECT, CORRECT_CODE, lines)


def _check_references(right: Comparison, names: SpfNames) -> Comparison:
    """Check what a valid SPF line refers to: includes, lookup count, void lookups."""
    line = grammar.spf_records(right.found)[0]
    stumbles = (
        (grammar.parse(line).lookups > evaluation.MOST_LOOKUPS, "dns.value.spf_lookups"),
        (bool(evaluation.broken_includes(line, names)), "dns.value.spf_include"),
        (evaluation.count_lookups(line, names).too_many, "dns.value.spf_lookups"),
        (evaluation.count_voids(line, names) > evaluation.MOST_VOIDS, "dns.value.spf_voids"),
    )
    code = next((code for holds, code in stumbles if holds), "")
    if code:
        return _wrong(code, right.found)
    return Comparison(Verdict.CORRECT, IGNORED_CODE, right.found) if grammar.parse(line).ignored else right


def _without_ses(record: Record, line: grammar.Spf, lines: tuple[str, ...]) -> Comparison:
    """The line does not authorise SES: ours damaged, or another. At the apex, ours is the existing line plus SES."""
    if not line.problems and any(term.has_wrong_sign and term.domain == grammar.AMAZON for term in line.ignored):
        return _wrong("dns.value.spf_equals", lines)
    expected, at_apex = merger.DEFAULT_RECORD, record.key == "apex-spf"
    spoilt = difference(expected, lines[0])
    is_sound = not line.problems
    is_whole = at_apex and spoilt == "dns.value.cut" and is_sound
    is_anothers = is_sound and spoilt == "dns.value.typo" and merger.add_include(lines[0]).value != expected
    if spoilt != DIFFERS and not (is_whole or is_anothers) and not (line.problems and spoilt in _LESS_EXACT):
        return _wrong(spoilt, lines)
    if line.problems:
        return _wrong("dns.value.spf_syntax", lines)
    out_of_reach = any(term.includes(grammar.AMAZON) for term in line.terms)
    code = "dns.value.spf_order" if out_of_reach else "dns.value.spf_without_amazon"
    untouched = at_apex and not out_of_reach
    return Comparison(Verdict.ABSENT if untouched else Verdict.WRONG, code, lines)


def _damaged_or_absent(expected: str, values: tuple[str, ...], broken: tuple[str, ...], code: str) -> Comparison:
    """Ignore other text at the name, unless it is our value damaged, or was meant as such a record."""
    spoilt = tuple(value for value in values if difference(expected, value) != DIFFERS)
    if spoilt:
        return _wrong(difference(expected, spoilt[0]), spoilt)
    return _wrong(code, broken) if broken else Comparison(Verdict.ABSENT, ABSENT_CODE)


def _dmarc(record: Record, values: tuple[str, ...]) -> Comparison:
    """Any valid policy is accepted. The recommended one is never weaker than the one that applies."""
    lines = tuple(filter(dmarc_core.is_dmarc, values))
    if len(lines) > 1:
        return _wrong("dns.rival.dmarc", lines)
    if not lines:
        broken = tuple(filter(dmarc_core.resembles_dmarc, values))
        found = _damaged_or_absent(_default_policy(record), values, broken, "dns.value.dmarc_syntax")
        return _inherited(record) if found.verdict is Verdict.ABSENT else found
    own = dmarc_core.parse(lines[0])
    if own.problems:
        code = "dns.value.dmarc_syntax" if "p" in own.tags else "dns.value.dmarc_policy"
        spoilt = difference(_default_policy(record), lines[0])
        return _wrong(code if spoilt == DIFFERS else spoilt, lines)
    missing = set(dmarc_core.parse(record.value).reports) - set(own.reports)
    verdict, code = (Verdict.WRONG, "dns.value.dmarc_reports") if missing else (Verdict.CORRECT, CORRECT_CODE)
    return Comparison(verdict, code, lines)


def _transport(record: Record, values: tuple[str, ...]) -> Comparison:
    """MTA-STS or TLS-RPT: exactly one line with the version and the required tag, whatever its value."""
    version, _, tag = (part.strip() for part in record.value.partition(";"))
    needed = tag.partition("=")[0]
    lines = tuple(value for value in values if value.replace(" ", "").startswith(f"{version};"))
    if not lines:
        return _damaged_or_absent(record.value, values, (), DIFFERS)
    tags = [part.partition("=") for part in lines[0].split(";")[1:]]
    is_right = len(lines) == 1 and any(name.strip() == needed and value.strip() for name, _, value in tags)
    return Comparison(Verdict.CORRECT if is_right else Verdict.WRONG, "" if is_right else DIFFERS, lines)


def _default_policy(record: Record) -> str:
    """Return the record that we recommend if no policy applies."""
    return dmarc_core.monitoring_record(record.reports_to)


def _inherited(record: Record) -> Comparison:
    """Without its own record, the domain has a parent's policy. Only our report address may be missing then."""
    if record.withheld or not record.is_inherited_known:
        return Comparison(Verdict.UNKNOWN, FAILED_CODE)
    if record.inherited is None:
        return Comparison(Verdict.ABSENT, ABSENT_CODE)
    missing = set(dmarc_core.parse(record.value).reports) - set(dmarc_core.parse(record.inherited.text).reports)
    if missing:
        return Comparison(Verdict.ABSENT, "dns.dmarc.own_reports", (record.inherited.text,))
    return Comparison(Verdict.CORRECT, INHERITED_CODE, (record.inherited.text,))


def inherits_policy(record: Record) -> bool:
    """Return True if the policy of a parent domain is enough."""
    return record.key == "dmarc" and _inherited(record).verdict is Verdict.CORRECT


def _most_specific(codes: Iterable[str]) -> str:
    """Return the first code that is more specific than DIFFERS."""
    return next((code for code in codes if code != DIFFERS), DIFFERS)


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
