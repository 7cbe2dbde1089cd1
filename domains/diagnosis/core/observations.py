"""The inputs of `diagnose`: what the observer gathered, what SES says, and what we remember. Plain values.

`holds` matches an answer with a wanted record, whatever else answers there. `probes` lists where a misplaced record may
be: at most twelve questions per record, the likeliest first.
"""

import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from pathlib import Path

from domains.checking.core.judgement import Aspect, SesStatus
from domains.dmarc import core as dmarc_core
from domains.dns.core import Answer, LookupStatus, Question, question_for
from domains.names.core import LONGEST_LABEL, LONGEST_NAME, DomainName
from domains.policies.core import PublishedPolicies, dmarc_lines
from domains.records.core import SPF_KEYS, Purpose, Record
from domains.spf.core import grammar
from inbound_admin.lib.tables import read_toml


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
    spf: tuple[tuple[str, tuple[str, ...]], ...] = ()  # the SPF lines behind includes, by name; () where none is
    spf_absent: tuple[tuple[str, str], ...] = ()  # (name, type) of other terms of SPF that hold nothing
    spf_present: tuple[tuple[str, str], ...] = ()  # (name, type) of those that hold something
    dmarc: tuple[tuple[str, tuple[str, ...]], ...] = ()  # the DMARC records above, by name; () where none is
    is_there: bool = True  # False: the domain's name does not exist
    consents: tuple[tuple[str, bool], ...] = ()  # (name, whether reports are accepted) where DMARC reports go elsewhere
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
        told = [answer for answer in self.at_host(Question(name, kind)) if answer.status is LookupStatus.FOUND]
        return told[0].values if told else ()

    def is_told(self, question: Question) -> bool:
        """Whether no lookup of it failed; also where nobody asked, since a look asks where it matters.

        A server that names an alias or a delegation outside its zones has answered: nothing else is there.
        """
        said = self.at_host(question)
        return all(answer.status is not LookupStatus.FAILED or answer.aliases or answer.cut for answer in said)

    def is_searched(self, record: Record, domain: DomainName) -> bool:
        """Whether every place was told where the record could have been instead."""
        own = question_for(record)
        lost = any(each.question == own and each.status is LookupStatus.FAILED for each in self.elsewhere)
        return not lost and not any(self.is_lost(probe.question, record) for probe in probes(record, domain))

    def is_lost(self, question: Question, record: Record) -> bool:
        """Whether a look-up failed that matters: behind an alias that is there no other type is at its name."""
        is_alias = record.type == "CNAME" and question.name == record.name and bool(self.values(record.name, "CNAME"))
        return not is_alias and not self.is_told(question)

    def is_agreed(self, question: Question) -> bool:
        """Whether all servers of the DNS host that were asked hold the same."""
        return len({frozenset(answer.values) for answer in self.at_host(question)}) <= 1

    def in_public(self, question: Question) -> tuple[Answer, ...]:
        return tuple(answer for answer in self.internet if answer.question == question)

    @property
    def policies(self) -> PublishedPolicies:
        """What was told of SPF and DMARC."""
        told = {r.key: values for r in self.records if (values := self._first_told(question_for(r))) is not None}
        spf = {r.name: grammar.spf_among(told[r.key]) for r in self.records if r.key in SPF_KEYS and r.key in told}
        own = {r.name: dmarc_lines(told[r.key]) for r in self.records if r.key == "dmarc" and r.key in told}
        absent, present = frozenset(self.spf_absent), frozenset(self.spf_present)
        return PublishedPolicies(spf, dict(self.spf), absent, present, {**dict(self.dmarc), **own}, self.is_there)

    def _first_told(self, question: Question) -> tuple[str, ...] | None:
        told = (a.values for a in self.at_host(question) if a.status is not LookupStatus.FAILED)
        return next(told, None)

    def cut_of(self, name: str) -> Cut | None:
        """The sub-zone that a name is in, where other servers answer for it."""
        inside = [cut for cut in self.cuts if name == cut.zone or name.endswith(f".{cut.zone}")]
        return max(inside, key=lambda cut: len(cut.zone), default=None)


@dataclass(frozen=True)
class AmazonView:
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
class RecordHistory:
    """What we remember: when each record was last right (key, time, value then), the name servers before, and so on.

    `serial` and `serial_since` are the zone's SOA serial and when we first saw it; `said_added_at` when the customer
    told us that the records are added; `failed_looks` how many looks in a row found something missing; `sisters` the
    customer's other domains; `others` the records that other domains of ours, whoever's, want at names that were asked.
    """

    verified: tuple[tuple[str, datetime], ...] = ()
    nameservers: tuple[str, ...] = ()
    serial: str = ""
    serial_since: datetime | None = None
    said_added_at: datetime | None = None
    failed_looks: int = 0
    sisters: tuple[str, ...] = ()
    others: tuple[Record, ...] = ()

    def verified_at(self, key: str) -> datetime | None:
        return dict(self.verified).get(key)


