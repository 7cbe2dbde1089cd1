"""The inputs of `diagnose`: the DNS answers, SES's statuses, and the history. Plain values.

`contains_record` matches an answer with a required record, whatever else is published there. `probes` lists where a
misplaced record may be: at most twelve questions per record, the likeliest first.
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
from domains.dns.core import ANSWERED, Answer, LookupStatus, Question, first_values, question_for
from domains.names.core import LONGEST_LABEL, LONGEST_NAME, DomainName, is_within
from domains.policies.core import PublishedPolicies, dmarc_lines
from domains.records.core import SPF_KEYS, Purpose, Record
from domains.spf.core import grammar
from inbound_admin.lib.tables import read_toml


@dataclass(frozen=True)
class Cut:
    """Other nameservers than the domain's answer for names at or below `zone`."""

    zone: str
    servers: tuple[str, ...]


@dataclass(frozen=True)
class Observations:
    """All DNS answers of a diagnosis. An answer's `resolver` is the nameserver's name or the resolver's address.

    `servers` are those that the parent names, `soas` their SOA answers, `host` all their answers including probes.
    `internet` are the resolvers' answers, `elsewhere` those of servers that the parent does not name. `by_resolver`:
    the nameservers could not be asked, so `host` has a resolver's answers instead.
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
    spf: tuple[tuple[str, tuple[str, ...]], ...] = ()  # the SPF lines behind includes, by name; () if there is none
    spf_absent: tuple[tuple[str, str], ...] = ()  # (name, type) of other SPF terms that resolve to nothing
    spf_present: tuple[tuple[str, str], ...] = ()  # (name, type) of those that resolve
    dmarc: tuple[
        tuple[str, tuple[str, ...]], ...
    ] = ()  # the DMARC records of parent domains, by name; () if there is none
    is_there: bool = True  # False: the domain's name does not exist
    consents: tuple[tuple[str, bool], ...] = ()  # (name, accepts reports) of other domains that receive DMARC reports
    by_resolver: bool = False
    asked: int = 0
    transcript: tuple[str, ...] = ()

    @cached_property
    def _by_question(self) -> dict[Question, list[Answer]]:
        found: dict[Question, list[Answer]] = {}
        for answer in self.host:
            found.setdefault(answer.question, []).append(answer)
        return found

    def host_answers(self, question: Question) -> tuple[Answer, ...]:
        """Return all answers of the DNS host to a question, including failed ones."""
        return tuple(self._by_question.get(question, ()))

    def values(self, name: str, kind: str) -> tuple[str, ...]:
        """Return the values at the DNS host, from the first server that has any; () also if nobody was asked."""
        answers = [answer for answer in self.host_answers(Question(name, kind)) if answer.status is LookupStatus.FOUND]
        return answers[0].values if answers else ()

    def is_answered(self, question: Question) -> bool:
        """Return True if no lookup of the question failed. Also True if nobody asked: what matters is always asked.

        A server that returns an alias or a delegation outside its zones has answered: nothing else is there.
        """
        answers = self.host_answers(question)
        return all(answer.status is not LookupStatus.FAILED or answer.aliases or answer.cut for answer in answers)

    def is_fully_searched(self, record: Record, domain: DomainName) -> bool:
        """Return True if the lookups of all other possible places of the record succeeded."""
        own = question_for(record)
        lost = any(each.question == own and each.status is LookupStatus.FAILED for each in self.elsewhere)
        return not lost and not any(self.lookup_failed(probe.question, record) for probe in probes(record, domain))

    def lookup_failed(self, question: Question, record: Record) -> bool:
        """Return True if a relevant lookup failed. At an alias, lookups of other types do not matter."""
        is_alias = record.type == "CNAME" and question.name == record.name and bool(self.values(record.name, "CNAME"))
        return not is_alias and not self.is_answered(question)

    def is_agreed(self, question: Question) -> bool:
        """Return True if all nameservers that were asked gave the same answer."""
        return len({frozenset(answer.values) for answer in self.host_answers(question)}) <= 1

    def public_answers(self, question: Question) -> tuple[Answer, ...]:
        return tuple(answer for answer in self.internet if answer.question == question)

    @property
    def policies(self) -> PublishedPolicies:
        """Return what the answers say about SPF and DMARC."""
        answers = {record.key: first_values(self.host_answers(question_for(record))) for record in self.records}
        found = {key: values for key, values in answers.items() if values is not None}
        spf = {r.name: grammar.spf_records(found[r.key]) for r in self.records if r.key in SPF_KEYS and r.key in found}
        own = {r.name: dmarc_lines(found[r.key]) for r in self.records if r.key == "dmarc" and r.key in found}
        absent, present = frozenset(self.spf_absent), frozenset(self.spf_present)
        return PublishedPolicies(spf, dict(self.spf), absent, present, {**dict(self.dmarc), **own}, self.is_there)

    def cut_of(self, name: str) -> Cut | None:
        """Return the delegated subzone that contains a name, if any."""
        inside = [cut for cut in self.cuts if is_within(name, cut.zone)]
        return max(inside, key=lambda cut: len(cut.zone), default=None)


@dataclass(frozen=True)
class SesView:
    """SES's last answer. `soa` is the primary nameserver and serial that SES saw. `problem` says why SES was not asked.

    `held_elsewhere`: another customer here, or another AWS account or region, holds the name.
    """

    statuses: tuple[tuple[Aspect, SesStatus], ...] = ()
    error_type: str = ""
    looked_at: datetime | None = None
    soa: str = ""
    problem: str = ""
    held_elsewhere: bool = False


@dataclass(frozen=True)
class RecordHistory:
    """What we stored: when each record was last correct (key, time), the nameservers at that time, and more.

    `serial` and `serial_since` are the zone's SOA serial and when we first saw it. `said_added_at` is when the customer
    said that the records were added. `failed_checks` counts consecutive checks that found something missing. `sisters`
    are the customer's other domains. `others` are the records that other domains, of any customer, require at names
    that were asked. `blocked`: why an MTA-STS policy keeps senders from us, and the step that ends it.
    """

    verified: tuple[tuple[str, datetime], ...] = ()
    nameservers: tuple[str, ...] = ()
    serial: str = ""
    serial_since: datetime | None = None
    said_added_at: datetime | None = None
    failed_checks: int = 0
    sisters: tuple[str, ...] = ()
    others: tuple[Record, ...] = ()
    blocked: tuple[str, str] | None = None

    def verified_at(self, key: str) -> datetime | None:
        return dict(self.verified).get(key)


NOTHING_KNOWN = RecordHistory()


def is_authoritative_soa(soa: Answer) -> bool:
    """Return True if a server answers authoritatively for the zone, not from a cache or with a referral."""
    return soa.status is LookupStatus.FOUND and soa.authoritative


def has_replied(soa: Answer) -> bool:
    """Return True if the server answered, even with an error. A timeout says nothing about what it serves."""
    return soa.status is not LookupStatus.FAILED or bool(soa.cut) or soa.error.startswith(ANSWERED)


def server_error(soa: Answer) -> str:
    return soa.error.replace(ANSWERED, "it answered") or "it does not know the domain"


def serial_of(soa: Answer) -> str:
    """Return the serial of an SOA answer, "" if there is none."""
    parts = soa.values[0].split() if soa.status is LookupStatus.FOUND and soa.values else []
    return parts[2] if len(parts) > 2 else ""


def primary_of(soa: Answer) -> str:
    """Return the primary nameserver (MNAME) of an SOA answer, "" if there is none."""
    parts = soa.values[0].split() if soa.status is LookupStatus.FOUND and soa.values else []
    return parts[0].rstrip(".").lower() if parts else ""


def minimum_of(soa: Answer) -> int | None:
    """Return how many seconds an absence is cached (RFC 2308): the last number of the SOA."""
    parts = soa.values[0].split() if soa.status is LookupStatus.FOUND and soa.values else []
    return int(parts[-1]) if parts and parts[-1].isdigit() else None


# Cloudflare's published ranges (cloudflare.com/ips, read in August 2026), to recognise proxied records.
_CLOUDFLARE = tuple(
    ipaddress.ip_network(network)
    for line in (
        "173.245.48.0/20 103.21.244.0/22 103.22.200.0/22 103.31.4.0/22 141.101.64.0/18 108.162.192.0/18",
        "190.93.240.0/20 188.114.96.0/20 197.234.240.0/22 198.41.128.0/17 162.158.0.0/15 104.16.0.0/13",
        "104.24.0.0/14 172.64.0.0/13 131.0.72.0/22",
    )
    for network in line.split()
)


_ADDRESS = re.compile(r"[0-9.]+")


@dataclass(frozen=True)
class MailHosts:
    """`mailboxes`: companies by suffix of a mail server's name. `forwarders`: patterns for the start of names."""

    mailboxes: Mapping[str, str]
    forwarders: tuple[str, ...]


