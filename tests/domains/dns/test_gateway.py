"""The DNS gateway against the sandbox's server, and against a scripted one that lies, delays and stays silent."""

import asyncio
import socket
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domains.dns.core import Answer, LookupStatus, Question
from domains.dns.gateway.exchange import FALLBACK_RESOLVERS, ask, look_up, system_resolvers
from sandbox.dns.server import DnsServer
from sandbox.dns.zones import ZoneStore

TXT = Question("_amazonses.example.com", "TXT")
Script = Callable[[bytes], Sequence[bytes]]


@pytest.fixture(scope="module")
def resolver() -> Iterator[str]:
    zones = ZoneStore()
    zones.add_zone("example.com")
    for name, kind, value in (
        ("_amazonses", "TXT", "AbC="),
        ("long", "TXT", "x" * 3000),
        *(("huge", "TXT", f"{number}" * 4000) for number in range(10)),
        ("key", "CNAME", "Token.DKIM.amazonses.com"),
        ("alias", "CNAME", "_amazonses.example.com"),
        ("dangling", "CNAME", "nothing.example.com"),
        ("two", "MX", "20 B.example.com"),
        ("two", "MX", "3 a.example.com"),
        ("null", "MX", "0 ."),
        ("address", "A", "192.0.2.1"),
    ):
        zones.add_record("example.com", f"{name}.example.com", kind, value)
    for fault in ("servfail", "refused", "silent", "lame"):
        zones.add_zone(f"{fault}.com")
        zones.set_fault(f"{fault}.com", fault)
    server = DnsServer(zones)
    host, port = server.start()
    yield f"{host}:{port}"
    server.stop()


@pytest.mark.parametrize(
    ("name", "kind", "status", "values"),
    [
        ("_amazonses.example.com", "TXT", LookupStatus.FOUND, ("AbC=",)),
        ("_AMAZONSES.Example.com", "TXT", LookupStatus.FOUND, ("AbC=",)),
        ("long.example.com", "TXT", LookupStatus.FOUND, ("x" * 3000,)),
        ("huge.example.com", "TXT", LookupStatus.FAILED, ()),
        ("key.example.com", "CNAME", LookupStatus.FOUND, ("token.dkim.amazonses.com",)),
        ("alias.example.com", "TXT", LookupStatus.FOUND, ("AbC=",)),
        ("dangling.example.com", "TXT", LookupStatus.NO_NAME, ()),
        ("two.example.com", "MX", LookupStatus.FOUND, ("3 a.example.com", "20 b.example.com")),
        ("null.example.com", "MX", LookupStatus.FOUND, ("0 .",)),
        ("address.example.com", "A", LookupStatus.FOUND, ("192.0.2.1",)),
        ("address.example.com", "MX", LookupStatus.NO_DATA, ()),
        ("nothing.example.com", "MX", LookupStatus.NO_NAME, ()),
        ("servfail.com", "MX", LookupStatus.FAILED, ()),
        ("refused.com", "MX", LookupStatus.FAILED, ()),
        ("silent.com", "MX", LookupStatus.FAILED, ()),
        ("lame.com", "MX", LookupStatus.FAILED, ()),
        ("a..b", "MX", LookupStatus.FAILED, ()),
        ("x" * 64 + ".com", "MX", LookupStatus.FAILED, ()),
        ("ü.com", "MX", LookupStatus.FAILED, ()),
        ("\udc80.com", "MX", LookupStatus.FAILED, ()),
        ("example.com", "NOTYPE", LookupStatus.FAILED, ()),
    ],
)
def test_every_outcome_is_an_answer(
    resolver: str, name: str, kind: str, status: LookupStatus, values: tuple[str, ...]
) -> None:
    question = Question(name, kind)
    answer = look_up([question], [resolver], timeout=0.2, tries=1)[question, resolver]
    assert (answer.question, answer.resolver, answer.status, answer.values) == (question, resolver, status, values)
    assert bool(answer.error) == (status is LookupStatus.FAILED)


def test_an_absent_name_has_the_ttl_of_its_absence(resolver: str) -> None:
    question = Question("nothing.example.com", "TXT")
    assert look_up([question, TXT], [resolver])[question, resolver].ttl == 60
    assert look_up([question, TXT], [resolver])[TXT, resolver].ttl == 300