NOTHING_KNOWN = RecordHistory()


def knows_its_zone(soa: Answer) -> bool:
    """Whether a server answers for the zone as its own: one that only remembers, or points upward, does not."""
    return soa.status is LookupStatus.FOUND and soa.authoritative


def serial_of(soa: Answer) -> str:
    """The serial of an answer to an SOA question, "" where there is none."""
    parts = soa.values[0].split() if soa.status is LookupStatus.FOUND and soa.values else []
    return parts[2] if len(parts) > 2 else ""


def primary_of(soa: Answer) -> str:
    """The primary name server (MNAME) of an SOA, "" where there is none."""
    parts = soa.values[0].split() if soa.status is LookupStatus.FOUND and soa.values else []
    return parts[0].rstrip(".").lower() if parts else ""


def minimum_of(soa: Answer) -> int | None:
    """For how many seconds an absence is remembered (RFC 2308): the last number of the SOA."""
    parts = soa.values[0].split() if soa.status is LookupStatus.FOUND and soa.values else []
    return int(parts[-1]) if parts and parts[-1].isdigit() else None


# Cloudflare's own list of its ranges (cloudflare.com/ips, read in August 2026): how a proxied record is told.
_CLOUDFLARE = tuple(
    ipaddress.ip_network(network)
    for line in (
        "173.245.48.0/20 103.21.244.0/22 103.22.200.0/22 103.31.4.0/22 141.101.64.0/18 108.162.192.0/18",
        "190.93.240.0/20 188.114.96.0/20 197.234.240.0/22 198.41.128.0/17 162.158.0.0/15 104.16.0.0/13",
        "104.24.0.0/14 172.64.0.0/13 131.0.72.0/22",
    )
    for network in line.split()
)


@dataclass(frozen=True)
class MailHosts:
    """`mailboxes`: companies by the ending of a mail server's name. `forwarders`: patterns of how others begin."""

    mailboxes: Mapping[str, str]
    forwarders: tuple[str, ...]


MAIL_HOSTS = read_toml(Path(__file__).with_name("mail_hosts.toml"), MailHosts)
_FORWARDING = re.compile("|".join(MAIL_HOSTS.forwarders), re.IGNORECASE)


def holds(record: Record, values: tuple[str, ...]) -> bool:
    """Whether the record is among what a name of its type holds."""
    if record.type == "MX":
        return record.value.lower() in mx_hosts(values)
    if record.type == "CNAME":
        return record.value.lower() in {value.rstrip(".").lower() for value in values}
    if record.key in SPF_KEYS:
        return any(grammar.allows(line) for line in grammar.spf_among(values))
    return any(map(dmarc_core.is_dmarc, values)) if record.key == "dmarc" else record.value in values


def is_unique(record: Record) -> bool:
    """Whether no other domain has the value: all others are the same for every domain of a region, or of the world."""
    return record.purpose in (Purpose.OWNERSHIP, Purpose.SIGNING)


def is_same_content(record: Record, other: Record) -> bool:
    """Whether what serves the one serves the other; policies are told by their kind, since their values differ."""
    for kind in (SPF_KEYS, ("dmarc",)):
        if record.key in kind:
            return other.key in kind
    return record.type == other.type and bool(record.value) and record.value.lower() == other.value.lower()


