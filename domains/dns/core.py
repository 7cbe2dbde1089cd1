"""What was asked of DNS and what was seen. A lookup that failed is never the same as a name that is absent."""

from dataclasses import dataclass
from enum import StrEnum

from domains.names.core import DomainName
from domains.records.core import Record


class LookupStatus(StrEnum):
    """NO_NAME is NXDOMAIN, NO_DATA a name without this type; FAILED (silence, SERVFAIL, nonsense) proves nothing."""

    FOUND = "found"
    NO_NAME = "no_name"
    NO_DATA = "no_data"
    FAILED = "failed"


@dataclass(frozen=True)
class Question:
    """An absolute ASCII name without trailing dot, and a record type such as "TXT"."""

    name: str
    type: str


@dataclass(frozen=True)
class Query:
    """`at` is "host:port", `who` the name it goes by. A nameserver is not asked to be `recursive`, and a resolver that
    is not to check DNSSEC is asked `unchecked` (the CD bit).
    """

    question: Question
    at: str
    who: str
    recursive: bool = True
    unchecked: bool = False


@dataclass(frozen=True)
class Answer:
    """`values`: TXT strings joined, targets in lower case without dot, MX as "10 host". `ttl` in seconds, for an absent
    name how long resolvers remember the absence; None where nothing said. `error` says why a lookup failed.

    `aliases` are the targets passed on the way; `cut` is the zone that a nameserver says others answer for, and
    `servers` are those: (name, address or ""). `dname` is the name above that redirects all below it (RFC 6672).
    """

    question: Question
    resolver: str
    status: LookupStatus
    values: tuple[str, ...] = ()
    ttl: int | None = None
    error: str = ""
    aliases: tuple[str, ...] = ()
    authoritative: bool = False
    cut: str = ""
    servers: tuple[tuple[str, str], ...] = ()
    dname: str = ""


def question_for(record: Record) -> Question:
    """The one question that a plain check asks for a record."""
    return Question(record.name, record.type)


def further_questions(record: Record, domain: DomainName) -> tuple[Question, ...]:
    """What is worth asking when the plain answer was not right: the other places and shapes of the usual mistakes."""
    doubled = Question(f"{record.name}.{domain.zone}", record.type)
    asked = [doubled] if len(doubled.name) <= 253 else []
    if record.type == "CNAME":
        asked += [Question(record.name, "TXT")]
    else:
        asked += [Question(record.name, "CNAME")]
    if record.type == "MX":
        asked += [Question(record.name, "TXT")]
    if record.key == "identity":
        asked += [Question(domain.ascii, "TXT")]
    return tuple(asked)


def is_void(kind: str, status: LookupStatus) -> bool:
    """Whether a term of SPF that looks up an A or MX record finds nothing there (RFC 7208 4.6.4).

    An address of the other kind may be there where one is not, so that of addresses only an absent name counts.
    """
    return status is LookupStatus.NO_NAME or (kind == "MX" and status is LookupStatus.NO_DATA)
