"""What a diagnosis says: findings of five lines, the ten links of the chain, three lanes. Plain values.

Everything in them that came from DNS is clean already (see `clean.py`): no control characters, and of bounded length.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any


class Severity(StrEnum):
    """RED takes mail away from somebody today, BROKEN stops ours, WAIT needs time alone, NOTE only hurts delivery,
    UNKNOWN is what could not be told."""

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
class Finding:
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

    `is_right` where the DNS host and the internet have it; `servers` is who says what: (who, values or why not).
    """

    key: str
    title: str
    need: str
    type: str
    name: str
    value: str
    priority: int | None
    is_right: bool
    found: tuple[str, ...]
    servers: tuple[tuple[str, str], ...]
    finding: Finding | None


@dataclass(frozen=True)
class Diagnosis:
    """`finding` is the first break, `further` all others; `is_right` where all that is required is right.

    `visible_by` is when caches must have let go (None where nothing waits for them), `provider` the DNS host's name by
    its `nameservers` ("" unknown), `transcript` the look-ups as a person with dig would show them, `asked` their number.
    """

    domain: str
    now: datetime
    links: tuple[Link, ...]
    lanes: tuple[Lane, ...]
    finding: Finding | None
    further: tuple[Finding, ...]
    records: tuple[RecordDiagnosis, ...]
    is_right: bool
    visible_by: datetime | None = None
    nameservers: tuple[str, ...] = ()
    provider: str = ""
    serials: tuple[tuple[str, str], ...] = ()
    transcript: tuple[str, ...] = ()
    asked: int = 0

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All, the first break first."""
        return ((self.finding,) if self.finding else ()) + self.further


# The order of causes: whatever is behind the first break follows from it, or cannot be told.
LINKS: Mapping[str, str] = {
    "exists": "The domain exists",
    "delegated": "It is delegated to a DNS host",
    "agree": "Its name servers answer and agree",
    "dnssec": "DNSSEC is in order",
    "name": "Each record is at its name",
    "type": "Each record is of its type",
    "value": "Each value is right",
    "rivals": "Nothing stands in the way",
    "visible": "The internet sees it",
    "amazon": "Amazon has seen it",
}
LANES: Mapping[str, str] = {
    "host": "Your DNS host says",
    "internet": "The internet sees",
    "amazon": "Amazon sees",
}
