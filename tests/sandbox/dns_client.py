"""A client of the sandbox's DNS server, for tests of its packets."""

from collections.abc import Iterator
from contextlib import contextmanager

import dns.flags
import dns.message
import dns.query
import dns.rdatatype

from sandbox.dns.server import DnsServer
from sandbox.dns.zones import ZoneStore

ZONE = "example.com"
NS1, NS2 = "ns1.host.example", "ns2.host.example"


class Client:
    """Query the server, with a timeout that detects a silent server."""

    def __init__(self, store: ZoneStore, server: DnsServer, address: tuple[str, int]) -> None:
        self.store, self.server = store, server
        self.host, self.port = address

    def ask(
        self,
        name: str,
        rrtype: str = "A",
        *,
        tcp: bool = False,
        at: str | None = None,
        timeout: float = 5,
        edns: int | None = None,
        payload: int = 1232,
        flags: int = dns.flags.RD,
    ) -> dns.message.Message:
        query = dns.message.make_query(name or ".", rrtype, flags=flags)
        if edns is not None:
            query.use_edns(edns, payload=payload)
        return self.send(query, tcp=tcp, at=at, timeout=timeout)

    def send(
        self, query: dns.message.Message, *, tcp: bool = False, at: str | None = None, timeout: float = 5
    ) -> dns.message.Message:
        send = dns.query.tcp if tcp else dns.query.udp
        return send(query, at or self.host, port=self.port, timeout=timeout)


@contextmanager
def running_dns_server(*zones: str) -> Iterator[Client]:
    """Yield a client of a running server with these zones."""
    store = ZoneStore()
    for zone in zones:
        store.add_zone(zone)
    server = DnsServer(store)
    address = server.start()
    try:
        yield Client(store, server, address)
    finally:
        server.stop()


def values(response: dns.message.Message, rrtype: str) -> list[str]:
    wanted = dns.rdatatype.from_text(rrtype)
    return sorted(str(it) for rrset in response.answer if rrset.rdtype == wanted for it in rrset)


def soa_name(response: dns.message.Message) -> str:
    (rrset,) = response.authority
    assert rrset.rdtype == dns.rdatatype.SOA
    return str(rrset.name)
