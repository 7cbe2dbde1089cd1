"""Query counts, unusual and hostile packets, start and stop of the DNS server."""

import random
import socket
import struct
from collections.abc import Iterator

import dns.exception
import dns.flags
import dns.message
import dns.opcode
import dns.query
import dns.rcode
import dns.rdata
import dns.rdatatype
import pytest

from sandbox.dns import server as sandbox_dns_server
from sandbox.dns.server import DnsServer
from sandbox.dns.wire import QueryCount
from sandbox.dns.zones import ZoneStore
from tests.sandbox.dns_client import ZONE, Client, running_dns_server


@pytest.fixture
def client() -> Iterator[Client]:
    with running_dns_server(ZONE) as made:
        yield made


# Counting


def test_queries_are_counted_by_name_and_type(client: Client) -> None:
    client.ask(ZONE, "MX")
    client.ask(ZONE.upper(), "MX", tcp=True)
    client.ask(ZONE, "TXT")
    counted = client.server.queries
    assert (counted[ZONE, "MX"], counted[ZONE, "TXT"], counted.total) == (2, 1, 3)
    counted.reset()
    assert (counted[ZONE, "MX"], counted.total) == (0, 0)


def test_the_count_is_limited() -> None:
    counted = QueryCount(limit=2)
    for name in ("a", "b", "c", "a"):
        counted.count((name, "A"))
    assert (counted.total, len(counted.by_question), counted["a", "A"], counted["c", "A"]) == (4, 2, 2, 0)


# Hostile and unusual packets


def raw(client: Client, packet: bytes, timeout: float = 5) -> bytes:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(timeout)
        sock.sendto(packet, (client.host, client.port))
        return sock.recv(65535)


def test_garbage_gets_formerr_and_a_short_packet_no_answer(client: Client) -> None:
    header = struct.pack("!HHHHHH", 7, 0x0100, 1, 0, 0, 0)
    for packet in (header, header + b"\xff" * 30, header + b"\xc0\x0c\x00\x01\x00\x01"):
        answer = raw(client, packet)
        assert (answer[:2], answer[3] & 15, len(answer)) == (b"\x00\x07", dns.rcode.FORMERR, 12)
    for packet in (b"", b"\x00", header[:11]):
        with pytest.raises(TimeoutError):
            raw(client, packet, timeout=0.1)


def test_a_response_packet_gets_no_answer(client: Client) -> None:
    response = dns.message.make_response(dns.message.make_query(ZONE, "A"))
    for packet in (response.to_wire(), response.to_wire()[:12] + b"\xff" * 9):
        with pytest.raises(TimeoutError):
            raw(client, packet, timeout=0.1)


def test_unsupported_queries_are_refused(client: Client) -> None:
    update = dns.message.make_query(ZONE, "A")
    update.set_opcode(dns.opcode.NOTIFY)
    assert raw(client, update.to_wire())[3] & 15 == dns.rcode.NOTIMP
    two = dns.message.make_query(ZONE, "A")
    two.question += two.question
    assert raw(client, two.to_wire())[3] & 15 == dns.rcode.FORMERR
    assert raw(client, dns.message.make_query(ZONE, "AXFR").to_wire())[3] & 15 == dns.rcode.REFUSED
    assert raw(client, dns.message.make_query(ZONE, "TXT", "CH").to_wire())[3] & 15 == dns.rcode.REFUSED


def test_many_broken_packets_do_not_stop_the_server(client: Client) -> None:
    dice = random.Random(2026)
    good = dns.message.make_query(f"a.{ZONE}", "TXT", use_edns=0).to_wire()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for _ in range(1500):
            broken = bytearray(good[: dice.randrange(len(good) + 1)])
            for _ in range(dice.randrange(4)):
                if broken:
                    broken[dice.randrange(len(broken))] = dice.randrange(256)
            sock.sendto(bytes(broken), (client.host, client.port))
    assert client.ask(f"a.{ZONE}").rcode() == dns.rcode.NXDOMAIN


def test_a_name_with_unusual_octets_is_nxdomain(client: Client) -> None:
    packet = struct.pack("!HHHHHH", 7, 0x0100, 1, 0, 0, 0) + b"\x05a.\x00\xff \x07example\x03com\x00\x00\x01\x00\x01"
    assert raw(client, packet)[3] & 15 == dns.rcode.NXDOMAIN


def test_tcp_accepts_fragmented_queries_and_survives_a_broken_one(client: Client) -> None:
    query = dns.message.make_query(ZONE, "SOA").to_wire()
    framed = len(query).to_bytes(2) + query
    with socket.create_connection((client.host, client.port), timeout=5) as cut:
        cut.sendall(framed[:7])
    with socket.create_connection((client.host, client.port), timeout=5) as sock, sock.makefile("rb") as answers:
        sock.sendall(framed[:1])
        sock.sendall(framed[1:9])
        sock.sendall(framed[9:] + b"\x00\x0d" + query[:13] + framed)
        codes = [answers.read(int.from_bytes(answers.read(2)))[3] & 15 for _ in range(3)]
    assert codes == [dns.rcode.NOERROR, dns.rcode.FORMERR, dns.rcode.NOERROR]


def test_connections_over_the_limit_are_closed_and_udp_works(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox_dns_server, "TCP_CONNECTIONS", 1)
    query = dns.message.make_query(ZONE, "SOA").to_wire()
    with socket.create_connection((client.host, client.port), timeout=5) as first:
        first.sendall(len(query).to_bytes(2) + query)
        assert first.recv(2)
        with socket.create_connection((client.host, client.port), timeout=5) as second:
            assert second.recv(1) == b""
        assert client.ask(ZONE, "SOA").answer


# Start and stop


def test_it_can_be_stopped_twice_and_its_port_reused(client: Client) -> None:
    client.ask(ZONE, "SOA", tcp=True)
    client.server.stop()
    client.server.stop()
    again = DnsServer(client.store, port=client.port)
    assert again.start() == ("127.0.0.1", client.port)
    again.stop()


def test_a_port_in_use_raises_an_error(client: Client) -> None:
    with pytest.raises(OSError, match="in use"):
        DnsServer(client.store, port=client.port).start()


def test_port_0_is_retried_when_the_tcp_port_is_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[int] = []
    bind = sandbox_dns_server._socket

    def taken_at_first(host: str, port: int, kind: socket.SocketKind) -> socket.socket:
        if kind == socket.SOCK_STREAM:
            tries.append(port)
            if len(tries) == 1:
                raise OSError(98, "Address already in use")
        return bind(host, port, kind)

    monkeypatch.setattr(sandbox_dns_server, "_socket", taken_at_first)
    server = DnsServer(ZoneStore())
    port = server.start()[1]
    server.stop()
    # Another program may hold the TCP port too, so the second try may not be the last.
    assert len(tries) > 1
    assert port == tries[-1]
