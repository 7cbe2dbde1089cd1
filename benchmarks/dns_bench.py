"""DNS lookups, checks and diagnoses per second, compared with dnspython's resolver and checkdmarc in the same run.

The same zones are served by the sandbox's DNS server and by nsd, each in its own process, so that serving takes no time
from the measurement. Each round runs all competitors one after the other and compares them within the round, so a busy
moment of the machine affects all alike.
"""

import asyncio
import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from socket import AF_INET, SOCK_DGRAM
from statistics import median
from typing import Any, cast

import checkdmarc
import dns.asyncquery
import dns.asyncresolver
import dns.message
import dns.nameserver
from checkdmarc.dnssec import DNSKEY_CACHE, DNSSEC_CACHE
from checkdmarc.utils import DNS_CACHE
from dns._asyncio_backend import Backend

from benchmarks import nsd
from benchmarks.rows import Row, at_least, failed, shown
from domains.checking.core.judgement import Aspect, SesStatus, State, judge, judge_aspects, judge_domain
from domains.diagnosis.core.chain import diagnose
from domains.diagnosis.core.observations import SesView
from domains.dns.core import LookupStatus, Question, question_for
from domains.dns.gateway.exchange import look_up
from domains.dns.services import Network, QuerySession
from domains.dns_observation.services import observe
from domains.names.core import DomainName
from domains.providers.core import zone_file_line
from domains.records.core import IdentityFacts, Record, records_for
from sandbox.dns.amazon import SPF
from sandbox.dns.server import DnsServer
from sandbox.dns.zones import ZoneStore
from tests.domains.dns_host import nothing_published

REGION = "eu-west-1"
DOMAINS = 100
CHECKED = 25
ROUNDS = 11
DIAGNOSED, DIAGNOSIS_ROUNDS, PATIENCE = 20, 5, 2.0
AT_ONCE = 50
SHARE_OF_BARE = 0.7
TIMES_CHECKDMARC = 3.0

_ALL_CONFIRMED = dict.fromkeys(Aspect, SesStatus.SUCCESS)
_CONFIRMED = SesView(statuses=tuple(_ALL_CONFIRMED.items()))
_NOW = datetime(2026, 1, 1, tzinfo=UTC)


def rows() -> list[Row]:
    """Return all rows. Takes about half a minute."""
    with _dns_server() as (host, port):
        measured = _rows_at(host, port, "sandbox")
    try:
        with nsd.serving(_zone_lines()) as (host, port):
            return [*measured, *_rows_at(host, port, "nsd")]
    except nsd.NotHere as problem:
        return [*measured, failed("the same at nsd", str(problem))]


def _rows_at(host: str, port: int, server: str) -> list[Row]:
    made = [*lookup_rows(host, port), *check_rows(host, port), *diagnosis_rows(host, port)]
    return [replace(row, name=f"{server}: {row.name}") for row in made]


def diagnosis_rows(host: str, port: int) -> list[Row]:
    """Measure whole diagnoses of correct domains, one after the other, from the delegation to the last record."""
    names = _names()[:DIAGNOSED]
    took = _seconds(rounds=DIAGNOSIS_ROUNDS, ours=lambda: _diagnose(names, host, port))
    return [shown("domains diagnosed a second, one by one", _rate(DIAGNOSED, took["ours"]), "1/s")]


def lookup_rows(host: str, port: int) -> list[Row]:
    """Measure single lookups: ours, and both ways to use dnspython directly. The faster one is the reference."""
    questions = [question_for(record) for name in _names() for record in _records(name)]
    took = _seconds(
        ours=lambda: _ask_ours(questions, host, port),
        resolver=lambda: asyncio.run(_ask_resolver(questions, host, port)),
        query=lambda: asyncio.run(_ask_query(questions, host, port)),
    )
    bare = min(("resolver", "query"), key=lambda name: median(took[name]))
    return [
        shown("DNS lookups a second, dns.asyncresolver", _rate(len(questions), took["resolver"]), "1/s"),
        shown("DNS lookups a second, dns.asyncquery on reused sockets", _rate(len(questions), took["query"]), "1/s"),
        shown("DNS lookups a second, ours", _rate(len(questions), took["ours"]), "1/s"),
        at_least("DNS lookups, ours beside the faster bare one", _ratio(took[bare], took["ours"]), "x", SHARE_OF_BARE),
    ]


def check_rows(host: str, port: int) -> list[Row]:
    """Measure full checks, one domain at a time as checkdmarc does.

    The first round warms the server and isn't counted.
    """
    names = _names()[:CHECKED]
    took = _seconds(
        ours=lambda: _check_one_by_one(names, host, port),
        batch=lambda: _check(names, host, port),
        checkdmarc=lambda: _checkdmarc(names, host, port),
    )
    times = _ratio(took["checkdmarc"], took["ours"])
    return [
        shown("domains checked a second, checkdmarc", _rate(CHECKED, took["checkdmarc"]), "1/s"),
        shown("domains checked a second, ours, in one batch", _rate(CHECKED, took["batch"]), "1/s"),
        shown("domains checked a second, ours, one by one", _rate(CHECKED, took["ours"]), "1/s"),
        at_least("domains checked, ours one by one beside checkdmarc", times, "x", TIMES_CHECKDMARC),
    ]


def _seconds(rounds: int = ROUNDS, **rivals: Callable[[], object]) -> dict[str, list[float]]:
    """Return each competitor's seconds in each round. The first round isn't counted."""
    took: dict[str, list[float]] = {name: [] for name in rivals}
    for number in range(-1, rounds):
        for name, run in rivals.items():
            begun = time.perf_counter()
            run()
            if number >= 0:
                took[name].append(time.perf_counter() - begun)
    return took


def _rate(count: int, took: Sequence[float]) -> float:
    return count / median(took)