def mx_hosts(values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(value.partition(" ")[2].rstrip(".").lower() for value in values)


def is_proxied(addresses: tuple[str, ...]) -> bool:
    """Whether Cloudflare's proxy answers."""
    return any(ipaddress.ip_address(text) in network for text in addresses if _is_ip(text) for network in _CLOUDFLARE)


def is_key(values: tuple[str, ...]) -> bool:
    """Whether the public key behind a DKIM alias answers (RFC 6376 3.6.1)."""
    return any(re.search(r"(^|;)\s*p=", value) for value in values)


def is_forwarding(values: tuple[str, ...]) -> bool:
    return any(map(_FORWARDING.match, mx_hosts(values)))


def _is_ip(text: str) -> bool:
    return re.fullmatch(r"[0-9.]+", text) is not None


MOST = 12
ONE_BOX = "_amazonses="  # before the value of the ownership record: its name and value, typed into one box
NOBODY = "inbound-admin-asks-whether-all-names-answer"  # a label that nobody publishes: what answers is a catch-all


class ProbePlace(StrEnum):
    DOUBLED = "doubled"
    TYPE = "type"
    APEX = "apex"
    PARENT = "parent"
    WILDCARD = "wildcard"
    UNDERSCORE = "underscore"
    SWAPPED = "swapped"


@dataclass(frozen=True)
class Probe:
    place: ProbePlace
    question: Question


def probes(record: Record, domain: DomainName) -> tuple[Probe, ...]:
    """The wrong-place search for one record that is missing or wrong."""
    zone, types = domain.zone, _other_types(record)
    found = [Probe(ProbePlace.DOUBLED, Question(f"{record.name}.{zone}", record.type))]
    found += [Probe(ProbePlace.TYPE, Question(record.name, kind)) for kind in types[:1]]
    found += [Probe(ProbePlace.APEX, Question(name, record.type)) for name in _tops(record, domain)]
    found += [Probe(ProbePlace.PARENT, Question(name, record.type)) for name in _parents(record, domain)]
    found += [Probe(ProbePlace.WILDCARD, Question(wildcard_name(record), record.type))] if record.name != zone else []
    found += [Probe(ProbePlace.TYPE, Question(record.name, kind)) for kind in types[1:]]
    found += [Probe(ProbePlace.WILDCARD, Question(wildcard_name(record), "A"))] if record.type == "CNAME" else []
    found += [Probe(ProbePlace.UNDERSCORE, Question(name, record.type)) for name in _without_underscore(record, domain)]
    found += [Probe(ProbePlace.SWAPPED, Question(name, record.type)) for name in _swapped(record, zone)]
    unlike = [probe for probe in found if (probe.question.name, probe.question.type) != (record.name, record.type)]
    asked = {probe.question: probe for probe in reversed(unlike) if _can_be_asked(probe.question.name)}
    return tuple(reversed(asked.values()))[:MOST]


def rival_question(record: Record) -> Question:
    """What must not stand beside a record that is right: another type at an alias, or an alias."""
    return Question(record.name, "TXT" if record.type == "CNAME" else "CNAME")


def wildcard_name(record: Record) -> str:
    """A name beside the record's that answers only where a catch-all does."""
    return f"{NOBODY}.{record.name.partition('.')[2]}"


def spread(wanted: Sequence[Sequence[Probe]]) -> tuple[Probe, ...]:
    """The likeliest of each record first, then the second of each: so that a budget is shared by all."""
    longest = max(map(len, wanted), default=0)
    return tuple(probes[at] for at in range(longest) for probes in wanted if at < len(probes))


def _other_types(record: Record) -> tuple[str, ...]:
    return {"CNAME": ("TXT", "A"), "MX": ("CNAME", "TXT"), "TXT": ("CNAME",)}[record.type]


def _tops(record: Record, domain: DomainName) -> tuple[str, ...]:
    """A CNAME cannot stand at an apex."""
    if record.type == "CNAME":
        return ()
    return tuple(dict.fromkeys((domain.zone, domain.ascii)))


def _parents(record: Record, domain: DomainName) -> tuple[str, ...]:
    """The labels next to the zone forgotten, as by who types `abc._domainkey` for mail.example.com."""
    if record.name == domain.zone or not record.name.endswith(f".{domain.zone}"):
        return ()
    labels = record.name.removesuffix(f".{domain.zone}").split(".")
    own = record.name.removesuffix(f".{domain.ascii}").split(".") if record.name != domain.ascii else []
    kept = [own if len(own) < len(labels) else [], labels[:-1], labels[:1]]
    names = [".".join([*some, domain.zone]) for some in kept if some]
    return tuple(name for name in dict.fromkeys(names) if name != record.name)


def _without_underscore(record: Record, domain: DomainName) -> tuple[str, ...]:
    bare = record.name.replace("_", "")
    return (bare,) if bare not in (record.name, domain.ascii) else ()


def _swapped(record: Record, zone: str) -> tuple[str, ...]:
    value = record.value.rstrip(".").lower()
    if not value or any(sign in value for sign in ' ;"\\@()'):
        return ()
    return (f"{value}.{zone}", *([f"{ONE_BOX}{value}.{zone}"] if record.key == "identity" else []))


def _can_be_asked(name: str) -> bool:
    return len(name) <= LONGEST_NAME and all(0 < len(label) <= LONGEST_LABEL for label in name.split("."))