def test_no_questions_or_no_resolvers_give_no_answers(resolver: str) -> None:
    assert look_up([], [resolver]) == look_up([TXT], []) == look_up([], []) == {}


def test_duplicate_questions_and_resolvers_are_queried_once(resolver: str) -> None:
    assert list(look_up([TXT, TXT], [resolver, resolver])) == [(TXT, resolver)]


def closed_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_invalid_resolvers_fail_without_affecting_others(resolver: str) -> None:
    bad = [f"127.0.0.1:{closed_port()}", "not an address", "127.0.0.1:0", "127.0.0.1:99999", "[::1", "", "..:53"]
    answers = look_up([TXT], [*bad, resolver], timeout=0.2)
    assert [answers[TXT, each].status for each in bad] == [LookupStatus.FAILED] * len(bad)
    assert answers[TXT, resolver].status is LookupStatus.FOUND


def test_an_ipv6_resolver_is_written_in_brackets() -> None:
    zones = ZoneStore()
    zones.add_zone("example.com")
    server = DnsServer(zones, host="::1")
    try:
        _, port = server.start()
    except OSError as problem:
        pytest.skip(f"this machine has no IPv6: {problem}")
    answer = look_up([TXT], [f"[::1]:{port}"], timeout=0.5)[TXT, f"[::1]:{port}"]
    server.stop()
    assert answer.status is LookupStatus.NO_NAME


