"""The values of a diagnosis: findings of five lines, the ten links, the three lanes, the cases and causes behind them.

`clean_text` bounds what strangers published and escapes control characters, so every value that came from DNS is clean
already. `marked` shows two values side by side with the differing characters. A `Cause` is a code with the data that
its sentence needs; `words.finding_of` turns it into text.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from difflib import SequenceMatcher
from enum import StrEnum
from itertools import takewhile
from typing import Any

from domains.checking.core.sentences import problems_in
from domains.diagnosis.core.codes import CODES
from domains.diagnosis.core.observations import AmazonView, Observations, RecordHistory
from domains.names.core import DomainName
from domains.providers.core import GENERIC, DnsProvider
from domains.records.core import IdentityFacts, Record
from domains.spf.core.grammar import marked_problems

LONGEST = 300
MOST_VALUES = 8


def clean_text(value: str, longest: int = LONGEST) -> str:
    """Unseen, control and direction characters as "\\u200b" in letters; cut with an ellipsis. HTML is the page's to
    escape.
    """
    shown = value[: longest + 1]
    if not shown.isprintable():
        shown = "".join(char if char.isprintable() else _spelled(char) for char in shown)
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"


def clean_values(found: tuple[str, ...]) -> tuple[str, ...]:
    """As many as a person reads."""
    some = tuple(clean_text(value) for value in found[:MOST_VALUES])
    return (*some, f"… and {len(found) - MOST_VALUES} more") if len(found) > MOST_VALUES else some


def _spelled(char: str) -> str:
    return f"\\u{ord(char):04x}" if ord(char) < 0x10000 else f"\\U{ord(char):08x}"


Piece = tuple[str, bool]
Pair = tuple[tuple[Piece, ...], tuple[Piece, ...]]
LONGEST_MARKED = 300  # characters that are compared: it is quadratic
FEW = 3  # pieces that differ; more of them are two values that have letters in common


_LABELS = re.compile(r"[\w-]+|.", re.DOTALL)
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-[0-9]")


def marked(expected: str, found: str) -> Pair:
    """Both values in pieces; True marks what the other has not. Cut, since it is quadratic.

    Whole labels are marked: a region or a host name cut into letters cannot be read. Where a label differs in one
    place alone, as by a typing error, that place is marked.
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
    """The one place at which two labels differ; None where they differ in more, or where one is a region."""
    before = _alike(label, other)
    after = _alike(label[before:][::-1], other[before:][::-1])
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


def _alike(one: str, other: str) -> int:
    """How many characters at the start are the same."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def near(expected: str, found: str) -> Pair | None:
    """The same where little differs; None where marks would only be noise, or mark nothing."""
    if expected == found or max(len(expected), len(found)) > LONGEST_MARKED:
        return None
    pair = marked(expected, found)
    alike = sum(len(piece) for piece, differs in pair[0] if not differs)
    is_near = alike * 2 >= min(len(expected), len(found))
    return pair if is_near and all(sum(differs for _, differs in pieces) <= FEW for pieces in pair) else None


def side_by_side(looked_for: str, found: str) -> Pair | None:
    """Of a finding's two lines. Where the place is what differs ("TXT at …", "at …") the places are compared."""
    kind, at, place = looked_for.partition(" at ")
    if not at or not found.startswith("at "):
        return near(looked_for, found)
    pair = near(place, found.removeprefix("at "))
    return (((kind + at, False), *pair[0]), (("at ", False), *pair[1])) if pair else None


def marks(looked_for: str, found: tuple[str, ...], record: Record | None) -> Pair | None:
    """The broken places of a policy record, or else what differs; None where there is nothing to mark."""
    if record is None or len(found) != 1:
        return side_by_side(looked_for, found[0]) if len(found) == 1 else None
    problems = [problem for _, problem in problems_in(record, found)]
    if problems:
        return ((looked_for, False),) if looked_for else (), marked_problems(found[0], problems)
    return side_by_side(looked_for, found[0])


def bracketed(expected: str, found: str) -> tuple[str, str]:
    """The same as text, the differing characters in square brackets."""
    ours, theirs = marked(expected, found)
    return _bracket(ours), _bracket(theirs)