def _ratio(theirs: Sequence[float], ours: Sequence[float]) -> float:
    """Return how many times as fast we are: the median of the rounds' ratios, each measured within seconds."""
    return median(their / our for their, our in zip(theirs, ours, strict=True))


def _ask_ours(questions: Sequence[Question], host: str, port: int) -> None:
    answers = look_up(questions, [f"{host}:{port}"], at_once=AT_ONCE)
    assert all(answer.status is LookupStatus.FOUND for answer in answers.values())


async def _ask_resolver(questions: Sequence[Question], host: str, port: int) -> None:
    resolver = dns.asyncresolver.Resolver(configure=False)
    resolver.nameservers, resolver.port = [host], port
    left = iter(questions)

    async def work() -> None:
        for question in left:
            await resolver.resolve(question.name + ".", question.type)

    await asyncio.gather(*(work() for _ in range(AT_ONCE)))


async def _ask_query(questions: Sequence[Question], host: str, port: int) -> None:
    """Query with dnspython. It can't tell packets on one socket apart, so each concurrent query has its own socket."""
    left, make_socket = iter(questions), cast("Any", Backend().make_socket)

    async def work() -> None:
        async with await make_socket(AF_INET, SOCK_DGRAM, 0, ("127.0.0.1", 0)) as reused:
            for question in left:
                query = dns.message.make_query(question.name + ".", question.type)
                reply = await dns.asyncquery.udp(query, host, 3.0, port, sock=reused)
                assert reply.answer

    await asyncio.gather(*(work() for _ in range(AT_ONCE)))


def _check(names: Sequence[str], host: str, port: int) -> None:
    """Run a plain check of domains: all records are queried and judged, then the aspects and the whole."""
    resolver = f"{host}:{port}"
    wanted = {name: _records(name) for name in names}
    answers = look_up([question_for(record) for records in wanted.values() for record in records], [resolver])
    for records in wanted.values():
        judgements = [
            judge(record, [answers[question_for(record), resolver]], verified_before=None, now=_NOW)
            for record in records
        ]
        assert judge_domain(judge_aspects(judgements, _ALL_CONFIRMED), judgements).state is State.VERIFIED


def _check_one_by_one(names: Sequence[str], host: str, port: int) -> None:
    for name in names:
        _check([name], host, port)


def _diagnose(names: Sequence[str], host: str, port: int) -> None:
    """Run a diagnosis as its page does: the observer's queries, and the judgement of the answers."""
    net = Network((f"{host}:{port}",), port=port, private=True)
    for name in names:
        records = _records(name)
        asker = QuerySession(timeout=PATIENCE)
        observed = asyncio.run(observe(DomainName.from_stored(name), records, net, asker))
        found = diagnose(_facts(name), observed, _CONFIRMED, _NOW)
        assert found.is_right, found.finding


def _checkdmarc(names: Sequence[str], host: str, port: int) -> None:
    """Run checkdmarc as its users do, with an empty cache. It doesn't connect to mail servers."""
    for cache in (DNS_CACHE, DNSSEC_CACHE, DNSKEY_CACHE):
        cache.clear()
    nameserver = dns.nameserver.Do53Nameserver(host, port)
    for name in names:
        result = checkdmarc.check_domains([name], nameservers=[nameserver], bimi_selector=None)
        assert result["spf"]["valid"] is True, result["spf"]
        assert result["mx"]["hosts"], result["mx"]


def _names() -> list[str]:
    return [f"shop{number}.com" for number in range(DOMAINS)]


def _records(name: str) -> tuple[Record, ...]:
    return records_for(_facts(name))


def _facts(name: str) -> IdentityFacts:
    return IdentityFacts(
        domain=DomainName.from_stored(name),
        region=REGION,
        verification_token="AbCdEfGhIjKlMnOpQrStUvWxYzAbCdEfGhIjKlMnOpQ=",  # noqa: S106  # nobody's
        dkim_tokens=("one" * 10, "two" * 10, "six" * 10),
        dkim_zone="dkim.amazonses.com",
        mail_from=f"bounce.{name}",
        receiving=True,
        wants_dmarc=True,
        wants_apex_spf=True,
        policies=nothing_published(name),
    )


def _zone_lines() -> dict[str, list[str]]:
    """Return zone files for a nameserver, with the sandbox's records of AWS's own zones."""
    amazon = {
        "amazonses.com": [f'amazonses.com. IN TXT "{SPF}"', f"feedback-smtp.{REGION}.amazonses.com. IN A 192.0.2.20"],
        "amazonaws.com": [f"inbound-smtp.{REGION}.amazonaws.com. IN A 192.0.2.10"],
    }
    return {name: [zone_file_line(record) for record in _records(name)] for name in _names()} | amazon


@contextmanager
def _dns_server() -> Iterator[tuple[str, int]]:
    """Yield the address of a separate process, which ends when the pipe closes."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(theirs,), daemon=True)
    process.start()
    theirs.close()
    try:
        yield ours.recv()
    finally:
        ours.close()
        process.join(10)


def serve(pipe: Connection) -> None:
    """Serve the zones in the separate process until the pipe closes."""
    zones = ZoneStore()
    for name in _names():
        _publish(zones, name)
    server = DnsServer(zones)
    pipe.send(server.start())
    try:
        pipe.recv()
    except EOFError:
        server.stop()


def _publish(zones: ZoneStore, name: str) -> None:
    zones.add_zone(name)
    zones.add_record(name, name, "NS", f"ns1.{name}")
    zones.add_record(name, f"ns1.{name}", "A", "127.0.0.1")
    for record in _records(name):
        value = record.value if record.priority is None else f"{record.priority} {record.value}"
        zones.add_record(name, record.name, record.type, value)
