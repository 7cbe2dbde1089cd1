"""What the observer gathered, what Amazon says and what we remember: the three inputs of `diagnose`. Plain values."""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from domains.core.checking import Aspect, SesStatus
from domains.core.observing import Answer, Question, Status
from domains.core.records import Record


@dataclass(frozen=True)
class Cut:
    """Names at or below `zone` are answered for by other servers than the domain's."""

    zone: str
    servers: tuple[str, ...]


@dataclass(frozen=True)
class Observations:
    """Answers are told apart by `resolver`, which is the server's name, or a resolver's address.

    `servers` are those that the parent names; `soas` theirs, one each; `host` all their answers, probes included;
    `internet` the resolvers'; `elsewhere` those of servers that the parent does not name. `by_resolver` says that the
    name servers could not be asked, so that `host` holds what a resolver said in their place.
    """

    zone: str
    records: tuple[Record, ...]
    servers: tuple[str, ...] = ()
    named_inside: tuple[str, ...] = ()
    soas: tuple[Answer, ...] = ()
    public_soas: tuple[Answer, ...] = ()
    unchecked: tuple[Answer, ...] = ()
    parent: tuple[Answer, ...] = ()
    host: tuple[Answer, ...] = ()
    internet: tuple[Answer, ...] = ()
    elsewhere: tuple[Answer, ...] = ()
    cuts: tuple[Cut, ...] = ()
    spf: tuple[tuple[str, str], ...] = ()  # the SPF lines behind includes, by name
    by_resolver: bool = False
    asked: int = 0
    transcript: tuple[str, ...] = ()

    @cached_property
    def _by_question(self) -> dict[Question, list[Answer]]:
        found: dict[Question, list[Answer]] = {}
        for answer in self.host:
            found.setdefault(answer.question, []).append(answer)
        return found

    def at_host(self, question: Question) -> tuple[Answer, ...]:
        """All answers of the DNS host to a question, failed ones too."""
        return tuple(self._by_question.get(question, ()))

    def values(self, name: str, kind: str) -> tuple[str, ...]:
        """What a name holds at the DNS host, by the first server that tells; () also where nobody was asked."""
        told = [answer for answer in self.at_host(Question(name, kind)) if answer.status is Status.FOUND]
        return told[0].values if told else ()

    def in_public(self, question: Question) -> tuple[Answer, ...]:
        return tuple(answer for answer in self.internet if answer.question == question)

    def cut_of(self, name: str) -> Cut | None:
        """The sub-zone that a name is in, where other servers answer for it."""
        inside = [cut for cut in self.cuts if name == cut.zone or name.endswith(f".{cut.zone}")]
        return max(inside, key=lambda cut: len(cut.zone), default=None)


@dataclass(frozen=True)
class Amazon:
    """What Amazon last said; `soa` is the primary name server and serial that it saw, `problem` why it was not asked.

    `held_elsewhere`: somebody else's account here, or another account or region of Amazon's, holds the name.
    """

    statuses: tuple[tuple[Aspect, SesStatus], ...] = ()
    error_type: str = ""
    looked_at: datetime | None = None
    soa: str = ""
    problem: str = ""
    held_elsewhere: bool = False


@dataclass(frozen=True)
class History:
    """What we remember: when each record was last right (key, time, value then), the name servers before, and so on.

    `serial` and `serial_since` are the zone's SOA serial and when we first saw it; `said_added_at` when the customer
    told us that the records are added; `failed_looks` how many looks in a row found something missing; `sisters` the
    customer's other domains.
    """

    verified: tuple[tuple[str, datetime], ...] = ()
    nameservers: tuple[str, ...] = ()
    serial: str = ""
    serial_since: datetime | None = None
    said_added_at: datetime | None = None
    failed_looks: int = 0
    sisters: tuple[str, ...] = ()

    def verified_at(self, key: str) -> datetime | None:
        return dict(self.verified).get(key)


NOTHING_KNOWN = History()


def knows_its_zone(soa: Answer) -> bool:
    """Whether a server answers for the zone as its own: one that only remembers, or points upward, does not."""
    return soa.status is Status.FOUND and soa.authoritative


def serial_of(soa: Answer) -> str:
    """The serial of an answer to an SOA question, "" where there is none."""
    parts = soa.values[0].split() if soa.status is Status.FOUND and soa.values else []
    return parts[2] if len(parts) > 2 else ""


def primary_of(soa: Answer) -> str:
    """The primary name server (MNAME) of an SOA, "" where there is none."""
    parts = soa.values[0].split() if soa.status is Status.FOUND and soa.values else []
    return parts[0].rstrip(".").lower() if parts else ""


def minimum_of(soa: Answer) -> int | None:
    """For how many seconds an absence is remembered (RFC 2308): the last number of the SOA."""
    parts = soa.values[0].split() if soa.status is Status.FOUND and soa.values else []
    return int(parts[-1]) if parts and parts[-1].isdigit() else None
