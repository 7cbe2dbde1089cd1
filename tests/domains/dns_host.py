"""The DNS host of one domain, as the sandbox's DNS serves it, and its observation and diagnosis."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from domains.checking.core.judgement import Aspect, SesStatus
from domains.diagnosis.core.chain import diagnose
from domains.diagnosis.core.findings import Diagnosis
from domains.diagnosis.core.observations import Observations, RecordHistory, SesView
from domains.dns.services import Network, QuerySession
from domains.dns_observation.services import observe
from domains.names.core import DomainName
from domains.policies import core as policies_core
from domains.policies.core import PublishedPolicies
from domains.records.core import IdentityFacts, Record, records_for
from domains.spf.core import evaluation
from domains.spf.core.evaluation import SpfNames
from sandbox.dns import mistakes
from sandbox.dns.mistake import WantedRecord
from sandbox.dns.server import DnsServer
from sandbox.dns.zones import ZoneStore

NOW = datetime(2026, 11, 24, 14, 0, tzinfo=UTC)
NAMESERVERS = ("ns1.host.example", "ns2.host.example")
TOKEN = "AbCdEfGh0123456789ijKLmnopQRstuvWXyzABCDEFG="
DKIM = ("abcd1efgh2ijkl3mnop4qrst5uvwx6yz", "bcde2fghi3jklm4nopq5rstu6vwxy7za", "cdef3ghij4klmn5opqr6stuv7wxyz8ab")
CONFIRMED = SesView(
    statuses=tuple((aspect, SesStatus.SUCCESS) for aspect in (Aspect.IDENTITY, Aspect.DKIM, Aspect.MAIL_FROM)),
    looked_at=NOW - timedelta(minutes=5),
    soa="ns1.host.example 7",
)


def facts_of(name: str = "example.com", **changes: object) -> IdentityFacts:
    facts = IdentityFacts(
        domain=DomainName.from_stored(name),
        region="us-east-1",
        verification_token=TOKEN,
        dkim_tokens=DKIM,
        dkim_zone="dkim.amazonses.com",
        mail_from=f"bounce.{name}",
        receiving=True,
        wants_dmarc=True,
        policies=nothing_published(name),
    )
    return replace(facts, **changes)  # type: ignore[arg-type]  # names as the caller writes them


def nothing_published(name: str) -> PublishedPolicies:
    """Return the facts after a check that found no SPF and no DMARC, at the domain and above."""
    domain = DomainName.from_stored(name)
    return PublishedPolicies(spf={name: ()}, dmarc=dict.fromkeys(policies_core.dmarc_questions(domain), ()))


def all_found(*lines: str) -> SpfNames:
    """Return the facts after a check that resolved everything in the SPF lines; their includes have plain addresses."""
    inside = {name: ("v=spf1 ip4:192.0.2.1 -all",) for line in lines for name in evaluation.included_names(line)}
    return SpfNames(inside, present=frozenset(pair for line in lines for pair in evaluation.names_looked_up(line)))


class Host:
    """The DNS host of one domain, and the diagnosis of it."""

    def __init__(self, store: ZoneStore, facts: IdentityFacts, nameservers: Sequence[str] = NAMESERVERS) -> None:
        self.store, self.facts = store, facts
        self.zone = facts.domain.zone
        self.amazon, self.history = CONFIRMED, RecordHistory()
        self.resolvers: tuple[str, ...] = ()
        self.nameservers = tuple(nameservers)

    @property
    def records(self) -> tuple[Record, ...]:
        return records_for(self.facts)

    def record(self, key: str) -> Record:
        return next(record for record in self.records if record.key == key)

    def open(self) -> None:
        self.store.add_zone(self.zone, self.nameservers)
        self.store.add_record(self.zone, f"www.{self.zone}", "A", "192.0.2.80")

    def publish(self, *keys: str) -> None:
        """Publish all records, or those named."""
        wanted = [wanted_record(record) for record in self.records if not keys or record.key in keys]
        mistakes.publish_missing(self.store, self.zone, tuple(wanted))

    def withdraw(self, *keys: str) -> None:
        for record in map(self.record, keys):
            for held in self.store.records(self.zone):
                if (held.name, held.type) == (record.name, record.type):
                    self.store.remove_record(self.zone, held.id)

    def add(self, name: str, kind: str, value: str, *, ttl: int = 300, force: bool = False) -> None:
        self.store.add_record(self.zone, name, kind, value, ttl, force=force)

    def instead(self, key: str, value: str) -> None:
        """Publish something else at a record's name."""
        record = self.record(key)
        self.withdraw(key)
        self.add(record.name, record.type, value)

    def mistake(self, key: str, code: str) -> None:
        mistakes.apply(self.store, self.zone, wanted_record(self.record(key)), code)

    def observe(
        self, server: DnsServer, address: tuple[str, int], *, timeout: float = 1.5, seconds: float = 10.0
    ) -> Observations:
        server.bind_nameservers()
        resolver = f"{address[0]}:{address[1]}"
        net = Network(self.resolvers or (resolver,), port=address[1], private=True)
        asking = QuerySession(timeout=timeout, seconds=seconds)
        return asyncio.run(observe(self.facts.domain, self.records, net, asking))

    def observe_at(self, resolver: str, port: int) -> Observations:
        """Observe with another resolver, and nameservers at that port of their addresses."""
        net, asking = Network((resolver,), port=port, private=True), QuerySession(timeout=1.0, seconds=10.0)
        return asyncio.run(observe(self.facts.domain, self.records, net, asking))

    def diagnose(
        self, server: DnsServer, address: tuple[str, int], *, timeout: float = 1.5, seconds: float = 10.0
    ) -> Diagnosis:
        seen = self.observe(server, address, timeout=timeout, seconds=seconds)
        return self.diagnosis_of(seen)

    def diagnosis_of(self, seen: Observations) -> Diagnosis:
        """Return the diagnosis of the observations, with no policies known from earlier checks."""
        facts = replace(self.facts, policies=policies_core.NOTHING_KNOWN)
        return diagnose(facts, seen, self.amazon, NOW, self.history)


def wanted_record(record: Record) -> WantedRecord:
    return WantedRecord(record.key, record.type, record.name, record.value, record.priority)


@contextmanager
def serving() -> Iterator[tuple[ZoneStore, DnsServer, tuple[str, int]]]:
    store = ZoneStore()
    server = DnsServer(store)
    address = server.start()
    try:
        yield store, server, address
    finally:
        server.stop()