MAIL_HOSTS = read_toml(Path(__file__).with_name("mail_hosts.toml"), MailHosts)
_FORWARDING = re.compile("|".join(MAIL_HOSTS.forwarders), re.IGNORECASE)


def contains_record(record: Record, values: tuple[str, ...]) -> bool:
    """Return True if the values at the record's name and type include the record."""
    if record.type == "MX":
        return record.value.lower() in mx_hosts(values)
    if record.type == "CNAME":
        return record.value.lower() in {value.rstrip(".").lower() for value in values}
    if record.key in SPF_KEYS:
        return any(grammar.authorises(line) for line in grammar.spf_records(values))
    return any(map(dmarc_core.is_dmarc, values)) if record.key == "dmarc" else record.value in values


def is_unique(record: Record) -> bool:
    """Return True if no other domain has the value. Other values are the same for all domains of a region."""
    return record.purpose in (Purpose.OWNERSHIP, Purpose.SIGNING)


def is_same_content(record: Record, other: Record) -> bool:
    """Return True if one record can serve for the other. Policies are compared by kind, since their values differ."""
    for kind in (SPF_KEYS, ("dmarc",)):
        if record.key in kind:
            return other.key in kind
    return record.type == other.type and bool(record.value) and record.value.lower() == other.value.lower()


