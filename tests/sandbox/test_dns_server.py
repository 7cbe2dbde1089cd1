"""The DNS server as a resolver over real UDP and TCP packets, queried by dnspython."""

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
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sandbox.dns_client import ZONE, Client, running_dns_server, soa_name, values


@pytest.fixture
def client() -> Iterator[Client]:
    with running_dns_server(ZONE) as made:
        yield made


# As a resolver


@pytest.mark.parametrize("tcp", [False, True])
def test_a_record_is_answered(client: Client, tcp: bool) -> None:
    client.store.add_record(ZONE, ZONE, "MX", "10 mail.example.net", 77)
    response = client.ask(ZONE, "MX", tcp=tcp)
    assert values(response, "MX") == ["10 mail.example.net."]
    assert response.answer[0].ttl == 77
    assert response.flags & dns.flags.RA
    assert not response.flags & dns.flags.AA


def test_a_change_is_answered_at_once(client: Client) -> None:
    assert client.ask(ZONE, "TXT").answer == []
    record = client.store.add_record(ZONE, ZONE, "TXT", "one")
    assert values(client.ask(ZONE, "TXT"), "TXT") == ['"one"']
    client.store.remove_record(ZONE, record.id)
    assert client.ask(ZONE, "TXT").answer == []


def test_a_missing_name_is_nxdomain_with_the_zones_soa(client: Client) -> None:
    response = client.ask(f"none.{ZONE}")
    assert response.rcode() == dns.rcode.NXDOMAIN
    assert soa_name(response) == f"{ZONE}."


def test_a_missing_type_is_nodata_with_the_zones_soa(client: Client) -> None:
    client.store.add_record(ZONE, f"a.b.{ZONE}", "A", "192.0.2.1")
    for name in (f"a.b.{ZONE}", f"b.{ZONE}"):
        response = client.ask(name, "TXT")
        assert (response.rcode(), response.answer) == (dns.rcode.NOERROR, [])
        assert soa_name(response) == f"{ZONE}."


def test_a_name_in_no_zone_is_nxdomain_with_the_roots_soa(client: Client) -> None:
    response = client.ask("nobody.test")
    assert response.rcode() == dns.rcode.NXDOMAIN
    assert soa_name(response) == "."


def test_the_names_above_a_zone_exist(client: Client) -> None:
    assert client.ask("com", "NS").rcode() == dns.rcode.NOERROR
    assert client.ask("", "SOA").rcode() == dns.rcode.NOERROR


def test_cnames_are_followed_from_zone_to_zone(client: Client) -> None:
    client.store.add_zone("example.org")
    client.store.add_record(ZONE, f"www.{ZONE}", "CNAME", "Web.example.org")
    client.store.add_record("example.org", "web.example.org", "A", "192.0.2.1")
    response = client.ask(f"www.{ZONE}")
    assert values(response, "CNAME") == ["Web.example.org."]
    assert values(response, "A") == ["192.0.2.1"]
    assert [str(it) for it in client.ask(f"www.{ZONE}", "CNAME").answer[0]] == ["Web.example.org."]


def test_a_cname_to_a_missing_name_is_nxdomain_with_the_cname(client: Client) -> None:
    client.store.add_record(ZONE, f"www.{ZONE}", "CNAME", "gone.example.com")
    response = client.ask(f"www.{ZONE}")
    assert response.rcode() == dns.rcode.NXDOMAIN
    assert values(response, "CNAME") == ["gone.example.com."]


def test_a_loop_of_cnames_is_servfail(client: Client) -> None:
    client.store.add_record(ZONE, f"a.{ZONE}", "CNAME", f"b.{ZONE}")
    client.store.add_record(ZONE, f"b.{ZONE}", "CNAME", f"a.{ZONE}")
    assert client.ask(f"a.{ZONE}").rcode() == dns.rcode.SERVFAIL


def test_a_record_next_to_a_cname_is_answered(client: Client) -> None:
    client.store.add_record(ZONE, f"x.{ZONE}", "CNAME", "y.example.net")
    client.store.add_record(ZONE, f"x.{ZONE}", "TXT", "beside", force=True)
    assert values(client.ask(f"x.{ZONE}", "TXT"), "TXT") == ['"beside"']
    assert values(client.ask(f"x.{ZONE}", "CNAME"), "CNAME") == ["y.example.net."]
    assert len(client.ask(f"x.{ZONE}", "ANY").answer) == 2


def test_a_wildcard_answers_only_unused_names(client: Client) -> None:
    client.store.add_record(ZONE, f"*.{ZONE}", "A", "192.0.2.9")
    client.store.add_record(ZONE, f"x.deep.{ZONE}", "A", "192.0.2.1")
    response = client.ask(f"Any.Thing.{ZONE}")
    assert values(response, "A") == ["192.0.2.9"]
    assert str(response.answer[0].name) == f"Any.Thing.{ZONE}."
    assert client.ask(f"any.{ZONE}", "TXT").rcode() == dns.rcode.NOERROR
    assert client.ask(f"y.deep.{ZONE}").rcode() == dns.rcode.NXDOMAIN
    assert client.ask(f"deep.{ZONE}").answer == []


