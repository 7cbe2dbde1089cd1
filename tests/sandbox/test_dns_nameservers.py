"""The sandbox's nameservers, each at its own address, and the ways in which DNS can fail."""

import socket
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

from sandbox.dns.server import DnsServer, NameserverAddressError
from sandbox.dns.zones import ZoneStore
from tests.sandbox.dns_client import NS1, NS2, ZONE, Client, running_dns_server, values


@pytest.fixture
def client() -> Iterator[Client]:
    with running_dns_server(ZONE) as made:
        yield made


@pytest.fixture
def named(client: Client) -> Client:
    client.store.add_zone("named.example", [NS1, NS2])
    client.store.add_record("named.example", "a.named.example", "A", "192.0.2.1")
    return client


# Separate nameservers


def test_a_client_can_follow_the_delegation_to_each_nameserver(named: Client) -> None:
    assert values(named.ask("named.example", "NS"), "NS") == [f"{NS1}.", f"{NS2}."]
    for nameserver, address in ((NS1, "127.0.0.2"), (NS2, "127.0.0.3")):
        assert values(named.ask(nameserver), "A") == [address]
        for tcp in (False, True):
            response = named.ask("a.named.example", at=address, tcp=tcp)
            assert values(response, "A") == ["192.0.2.1"]
            assert response.flags & dns.flags.AA
            assert not response.flags & dns.flags.RA


def test_a_nameserver_refuses_zones_that_are_not_its_own(named: Client) -> None:
    named.ask(NS1)
    assert named.ask(ZONE, at="127.0.0.2").rcode() == dns.rcode.REFUSED
    missing = named.ask("none.named.example", at="127.0.0.2")
    assert missing.rcode() == dns.rcode.NXDOMAIN
    assert missing.flags & dns.flags.AA


def test_a_nameserver_does_not_follow_a_cname_out_of_its_zones(named: Client) -> None:
    named.store.add_record("named.example", "www.named.example", "CNAME", f"a.{ZONE}")
    named.store.add_record(ZONE, f"a.{ZONE}", "A", "192.0.2.1")
    named.ask(NS1)
    response = named.ask("www.named.example", at="127.0.0.2")
    assert [rrset.rdtype for rrset in response.answer] == [dns.rdatatype.CNAME]
    assert response.rcode() == dns.rcode.NOERROR


def test_a_nameserver_refers_to_the_nameservers_of_a_subzone(named: Client) -> None:
    named.store.add_zone("sub.named.example", ["ns3.host.example"])
    named.store.add_record("named.example", "out.named.example", "NS", "ns.elsewhere.test")
    named.ask(NS1)
    response = named.ask("x.sub.named.example", at="127.0.0.2")
    assert (response.answer, response.flags & dns.flags.AA) == ([], 0)
    assert str(response.authority[0]) == "sub.named.example. 3600 IN NS ns3.host.example."
    assert str(response.additional[0]) == "ns3.host.example. 300 IN A 127.0.0.4"
    assert named.ask("x.sub.named.example", at="127.0.0.4").rcode() == dns.rcode.NXDOMAIN
    assert "ns.elsewhere.test." in str(named.ask("x.out.named.example", at="127.0.0.2").authority[0])


def test_nameservers_can_disagree(named: Client) -> None:
    without = [it for it in named.store.records("named.example") if it.type != "A"]
    named.store.override("named.example", NS2, without)
    assert values(named.ask("a.named.example"), "A") == ["192.0.2.1"]
    assert values(named.ask("a.named.example", at="127.0.0.2"), "A") == ["192.0.2.1"]
    assert named.ask("a.named.example", at="127.0.0.3").rcode() == dns.rcode.NXDOMAIN
    named.store.override("named.example", NS2, None)
    assert values(named.ask("a.named.example", at="127.0.0.3"), "A") == ["192.0.2.1"]


def test_nameservers_added_before_the_start_are_bound_by_it() -> None:
    store = ZoneStore()
    store.add_zone("named.example", [NS1])
    server = DnsServer(store)
    client = Client(store, server, server.start())
    try:
        server.bind_nameservers()
        assert client.ask("named.example", "SOA", at="127.0.0.2").answer
        assert server.problems == ()
    finally:
        server.stop()