def mx_hosts(values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(value.partition(" ")[2].rstrip(".").lower() for value in values)


def is_proxied(addresses: tuple[str, ...]) -> bool:
    """Return True if the addresses belong to Cloudflare's proxy."""
    return any(
        ipaddress.ip_address(text) in network
        for text in addresses
        if _ADDRESS.fullmatch(text)
        for network in _CLOUDFLARE
    )


def is_key(values: tuple[str, ...]) -> bool:
    """Return True if a value is the public key behind a DKIM alias (RFC 6376 3.6.1)."""
    return any(re.search(r"(^|;)\s*p=", value) for value in values)


def is_forwarding(values: tuple[str, ...]) -> bool:
    return any(map(_FORWARDING.match, mx_hosts(values)))


MOST = 12
ONE_BOX = "_amazonses="  # name and value of the ownership record in one box
UNUSED_LABEL = "inbound-admin-asks-whether-all-names-answer"  # a label that nobody publishes: only a wildcard answers


_OTHER_TYPES = {"CNAME": ("TXT", "A"), "MX": ("CNAME", "TXT"), "TXT": ("CNAME",)}


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
    """Return the questions that search for one missing or wrong record in other places."""
    zone, types = domain.zone, _OTHER_TYPES[record.type]
    found = [Probe(ProbePlace.DOUBLED, Question(f"{record.name}.{zone}", record.type))]
    found += [Probe(ProbePlace.TYPE, Question(record.name, kind)) for kind in types[:1]]
    found += [Probe(ProbePlace.WILDCARD, Question(wildcard_name(record), "TXT"))] if record.type == "CNAME" else []
    found += [Probe(ProbePlace.APEX, Question(name, record.type)) for name in _apex_names(record, domain)]
    found += [Probe(ProbePlace.PARENT, Question(name, record.type)) for name in _shortened_names(record, domain)]
    found += [Probe(ProbePlace.WILDCARD, Question(wildcard_name(record), record.type))] if record.name != zone else []
    found += [Probe(ProbePlace.TYPE, Question(record.name, kind)) for kind in types[1:]]
    found += [Probe(ProbePlace.WILDCARD, Question(wildcard_name(record), "A"))] if record.type == "CNAME" else []
    found += [Probe(ProbePlace.UNDERSCORE, Question(name, record.type)) for name in _without_underscore(record, domain)]
    found += [Probe(ProbePlace.SWAPPED, Question(name, record.type)) for name in _swapped(record, zone)]
    unlike = [probe for probe in found if (probe.question.name, probe.question.type) != (record.name, record.type)]
    by_question = {probe.question: probe for probe in reversed(unlike) if _can_be_asked(probe.question.name)}
    return tuple(reversed(by_question.values()))[:MOST]


def wildcard_name(record: Record) -> str:
    """Return a sibling name that answers only if there is a wildcard."""
    return f"{UNUSED_LABEL}.{record.name.partition('.')[2]}"


def wildcard_of(record: Record, zone: str) -> str:
    """Return the wildcard that answers at the record's name. Below the zone's first level it may be any above it."""
    parent = record.name.partition(".")[2]
    return f"*.{parent}" if parent == zone else "*"


def interleave(wanted: Sequence[Sequence[Probe]]) -> tuple[Probe, ...]:
    """Interleave the probes: the likeliest of each record first, then the second, so that all share the budget."""
    longest = max(map(len, wanted), default=0)
    return tuple(probes[at] for at in range(longest) for probes in wanted if at < len(probes))


def _apex_names(record: Record, domain: DomainName) -> tuple[str, ...]:
    """A CNAME cannot exist at an apex."""
    if record.type == "CNAME":
        return ()
    return tuple(dict.fromkeys((domain.zone, domain.ascii)))


def _shortened_names(record: Record, domain: DomainName) -> tuple[str, ...]:
    """Return names without the labels next to the zone: `abc._domainkey` was entered for mail.example.com."""
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