def test_a_long_text_is_truncated_over_udp_and_complete_over_tcp(client: Client) -> None:
    text = "x" * 1500
    client.store.add_record(ZONE, ZONE, "TXT", text)
    over_udp = client.ask(ZONE, "TXT")
    assert over_udp.flags & dns.flags.TC
    assert len(over_udp.to_wire()) <= 512
    over_tcp = client.ask(ZONE, "TXT", tcp=True)
    assert not over_tcp.flags & dns.flags.TC
    assert b"".join(over_tcp.answer[0][0].strings) == text.encode()
    query = dns.message.make_query(ZONE, "TXT")
    assert dns.query.udp_with_fallback(query, client.host, port=client.port, timeout=5)[1]


def test_edns_allows_answers_up_to_1232_octets(client: Client) -> None:
    client.store.add_record(ZONE, ZONE, "TXT", "x" * 900)
    response = client.ask(ZONE, "TXT", edns=0, payload=4096)
    assert not response.flags & dns.flags.TC
    assert (response.edns, response.payload) == (0, 1232)
    assert client.ask(ZONE, "TXT").edns == -1
    client.store.add_record(ZONE, ZONE, "TXT", "y" * 900)
    assert client.ask(ZONE, "TXT", edns=0, payload=65535).flags & dns.flags.TC


def test_a_later_edns_version_is_badvers(client: Client) -> None:
    assert client.ask(ZONE, edns=1).rcode() == dns.rcode.BADVERS


def test_the_ds_record_of_a_subzone_is_in_its_parent(client: Client) -> None:
    client.store.add_zone(f"sub.{ZONE}")
    client.store.add_record(ZONE, f"sub.{ZONE}", "DS", "1 8 2 " + "ab" * 32)
    assert len(client.ask(f"sub.{ZONE}", "DS").answer) == 1
    assert soa_name(client.ask(f"sub.{ZONE}", "TXT")) == f"sub.{ZONE}."


def test_a_subzone_answers_instead_of_its_parent(client: Client) -> None:
    client.store.add_record(ZONE, f"a.sub.{ZONE}", "A", "192.0.2.1")
    client.store.add_zone(f"sub.{ZONE}")
    assert client.ask(f"a.sub.{ZONE}").rcode() == dns.rcode.NXDOMAIN


def test_a_name_delegated_out_of_the_sandbox_is_servfail(client: Client) -> None:
    client.store.add_record(ZONE, f"_domainkey.{ZONE}", "NS", "ns.dmarc.example")
    assert client.ask(f"a._domainkey.{ZONE}", "CNAME").rcode() == dns.rcode.SERVFAIL


# Hosts of AWS


@pytest.mark.parametrize("zone", ["dkim.amazonses.com", "dkim.eu-south-1.amazonses.com"])
def test_a_dkim_target_has_a_key(client: Client, zone: str) -> None:
    client.store.add_record(ZONE, f"tok._domainkey.{ZONE}", "CNAME", f"tok.{zone}")
    response = client.ask(f"tok._domainkey.{ZONE}", "TXT", edns=0)
    (key,) = response.answer[1]
    assert b"".join(key.strings).startswith(b"p=MIIBIj")
    assert len(key.strings) == 2


def test_the_hosts_named_by_ses_have_addresses_and_spf(client: Client) -> None:
    assert client.ask("inbound-smtp.us-east-1.amazonaws.com").answer
    assert client.ask("feedback-smtp.us-gov-east-1.amazonses.com").answer
    assert values(client.ask("amazonses.com", "TXT"), "TXT")[0].startswith('"v=spf1 ')
    missing = client.ask("inbound-smtp.atlantis.amazonaws.com")
    assert missing.rcode() == dns.rcode.NXDOMAIN
    assert soa_name(missing) == "amazonaws.com."


# Any stored record is answered

LABEL = st.from_regex(r"[a-z0-9_]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True)
HOST = st.lists(LABEL, min_size=1, max_size=4).map(".".join)
RECORD = st.one_of(
    st.tuples(st.just("A"), st.ip_addresses(v=4).map(str)),
    st.tuples(st.just("AAAA"), st.ip_addresses(v=6).map(str)),
    st.tuples(st.just("CNAME"), HOST),
    st.tuples(st.just("MX"), st.tuples(st.integers(0, 65535), HOST).map(lambda it: f"{it[0]} {it[1]}")),
    st.tuples(st.just("SRV"), st.tuples(st.integers(0, 65535), HOST).map(lambda it: f"1 2 {it[0]} {it[1]}")),
    st.tuples(st.just("TXT"), st.text(st.characters(exclude_categories=["Cs", "Cc", "Z"]), min_size=1, max_size=400)),
)


@pytest.fixture(scope="module")
def shared() -> Iterator[Client]:
    with running_dns_server() as made:
        yield made


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(HOST, RECORD), max_size=12))
def test_any_stored_record_is_answered(shared: Client, put: list[tuple[str, tuple[str, str]]]) -> None:
    shared.store.reset()
    shared.store.add_zone(ZONE)
    for name, (rrtype, value) in put:
        try:
            shared.store.add_record(ZONE, f"{name}.{ZONE}", rrtype, value)
        except ValueError:
            # Refused: a name with a CNAME, a duplicate, or unpaired quotes.
            continue
    for record in shared.store.records(ZONE):
        response = shared.ask(record.name, record.type, tcp=True)
        same = [it for it in shared.store.records(ZONE) if (it.name, it.type) == (record.name, record.type)]
        assert len(response.answer[0]) == len(same)
        expected = (
            dns.rrset.from_text(record.name, 0, "IN", record.type, record.value) if record.type != "TXT" else None
        )
        if expected is not None:
            assert expected[0] in response.answer[0]
        elif not record.value.startswith('"'):
            assert record.value.encode() in [b"".join(it.strings) for it in response.answer[0]]
