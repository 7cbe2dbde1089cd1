"""The value types of a diagnosis: findings of five lines, the ten links, the three lanes, and the causes behind them.

`clean_text` shortens untrusted text and escapes control characters, so every value from DNS is already clean. `mark`
compares two values and marks the differing characters. A `Cause` is a code with the data for its sentence;
`words.finding_of` turns it into text.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from difflib import SequenceMatcher
from enum import StrEnum
from itertools import takewhile
from typing import Any

from domains.checking.core.sentences import problems_in
from domains.diagnosis.core.codes import CODES
from domains.diagnosis.core.observations import Observations, RecordHistory, SesView
from domains.names.core import DomainName
from domains.providers.core import GENERIC, DnsProvider
from domains.records.core import IdentityFacts, Record
from domains.spf.core.grammar import marked_problems
from inbound_admin.lib.moments import minute_in_utc

LONGEST = 300
MOST_VALUES = 8


def clean_text(value: str, longest: int = LONGEST) -> str:
    """Return the text, shortened, with all that isn't printable escaped, as "\\u200b". The page must escape HTML."""
    shown = value[: longest + 1]
    if not shown.isprintable():
        shown = "".join(char if char.isprintable() else _escape_char(char) for char in shown)
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"


def clean_values(found: tuple[str, ...]) -> tuple[str, ...]:
    """Return at most MOST_VALUES cleaned values."""
    some = tuple(clean_text(value) for value in found[:MOST_VALUES])
    return (*some, f"… and {len(found) - MOST_VALUES} more") if len(found) > MOST_VALUES else some


def _escape_char(char: str) -> str:
    return f"\\u{ord(char):04x}" if ord(char) < 0x10000 else f"\\U{ord(char):08x}"


Piece = tuple[str, bool]
Pair = tuple[tuple[Piece, ...], tuple[Piece, ...]]
LONGEST_MARKED = 300  # characters to compare: the algorithm is quadratic
FEW = 3  # differing pieces; with more, the values are just different


_LABELS = re.compile(r"[\w-]+|.", re.DOTALL)
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-[0-9]")


def mark(expected: str, found: str) -> Pair:
    """Return both values in pieces, where True marks a difference. Long values are cut: the algorithm is quadratic.

    Whole labels are marked, because a partly marked region or host name is hard to read. If a label differs in one
    place only, such as a typo, just that place is marked.
    """
    ours_in, theirs_in = (_LABELS.findall(value[:LONGEST_MARKED]) for value in (expected, found))
    ours: list[Piece] = []
    theirs: list[Piece] = []
    for tag, start, end, other_start, other_end in SequenceMatcher(None, ours_in, theirs_in, False).get_opcodes():
        label, other = "".join(ours_in[start:end]), "".join(theirs_in[other_start:other_end])
        is_one = end - start == other_end - other_start == 1
        pair = _one_place(label, other) if tag == "replace" and is_one else None
        left, right = pair or (((label, tag != "equal"),), ((other, tag != "equal"),))
        ours += [piece for piece in left if piece[0]]
        theirs += [piece for piece in right if piece[0]]
    return tuple(ours), tuple(theirs)


def _one_place(label: str, other: str) -> Pair | None:
    """Return the one place where two labels differ; None if they differ in more places, or if one is a region."""
    before = _common_prefix(label, other)
    after = _common_prefix(label[before:][::-1], other[before:][::-1])
    middle, others = label[before : len(label) - after], other[before : len(other) - after]
    if (
        before + after == 0
        or max(len(middle), len(others)) > FEW
        or _REGION.fullmatch(label)
        or _REGION.fullmatch(other)
    ):
        return None
    head, tail = (label[:before], False), (label[len(label) - after :], False)
    return (head, (middle, True), tail), (head, (others, True), tail)


def _common_prefix(one: str, other: str) -> int:
    """Return the length of the common prefix."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def mark_if_similar(expected: str, found: str) -> Pair | None:
    """Return `mark` if the values are similar; None if they are equal or marks would not help."""
    if expected == found or max(len(expected), len(found)) > LONGEST_MARKED:
        return None
    pair = mark(expected, found)
    alike = sum(len(piece) for piece, differs in pair[0] if not differs)
    is_near = alike * 2 >= min(len(expected), len(found))
    return pair if is_near and all(sum(differs for _, differs in pieces) <= FEW for pieces in pair) else None


def mark_lines(looked_for: str, found: str) -> Pair | None:
    """Compare a finding's two lines. If both name a place ("TXT at …", "at …"), only the places are compared."""
    kind, at, place = looked_for.partition(" at ")
    if not at or not found.startswith("at "):
        return mark_if_similar(looked_for, found)
    pair = mark_if_similar(place, found.removeprefix("at "))
    return (((kind + at, False), *pair[0]), (("at ", False), *pair[1])) if pair else None