def test_an_address_reused_after_a_reset_serves_its_new_nameserver(named: Client) -> None:
    named.ask(NS1)
    named.store.reset()
    assert named.ask("named.example", at="127.0.0.2").rcode() == dns.rcode.REFUSED
    named.store.add_zone("other.example", [NS2])
    assert named.ask("other.example", "SOA", at="127.0.0.2").answer


def test_an_address_in_use_is_reported_and_the_others_work(
    client: Client,
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind(("127.0.0.2", client.port))
        client.store.add_zone("named.example", [NS1, NS2])
        assert values(client.ask(NS1), "A") == ["127.0.0.2"]
        with pytest.raises(NameserverAddressError, match=f"{NS1} cannot answer at 127.0.0.2"):
            client.server.bind_nameservers()
        assert len(client.server.problems) == 1
        assert client.ask("named.example", "SOA", at="127.0.0.3").answer
    client.server.bind_nameservers()
    assert client.ask("named.example", "SOA", at="127.0.0.2").answer


# Faults


@pytest.mark.parametrize(
    ("fault", "rcode"), [("servfail", dns.rcode.SERVFAIL), ("refused", dns.rcode.REFUSED), ("lame", dns.rcode.SERVFAIL)]
)
def test_a_fault_is_answered_until_it_is_cleared(client: Client, fault: str, rcode: dns.rcode.Rcode) -> None:
    client.store.set_fault(ZONE, fault)
    assert client.ask(f"a.{ZONE}").rcode() == rcode
    client.store.clear_faults()
    assert client.ask(f"a.{ZONE}").rcode() == dns.rcode.NXDOMAIN


@pytest.mark.parametrize("tcp", [False, True])
def test_a_silent_fault_sends_no_answer(client: Client, tcp: bool) -> None:
    client.store.set_fault(ZONE, "silent")
    with pytest.raises(dns.exception.Timeout):
        client.ask(ZONE, "SOA", tcp=tcp, timeout=0.2)
    assert client.server.queries[ZONE, "SOA"] == 1


def test_a_fault_at_a_name_does_not_affect_its_siblings(client: Client) -> None:
    client.store.set_fault(f"a.{ZONE}", "servfail")
    assert client.ask(f"x.a.{ZONE}").rcode() == dns.rcode.SERVFAIL
    assert client.ask(f"b.{ZONE}").rcode() == dns.rcode.NXDOMAIN


def test_a_fault_at_the_target_of_a_cname_fails_the_answer(client: Client) -> None:
    client.store.add_zone("example.org")
    client.store.add_record(ZONE, f"www.{ZONE}", "CNAME", "web.example.org")
    client.store.set_fault("example.org", "servfail")
    assert client.ask(f"www.{ZONE}").rcode() == dns.rcode.SERVFAIL


def test_the_resolver_skips_one_lame_nameserver_but_not_two(named: Client) -> None:
    named.store.set_fault("named.example", "lame", NS2)
    lame = named.ask("a.named.example")
    assert values(lame, "A") == ["192.0.2.1"]
    response = named.ask("a.named.example", at="127.0.0.3")
    assert (response.answer, response.flags & dns.flags.AA) == ([], 0)
    assert str(response.authority[0].name) == "."
    named.store.set_fault("named.example", "silent", NS1)
    assert named.ask("a.named.example").rcode() == dns.rcode.SERVFAIL


def test_broken_dnssec_is_servfail_unless_checking_is_disabled(named: Client) -> None:
    named.store.set_fault("named.example", "bogus")
    assert named.ask("a.named.example").rcode() == dns.rcode.SERVFAIL
    unchecked = named.ask("a.named.example", flags=dns.flags.RD | dns.flags.CD)
    assert values(unchecked, "A") == ["192.0.2.1"]
    assert values(named.ask("a.named.example", at="127.0.0.2"), "A") == ["192.0.2.1"]