class Scripted(asyncio.DatagramProtocol):
    """A resolver that answers each query with the packets of its script."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.queries: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.queries.append(data)
        for packet in self.script(data):
            cast("asyncio.DatagramTransport", self.transport).sendto(packet, addr)


def run(
    script: Script, questions: Sequence[Question] = (TXT,), *, timeout: float = 0.05, tries: int = 1, at_once: int = 50
) -> tuple[list[Answer], Scripted]:
    async def scene() -> tuple[list[Answer], Scripted]:
        loop = asyncio.get_running_loop()
        transport, server = await loop.create_datagram_endpoint(lambda: Scripted(script), local_addr=("127.0.0.1", 0))
        host, port = transport.get_extra_info("sockname")
        answers = await ask(questions, [f"{host}:{port}"], timeout=timeout, tries=tries, at_once=at_once)
        transport.close()
        return list(answers.values()), server

    return asyncio.run(scene())


def reply(query: bytes, *records: str, rcode: int = dns.rcode.NOERROR, authority: Sequence[str] = ()) -> bytes:
    response = dns.message.make_response(dns.message.from_wire(query), recursion_available=True)
    response.set_rcode(dns.rcode.Rcode.make(rcode))
    response.answer = [dns.rrset.from_text(*_split(record)) for record in records]
    response.authority = [dns.rrset.from_text(*_split(record)) for record in authority]
    return response.to_wire()


def _split(record: str) -> tuple[str, int, str, str, str]:
    name, ttl, kind, value = record.split(" ", 3)
    return name, int(ttl), "IN", kind, value


GOOD = '_amazonses.example.com. 300 TXT "AbC="'
FORGED = '_amazonses.example.com. 300 TXT "forged"'


def other_id(packet: bytes) -> bytes:
    return (int.from_bytes(packet[:2]) ^ 1).to_bytes(2) + packet[2:]


def other_question(query: bytes) -> bytes:
    question = dns.message.make_query("_amazonses.example.net", "TXT", id=int.from_bytes(query[:2]))
    return reply(question.to_wire(), '_amazonses.example.net. 300 TXT "forged"')


@pytest.mark.parametrize(
    "noise",
    [
        lambda query: other_id(reply(query, FORGED)),
        other_question,
        lambda query: query,
        lambda query: query[:2],
        lambda query: b"",
        lambda query: query[:2] + b"\x80\x00" + b"\x00" * 8,
        lambda query: query[:2] + b"\xff" * 40,
    ],
    ids=["another id", "another question", "our own query", "two bytes", "nothing", "no question", "nonsense"],
)
def test_packets_that_do_not_answer_the_question_are_ignored(noise: Callable[[bytes], bytes]) -> None:
    answers, _ = run(lambda query: [noise(query), reply(query, GOOD)])
    assert answers[0].values == ("AbC=",)
    answers, _ = run(lambda query: [noise(query)])
    assert answers[0].status is LookupStatus.FAILED
    assert answers[0].error == "no answer within 0.05 seconds"


def test_an_answer_from_another_address_is_ignored() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:

        class Stranger(Scripted):
            def datagram_received(self, data: bytes, addr: Any) -> None:
                stranger.sendto(reply(data, FORGED), cast("tuple[str, int]", addr))

        async def scene() -> Answer:
            loop = asyncio.get_running_loop()
            transport, _ = await loop.create_datagram_endpoint(
                lambda: Stranger(lambda _: ()), local_addr=("127.0.0.1", 0)
            )
            host, port = transport.get_extra_info("sockname")
            answers = await ask([TXT], [f"{host}:{port}"], timeout=0.05, tries=1)
            transport.close()
            return answers[TXT, f"{host}:{port}"]

        assert asyncio.run(scene()).status is LookupStatus.FAILED


def test_query_ids_are_unpredictable() -> None:
    questions = [Question(f"n{number}.example.com", "TXT") for number in range(200)]
    _, server = run(lambda query: [reply(query)], questions, timeout=2)
    ids = [int.from_bytes(query[:2]) for query in server.queries]
    steps = {second - first for first, second in pairwise(ids)}
    assert len(steps) > 150
    assert max(ids) > 0x4000


def test_a_lost_answer_is_retried() -> None:
    seen: list[bytes] = []

    def second_time(query: bytes) -> list[bytes]:
        seen.append(query)
        return [reply(query, GOOD)] if len(seen) == 2 else []

    answers, _ = run(second_time, tries=2)
    assert answers[0].values == ("AbC=",)
    assert len(seen) == 2


def test_a_silent_resolver_is_queried_only_the_given_number_of_times() -> None:
    answers, server = run(lambda _: [], tries=3)
    assert answers[0].status is LookupStatus.FAILED
    assert len(server.queries) == 3


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (lambda query: reply(query, rcode=dns.rcode.SERVFAIL), LookupStatus.FAILED),
        (lambda query: reply(query, rcode=dns.rcode.REFUSED), LookupStatus.FAILED),
        (lambda query: reply(query, rcode=dns.rcode.YXDOMAIN), LookupStatus.FAILED),
        (lambda query: query[:2] + b"\x81\x81" + b"\x00" * 8, LookupStatus.FAILED),
        (lambda query: reply(query, GOOD, rcode=dns.rcode.NXDOMAIN), LookupStatus.FAILED),
        (lambda query: reply(query, authority=["example.com. 60 NS ns.example.com."]), LookupStatus.FAILED),
        (lambda query: reply(query, "_amazonses.example.com. 60 CNAME x.example.net."), LookupStatus.FAILED),
        (lambda query: reply(query)[:-5], LookupStatus.FAILED),
        (reply, LookupStatus.NO_DATA),
        (lambda query: reply(query, rcode=dns.rcode.NXDOMAIN), LookupStatus.NO_NAME),
        (lambda query: reply(query.replace(b"_amazonses", b"_AmAzOnSeS"), GOOD), LookupStatus.FOUND),
        (lambda query: reply(query, GOOD) + b"trailing", LookupStatus.FOUND),
    ],
)
def test_only_a_clear_answer_means_absent(answer: Callable[[bytes], bytes], status: LookupStatus) -> None:
    answers, _ = run(lambda query: [answer(query)])
    assert answers[0].status is status
    assert answers[0].ttl == (300 if status is LookupStatus.FOUND else None)


def test_the_resolvers_own_reason_is_kept() -> None:
    def bogus(query: bytes) -> list[bytes]:
        response = dns.message.make_response(dns.message.from_wire(query))
        response.set_rcode(dns.rcode.SERVFAIL)
        reason = dns.edns.EDEOption(dns.edns.EDECode.DNSSEC_BOGUS, "signature expired")
        response.use_edns(edns=0, options=[reason])
        return [response.to_wire()]

    answers, _ = run(bogus)
    assert answers[0].error == "the resolver answered SERVFAIL: DNSSEC_BOGUS signature expired"


def test_txt_strings_are_joined_without_a_space() -> None:
    answers, _ = run(lambda query: [reply(query, '_amazonses.example.com. 9 TXT "Ab" "C="')])
    assert answers[0].values == ("AbC=",)


def truncated(query: bytes) -> bytes:
    packet = reply(query)
    return packet[:2] + bytes([packet[2] | 0x02]) + packet[3:]


def test_a_truncated_answer_without_tcp_fails() -> None:
    answers, _ = run(lambda query: [truncated(query)])
    assert answers[0].status is LookupStatus.FAILED
    assert "TCP" in answers[0].error


@pytest.mark.parametrize(
    ("over_tcp", "values"),
    [
        (lambda query: reply(query, GOOD), ("AbC=",)),
        (lambda query: other_id(reply(query, FORGED)), ()),
        (other_question, ()),
        (truncated, ()),
        (lambda query: b"", ()),
        (lambda query: None, ()),
    ],
    ids=["right", "another id", "another question", "truncated again", "empty", "closed"],
)
def test_a_truncated_answer_uses_tcp(over_tcp: Callable[[bytes], bytes | None], values: tuple[str, ...]) -> None:
    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        query = await reader.readexactly(int.from_bytes(await reader.readexactly(2)))
        if (packet := over_tcp(query)) is not None:
            writer.write(len(packet).to_bytes(2) + packet)
            await writer.drain()
        writer.close()
        await writer.wait_closed()

    async def scene() -> Answer:
        loop = asyncio.get_running_loop()
        tcp = await asyncio.start_server(converse, "127.0.0.1", 0)
        address = tcp.sockets[0].getsockname()
        udp, _ = await loop.create_datagram_endpoint(
            lambda: Scripted(lambda query: [truncated(query)]), local_addr=address
        )
        answers = await ask([TXT], [f"{address[0]}:{address[1]}"], timeout=1, tries=1)
        udp.close()
        tcp.close()
        await tcp.wait_closed()
        return next(iter(answers.values()))

    answer = asyncio.run(scene())
    assert answer.values == values
    assert (answer.status is LookupStatus.FOUND) == bool(values)


def test_a_silent_resolver_does_not_block_the_other_questions() -> None:
    questions = [Question(f"n{number}.example.com", "TXT") for number in range(500)]
    answers, server = run(lambda _: [], questions, timeout=0.02, at_once=4)
    assert len(server.queries) <= 8
    assert [answer.status for answer in answers] == [LookupStatus.FAILED] * 500


def test_the_number_of_concurrent_queries_is_limited() -> None:
    waiting: list[bytes] = []
    most = 0

    def in_pairs(query: bytes) -> list[bytes]:
        nonlocal most
        waiting.append(query)
        most = max(most, len(waiting))
        if len(waiting) < 4:
            return []
        ready, waiting[:] = list(waiting), []
        return [reply(each) for each in reversed(ready)]

    questions = [Question(f"n{number}.example.com", "TXT") for number in range(40)]
    answers, _ = run(in_pairs, questions, timeout=2, at_once=4)
    assert most == 4
    assert {answer.status for answer in answers} == {LookupStatus.NO_DATA}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), min_size=1, max_size=12), st.integers(12, 200))
def test_no_packet_crashes_the_gateway(changes: list[tuple[int, int]], length: int) -> None:
    def spoil(query: bytes) -> list[bytes]:
        packet = bytearray(reply(query, GOOD, "example.com. 5 MX 10 a.example.com.", authority=["com. 9 NS a.com."]))
        for at, value in changes:
            packet[2 + at % (len(packet) - 2)] = value
        return [bytes(packet[:length])]

    answers, _ = run(spoil, timeout=0.01)
    assert len(answers) == 1
    assert (answers[0].status is LookupStatus.FAILED) == bool(answers[0].error)


@pytest.mark.parametrize(
    ("text", "resolvers"),
    [
        (
            "nameserver 192.0.2.1\n# nameserver 192.0.2.9\nnameserver\t2001:db8::1\n",
            ("192.0.2.1:53", "[2001:db8::1]:53"),
        ),
        ("search example.com\n", FALLBACK_RESOLVERS),
        ("", FALLBACK_RESOLVERS),
    ],
)
def test_the_systems_resolvers_are_read_with_a_fallback(tmp_path: Path, text: str, resolvers: tuple[str, ...]) -> None:
    (tmp_path / "resolv.conf").write_text(text, encoding="utf-8")
    assert system_resolvers(tmp_path / "resolv.conf") == resolvers


def test_a_missing_resolv_conf_gives_the_fallback(tmp_path: Path) -> None:
    assert system_resolvers(tmp_path / "none") == FALLBACK_RESOLVERS