def mark_differences(looked_for: str, found: tuple[str, ...], record: Record | None) -> Pair | None:
    """Return the syntax errors of a policy record, or else the differences; None if there is nothing to mark."""
    if record is None or len(found) != 1:
        return mark_lines(looked_for, found[0]) if len(found) == 1 else None
    problems = [problem for _, problem in problems_in(record, found)]
    if problems:
        return ((looked_for, False),) if looked_for else (), marked_problems(found[0], problems)
    return mark_lines(looked_for, found[0])


def bracketed(expected: str, found: str) -> tuple[str, str]:
    """Return both values as text with the differences in square brackets."""
    ours, theirs = mark(expected, found)
    return _bracket(ours), _bracket(theirs)


def _bracket(pieces: tuple[Piece, ...]) -> str:
    return "".join(f"[{piece}]" if differs else piece for piece, differs in pieces)


class Severity(StrEnum):
    """RED loses mail today. BROKEN stops something required. WAIT needs time. NOTE stops nothing."""

    RED = "red"
    BROKEN = "broken"
    WAIT = "wait"
    NOTE = "note"
    UNKNOWN = "unknown"


class LinkState(StrEnum):
    OK = "ok"
    BROKEN = "broken"
    UNKNOWN = "unknown"
    NOT_REACHED = "not_reached"


@dataclass(frozen=True)
class DiagnosisFinding:
    """Five lines: `verdict`; `looked_for` and `found`; `why`; `steps`; `then`. Without `more` they have at most 60
    words.

    `record_key` is "" if the whole domain is affected. `link` is the key of the broken link. `blocks` is what does not
    work ("receiving", "sending", or nothing). `mistake` is the number in the catalogue ("M01"). `data` has further
    values as pairs ("type_name": what to enter, "merged": the one SPF line ...).
    """

    code: str
    record_key: str
    verdict: str
    looked_for: str
    found: tuple[str, ...]
    why: str
    steps: tuple[str, ...]
    then: str
    severity: Severity
    blocks: tuple[str, ...]
    mistake: str
    data: tuple[tuple[str, str], ...] = ()
    link: str = ""
    more: str = ""

    @property
    def stops(self) -> bool:
        """Return True if something required is not correct because of it."""
        return self.severity is not Severity.NOTE

    @property
    def is_recommendation(self) -> bool:
        """Return True if only an optional record is missing: nothing is wrong."""
        return self.severity is Severity.NOTE and self.code in ("dns.absent", "dns.dmarc.own_reports")

    @property
    def difference(self) -> str:
        """Return the found value with the differences in brackets; "" if that would not help."""
        is_near = self.mistake in _NEAR and len(self.found) == 1
        ours, theirs = bracketed(self.looked_for, self.found[0]) if is_near else ("", "")
        return theirs if "[" in theirs else f"{theirs} instead of {ours}" if is_near else ""

    def data_value(self, key: str) -> str:
        """Return a value of `data`, "" if it is missing."""
        return dict(self.data).get(key, "")


@dataclass(frozen=True)
class Link:
    """`key` is one of LINKS."""

    key: str
    title: str
    state: LinkState
    sentence: str


@dataclass(frozen=True)
class Lane:
    """`key` is "host", "internet" or "amazon". `lines` are the answers, each with its server."""

    key: str
    title: str
    state: LinkState
    lines: tuple[str, ...]


@dataclass(frozen=True)
class RecordDiagnosis:
    """One required record: its expected value, the answers at its name, and the first problem with it.

    `is_right`: the DNS host and public resolvers have it. `is_known`: they answered. `servers` has (server, values or
    error).
    """

    key: str
    title: str
    need: str
    type: str
    name: str
    value: str
    priority: int | None
    is_right: bool
    is_known: bool
    found: tuple[str, ...]
    servers: tuple[tuple[str, str], ...]
    finding: DiagnosisFinding | None


@dataclass(frozen=True)
class Diagnosis:
    """`finding` is the first problem, None if there is none. `further` has all others and
    recommendations. `is_right`: all required records are correct.

    `visible_by` is when caches will have expired, None if none are waited for. `provider` is the DNS host's name by its
    `nameservers`, "" if unknown. `transcript` has the lookups in the style of dig, `asked` their number. `zone` is the
    zone that record names are relative to.
    """

    domain: str
    now: datetime
    links: tuple[Link, ...]
    lanes: tuple[Lane, ...]
    finding: DiagnosisFinding | None
    further: tuple[DiagnosisFinding, ...]
    records: tuple[RecordDiagnosis, ...]
    is_right: bool
    visible_by: datetime | None = None
    nameservers: tuple[str, ...] = ()
    provider: str = ""
    serials: tuple[tuple[str, str], ...] = ()
    transcript: tuple[str, ...] = ()
    asked: int = 0
    zone: str = ""

    @property
    def findings(self) -> tuple[DiagnosisFinding, ...]:
        """Return all findings, the first break first."""
        return ((self.finding,) if self.finding else ()) + self.further

    @property
    def links_with_notes(self) -> frozenset[str]:
        """Return the links that pass although something is wrong that stops nothing."""
        return frozenset(each.link for each in self.findings if not each.stops and not each.is_recommendation)


