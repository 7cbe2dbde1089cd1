"""DNS questions and answers. A failed lookup is never treated as an absent name."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from domains.names.core import DomainName
from domains.records.core import Record


class LookupStatus(StrEnum):
    """NO_NAME is NXDOMAIN, NO_DATA a name without this type. FAILED (timeout, SERVFAIL, malformed) proves nothing."""

    FOUND = "found"
    NO_NAME = "no_name"
    NO_DATA = "no_data"
    FAILED = "failed"


ANSWERED = "the resolver answered"  # how the error of an answer with a code such as SERVFAIL begins
SKIPPED = "skipped: the time limit of the check was reached"


@dataclass(frozen=True)
class Question:
    """An absolute ASCII name without a trailing dot, and a record type such as "TXT"."""

    name: str
    type: str


@dataclass(frozen=True)
class Query:
    """`at` is "host:port", `who` the server's display name. `recursive` is off for nameservers. `unchecked` asks a
    resolver to skip DNSSEC validation (the CD bit).
    """

    question: Question
    at: str
    who: str
    recursive: bool = True
    unchecked: bool = False


@dataclass(frozen=True)
class Answer:
    """`values`: TXT strings joined, targets in lower case without a dot, MX as "10 host". `ttl` in seconds; for an
    absent name, how long resolvers cache the absence; None if the answer has none. `error` says why a lookup failed.

    `aliases` are the CNAME targets that were followed. `cut` is the zone to which a nameserver referred us, and
    `servers` are its nameservers: (name, address or ""). `dname` is the ancestor that redirects all names below it (RFC
    6672).
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
    """Return the question that a plain check asks for a record."""
    return Question(record.name, record.type)


def rival_question(record: Record) -> Question:
    """Return the question for a record that can't be beside this one: another type at a CNAME, or a CNAME."""
    return Question(record.name, "TXT" if record.type == "CNAME" else "CNAME")


def first_values(answers: Iterable[Answer]) -> tuple[str, ...] | None:
    """Return the values of the first lookup that didn't fail, () if nothing is published, None if all failed."""
    return next((answer.values for answer in answers if answer.status is not LookupStatus.FAILED), None)


def mx_pairs(values: Iterable[str]) -> list[tuple[int, str]]:
    """Return priority and host of each MX, the host in lower case without a dot: "" in a null MX."""
    pairs = [value.partition(" ") for value in values]
    return [(int(priority), host.strip().rstrip(".").lower()) for priority, _, host in pairs if priority.isdecimal()]


def mx_aliases(record: Record, domain: DomainName, found: Iterable[str]) -> tuple[Question, ...]:
    """Return the questions whether mail servers in the customer's own zone are aliases: of the first two found."""
    hosts = [host for _, host in mx_pairs(found)] if record.type == "MX" else []
    own = [host for host in dict.fromkeys(hosts) if host.endswith(f".{domain.zone}")]
    return tuple(Question(host, "CNAME") for host in own[:2])


def further_questions(record: Record, domain: DomainName, found: Iterable[str] = ()) -> tuple[Question, ...]:
    """Return what to ask if the plain answer, `found`, was not correct: the places and types of the usual mistakes."""
    doubled = Question(f"{record.name}.{domain.zone}", record.type)
    questions = [doubled] if len(doubled.name) <= 253 else []
    questions += [rival_question(record)]
    if record.type == "MX":
        questions += [Question(record.name, "TXT"), *mx_aliases(record, domain, found)]
    if record.key == "identity":
        questions += [Question(domain.ascii, "TXT")]
    return tuple(questions)


def is_void(kind: str, status: LookupStatus) -> bool:
    """Return True if an SPF term that looks up A or MX records finds none (RFC 7208 4.6.4).

    For addresses only NO_NAME counts: an AAAA record may exist where no A record does.
    """
    return status is LookupStatus.NO_NAME or (kind == "MX" and status is LookupStatus.NO_DATA)


def turn_of(servers: Sequence[str], most: int, today: date) -> tuple[str, ...]:
    """Return the nameservers whose turn it is: all in turn, `most` a day."""
    if len(servers) <= most:
        return tuple(servers)
    start = today.toordinal() * most
    return tuple(servers[(start + each) % len(servers)] for each in range(most))


# Finds the zone that contains a domain's records: the zone cut in DNS, at the domain or above it. Pure. The public
# suffix list says where a zone may begin. A subdomain can be delegated as a zone of its own, and then its DNS host
# expects names relative to that zone.


# Nameservers of domains that were not renewed, or that a registry suspended.
_PARKED = re.compile(r"expir|pendingrenewal|renewyourname|suspended|onhold|registrar-?hold|redemption", re.IGNORECASE)


def parked_servers(servers: Iterable[str]) -> tuple[str, ...]:
    """Return the nameservers to which a registrar moves a domain that was not renewed, or is on hold."""
    return tuple(name for name in servers if _PARKED.search(name))


def cut_questions(domain: DomainName) -> tuple[Question, ...]:
    """Return NS questions for the domain and the names between it and the registrable one; none for that itself."""
    return tuple(Question(name, "NS") for name in (domain.ascii, *domain.parents) if name != domain.zone)


def cut_of(domain: DomainName, answers: Iterable[Answer]) -> str | None:
    """Return the nearest zone below the registrable one, "" if there is none, None if the lookups failed."""
    names = {question.name for question in cut_questions(domain)}
    own = [answer for answer in answers if answer.question.name in names and answer.question.type == "NS"]
    if cuts := names.intersection(map(_shown, own)):
        return max(cuts, key=len)
    answered = {answer.question.name for answer in own if answer.status is not LookupStatus.FAILED}
    return "" if answered >= names else None


def _shown(answer: Answer) -> str:
    """Return the cut that an answer shows: a name with NS records, or the target of a referral."""
    if answer.status is LookupStatus.FOUND and answer.values and not answer.aliases:
        return answer.question.name
    return answer.cut