def _bracket(pieces: tuple[Piece, ...]) -> str:
    return "".join(f"[{piece}]" if differs else piece for piece, differs in pieces)


class Severity(StrEnum):
    """RED takes mail away from somebody today, BROKEN stops ours, WAIT needs time alone, NOTE stops nothing,
    UNKNOWN is what could not be told.
    """

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
    """Five lines: `verdict`; `looked_for` and `found`; `why`; `steps`; `then`. All but "More" is at most 60 words.

    `record_key` is "" for what concerns the whole domain, `link` the key of the link that it breaks, `blocks` what does
    not work because of it ("receiving", "sending", or nothing), `mistake` its number in the catalogue ("M01"), `data`
    what a page or a machine may want as pairs ("type_name": what to type, "merged": the one SPF line ...).
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
        """Whether something required is not right because of it."""
        return self.severity is not Severity.NOTE

    @property
    def difference(self) -> str:
        """What was found, with what differs from what was looked for in brackets; "" where that is no help."""
        is_near = self.mistake in _NEAR and len(self.found) == 1
        ours, theirs = bracketed(self.looked_for, self.found[0]) if is_near else ("", "")
        return theirs if "[" in theirs else f"{theirs} instead of {ours}" if is_near else ""

    def of(self, key: str) -> str:
        """One of `data`, "" where it is not in it."""
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
    """`key` is "host", "internet" or "amazon"; `lines` say who answered what."""

    key: str
    title: str
    state: LinkState
    lines: tuple[str, ...]


@dataclass(frozen=True)
class RecordDiagnosis:
    """One wanted record: what it should be, what answers at its place, by whom it is seen, and what breaks it first.

    `is_right` where the DNS host and the internet have it, `is_known` where they answered; `servers` is who says what:
    (who, values or why not).
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
    """`finding` is the first break, `further` all others; `is_right` where all that is required is right.

    `visible_by` is when caches must have let go (None where nothing waits for them), `provider` the host's name by its
    `nameservers` ("" unknown), `transcript` the lookups as a person with dig would see them, `asked` their number,
    `zone` what names are typed relative to.
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
        """All, the first break first."""
        return ((self.finding,) if self.finding else ()) + self.further

    @property
    def warned(self) -> frozenset[str]:
        """The links that pass, with something to mend at the nameservers."""
        notes = (each for each in self.findings if each.severity is Severity.NOTE and not each.record_key)
        return frozenset(each.link for each in notes)


_NEAR = ("M02", "M03", "M09", "M10", "M11", "M14", "M16", "M17")  # the mistakes of a letter or a few

# The order of causes: whatever is behind the first break follows from it, or cannot be told.
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
    """For the API and `manage.py diagnose --json`; times in ISO 8601."""
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
    """The plain text that support sends to the customer: the first break in full, the others by title."""
    if diagnosis.finding is None:
        return f"{diagnosis.domain}: no problems found. No action needed.\n"
    lines = [f"{diagnosis.domain}", "", *reply_lines(diagnosis.finding)]
    if diagnosis.further:
        lines += ["", "Other problems found:"]
        lines += [f"- {finding.verdict}" for finding in diagnosis.further]
    looked = diagnosis.now.astimezone(UTC)
    return "\n".join([*lines, "", f"(Checked on {looked:%-d %B %Y, %H:%M} UTC.)", ""])


def reply_lines(finding: DiagnosisFinding) -> list[str]:
    """The five lines as plain text."""
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
    """All that is known of the domain at this moment; `provider` is in whose words the steps are told."""

    facts: IdentityFacts
    seen: Observations
    amazon: AmazonView
    history: RecordHistory
    now: datetime
    provider: DnsProvider = GENERIC

    @property
    def domain(self) -> DomainName:
        """With the zone that answers for it, which may be a delegated part of the registered one."""
        return replace(self.facts.domain, zone=self.seen.zone or self.facts.domain.zone)


@dataclass(frozen=True)
class Cause:
    """`found` is what answered, `at` a name or server that matters, `data` goes to the finding as it is."""

    code: str
    record: Record | None = None
    found: tuple[str, ...] = ()
    at: str = ""
    data: tuple[tuple[str, str], ...] = ()
    until: datetime | None = None