_NEAR = ("M02", "M03", "M09", "M10", "M11", "M14", "M16", "M17")  # mistakes of one or a few characters

# In causal order: problems after the first break follow from it, or cannot be determined.
LINKS: Mapping[str, str] = {
    "exists": "Domain registered",
    "delegated": "Delegated to nameservers",
    "agree": "Nameservers agree",
    "dnssec": "DNSSEC",
    "name": "Record names",
    "type": "Record types",
    "value": "Record values",
    "rivals": "No conflicting records",
    "visible": "Visible to public resolvers",
    "amazon": "Verified by Amazon SES",
}
LANES: Mapping[str, str] = {
    "host": "Your DNS host",
    "internet": "Public resolvers",
    "amazon": "Amazon SES",
}


def as_json(diagnosis: Diagnosis) -> dict[str, Any]:
    """Return the JSON of the API and of `manage.py diagnose --json`. Times are in ISO 8601."""
    return {
        "domain": diagnosis.domain,
        "is_right": diagnosis.is_right,
        "looked_at": diagnosis.now.isoformat(),
        "visible_by": diagnosis.visible_by.isoformat() if diagnosis.visible_by else None,
        "provider": diagnosis.provider,
        "nameservers": list(diagnosis.nameservers),
        "serials": dict(diagnosis.serials),
        "links": [_plain(link) for link in diagnosis.links],
        "lanes": [_plain(lane) for lane in diagnosis.lanes],
        "finding": _finding(diagnosis.finding) if diagnosis.finding else None,
        "further": [_finding(finding) for finding in diagnosis.further],
        "records": [_record(record) for record in diagnosis.records],
        "transcript": list(diagnosis.transcript),
        "asked": diagnosis.asked,
    }


def as_reply(diagnosis: Diagnosis) -> str:
    """Return support's plain-text reply to the customer: all problems with their steps, recommendations by title."""
    if diagnosis.finding is None:
        return f"{diagnosis.domain}: no problems found. No action needed.\n"
    lines = [f"{diagnosis.domain}", "", *reply_lines(diagnosis.finding)]
    for finding in (each for each in diagnosis.further if not each.is_recommendation):
        lines += ["", "Another problem:", *reply_lines(finding)]
    optional = [f"- {each.verdict}" for each in diagnosis.further if each.is_recommendation]
    lines += ["", "Recommended:", *optional] if optional else []
    return "\n".join([*lines, "", f"(Checked on {minute_in_utc(diagnosis.now)}.)", ""])


def reply_lines(finding: DiagnosisFinding) -> list[str]:
    """Return the five lines as plain text."""
    lines = [finding.verdict]
    if finding.looked_for:
        lines += [f"Expected: {finding.looked_for}", f"Found: {', '.join(finding.found) or 'nothing'}"]
    lines += [f"Difference: {finding.difference}"] if finding.difference else []
    lines += [finding.why] if finding.why else []
    lines += [f"{number}. {step}" for number, step in enumerate(finding.steps, start=1)]
    return [*lines, finding.then] if finding.then else lines


def _finding(finding: DiagnosisFinding) -> dict[str, Any]:
    return _plain(finding) | {
        "data": dict(finding.data),
        "title": CODES[finding.code].title,
        "stops": finding.stops,
        "difference": finding.difference,
    }


def _record(record: RecordDiagnosis) -> dict[str, Any]:
    return _plain(record) | {
        "servers": [{"who": who, "says": says} for who, says in record.servers],
        "finding": record.finding.code if record.finding else None,
    }


def _plain(value: Link | Lane | DiagnosisFinding | RecordDiagnosis) -> dict[str, Any]:
    return {key: list(item) if isinstance(item, tuple) else item for key, item in vars(value).items()}


@dataclass(frozen=True)
class Case:
    """Everything known about the domain now. `provider` is the DNS host whose terms the steps use."""

    facts: IdentityFacts
    seen: Observations
    amazon: SesView
    history: RecordHistory
    now: datetime
    provider: DnsProvider = GENERIC

    @property
    def domain(self) -> DomainName:
        """Return the domain with the zone that contains it, which may be a delegated subzone."""
        return replace(self.facts.domain, zone=self.seen.zone or self.facts.domain.zone)


OCCUPIED = ("occupied", "yes")  # in a cause's data: another record is where the misplaced one belongs
IN_ZONE = "in_zone"  # in a cause's data: the zone that the record is added in, if it isn't the domain's


@dataclass(frozen=True)
class Cause:
    """`found` are the answers, `at` is a relevant name or server, `data` is copied to the finding."""

    code: str
    record: Record | None = None
    found: tuple[str, ...] = ()
    at: str = ""
    data: tuple[tuple[str, str], ...] = ()
    until: datetime | None = None
