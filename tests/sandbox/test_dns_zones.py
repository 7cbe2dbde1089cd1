"""What a zone accepts, refuses, stores and removes."""

import json
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.dns.records import ZoneRecord, rdata_of, text_of
from sandbox.dns.zones import ZoneStore

ZONE = "shop.example.co.uk"


@pytest.fixture
def store() -> ZoneStore:
    made = ZoneStore()
    made.add_zone(ZONE, ["ns1.host.example", "ns2.host.example"])
    return made


def serial(store: ZoneStore) -> int:
    return int(next(it.value for it in store.records(ZONE) if it.type == "SOA").split()[2])


def test_a_new_zone_has_its_soa_and_nameservers(store: ZoneStore) -> None:
    assert [(it.type, it.value) for it in store.records(ZONE)] == [
        ("SOA", f"ns1.host.example. hostmaster.{ZONE}. 1 3600 600 604800 60"),
        ("NS", "ns1.host.example."),
        ("NS", "ns2.host.example."),
    ]
    assert store.addresses() == {"ns1.host.example": "127.0.0.2", "ns2.host.example": "127.0.0.3"}


def test_a_nameserver_of_two_zones_keeps_its_address(store: ZoneStore) -> None:
    store.add_zone("example.org", ["ns2.host.example", "ns3.host.example"])
    assert store.addresses()["ns2.host.example"] == "127.0.0.3"
    assert store.addresses()["ns3.host.example"] == "127.0.0.4"


def test_a_name_belongs_to_the_deepest_zone(store: ZoneStore) -> None:
    store.add_zone(f"eu.{ZONE}")
    assert store.zone_for(f"a.b.EU.{ZONE}.") == f"eu.{ZONE}"
    assert store.zone_for(f"a.b.{ZONE}") == ZONE
    assert store.zone_for("example.co.uk") is None
    assert store.list_zones() == (f"eu.{ZONE}", ZONE)


def test_every_change_raises_serial_and_version(store: ZoneStore) -> None:
    seen = [(serial(store), store.version)]
    record = store.add_record(ZONE, ZONE, "MX", "10 mail.example.net")
    seen.append((serial(store), store.version))
    store.replace_record(ZONE, record.id, name=ZONE, type="MX", value="20 mail.example.net", ttl=60)
    seen.append((serial(store), store.version))
    store.remove_record(ZONE, record.id)
    seen.append((serial(store), store.version))
    assert [it[0] for it in seen] == [1, 2, 3, 4]
    assert len({it[1] for it in seen}) == 4


def test_a_replaced_record_keeps_its_id_and_position(store: ZoneStore) -> None:
    first = store.add_record(ZONE, f"a.{ZONE}", "A", "192.0.2.1")
    store.add_record(ZONE, f"b.{ZONE}", "A", "192.0.2.2")
    changed = store.replace_record(ZONE, first.id, name=f"C.{ZONE}.", type="aaaa", value="2001:DB8::1", ttl=60)
    assert changed == ZoneRecord(first.id, f"c.{ZONE}", "AAAA", 60, "2001:db8::1")
    assert store.records(ZONE)[3] == changed


@pytest.mark.parametrize(
    ("rrtype", "typed", "kept"),
    [
        ("MX", "10 mail.example.net", "10 mail.example.net."),
        ("MX", "0 .", "0 ."),
        ("CNAME", "münchen.example", "xn--mnchen-3ya.example."),
        ("TXT", "v=spf1 include:amazonses.com ~all", "v=spf1 include:amazonses.com ~all"),
        ("TXT", '"one" "two"', '"one" "two"'),
        ("TXT", "a;b\\c", "a;b\\c"),
        ("CAA", '0 issue "ca.example.net"', '0 issue "ca.example.net"'),
        ("SRV", "1 2 443 host.example.net", "1 2 443 host.example.net."),
        ("DS", "1 8 2 " + "AB" * 32, "1 8 2 " + "ab" * 32),
    ],
)
def test_values_are_stored_in_presentation_form(store: ZoneStore, rrtype: str, typed: str, kept: str) -> None:
    assert store.add_record(ZONE, f"x.{ZONE}", rrtype, typed).value == kept


@pytest.mark.parametrize(
    ("name", "rrtype", "value", "ttl", "message"),
    [
        (ZONE, "A", "192.0.2", 300, "an IPv4 address"),
        (ZONE, "AAAA", "192.0.2.1", 300, "an IPv6 address"),
        (ZONE, "MX", "mail.example.net", 300, "a priority and a host name"),
        (ZONE, "MX", "10 10 mail.example.net", 300, "a priority and a host name"),
        (f"x.{ZONE}", "CNAME", "two words", 300, "a host name"),
        (f"x.{ZONE}", "CNAME", "", 300, "a host name"),
        (ZONE, "TXT", "", 300, "Enter the text"),
        (ZONE, "TXT", '"open', 300, "unbalanced"),
        (ZONE, "TXT", '"one" two', 300, "unbalanced"),
        (ZONE, "TXT", '"one" ; two', 300, "unbalanced"),
        (ZONE, "TXT", "two\nlines", 300, "one line"),
        (ZONE, "TXT", "x" * 4097, 300, "at most 4096 octets"),
        (ZONE, "PTR", "x.example", 300, "isn't a supported record type"),
        (ZONE, "SOA", "a. b. 1 2 3 4 5", 300, "exactly one SOA"),
        ("example.org", "A", "192.0.2.1", 300, "isn't in the zone"),
        ("", "A", "192.0.2.1", 300, "isn't in the zone"),
        (f"x{ZONE}", "A", "192.0.2.1", 300, "isn't in the zone"),
        (f"a b.{ZONE}", "A", "192.0.2.1", 300, "isn't a valid record name"),
        (f"a.*.{ZONE}", "A", "192.0.2.1", 300, "isn't a valid record name"),
        (f"a..{ZONE}", "A", "192.0.2.1", 300, "isn't a valid DNS name"),
        (f"{'x' * 64}.{ZONE}", "A", "192.0.2.1", 300, "isn't a valid DNS name"),
        (ZONE, "A", "192.0.2.1", -1, "isn't a valid TTL"),
        (ZONE, "NS", "ns1.host.example", 300, "has this NS record already"),
    ],
)
def test_an_invalid_record_is_refused_with_the_reason(
    store: ZoneStore, name: str, rrtype: str, value: str, ttl: int, message: str
) -> None:
    before = store.snapshot()["zones"]
    with pytest.raises(ValueError, match=message):
        store.add_record(ZONE, name, rrtype, value, ttl)
    assert store.snapshot()["zones"] == before


def test_a_cname_must_be_alone_unless_forced(store: ZoneStore) -> None:
    store.add_record(ZONE, f"x.{ZONE}", "CNAME", "y.example.net")
    with pytest.raises(ValueError, match="may hold nothing else"):
        store.add_record(ZONE, f"x.{ZONE}", "TXT", "text")
    with pytest.raises(ValueError, match="may hold nothing else"):
        store.add_record(ZONE, ZONE, "CNAME", "y.example.net")
    store.add_record(ZONE, f"x.{ZONE}", "TXT", "text", force=True)
    assert {it.type for it in store.records(ZONE) if it.name == f"x.{ZONE}"} == {"CNAME", "TXT"}


def test_the_same_text_with_other_quotes_is_a_duplicate(store: ZoneStore) -> None:
    store.add_record(ZONE, ZONE, "TXT", "one two")
    with pytest.raises(ValueError, match="already"):
        store.add_record(ZONE, ZONE, "TXT", '"one " "two"')


def test_the_soa_can_be_changed_but_neither_moved_nor_removed(store: ZoneStore) -> None:
    soa = store.records(ZONE)[0]
    store.replace_record(ZONE, soa.id, name=ZONE, type="SOA", value="a. b. 41 2 3 4 5", ttl=60)
    assert store.records(ZONE)[0].value == "a. b. 42 2 3 4 5"
    with pytest.raises(ValueError, match="exactly one SOA"):
        store.replace_record(ZONE, soa.id, name=f"x.{ZONE}", type="SOA", value="a. b. 1 2 3 4 5", ttl=60)
    with pytest.raises(ValueError, match="exactly one SOA"):
        store.remove_record(ZONE, soa.id)


def test_an_unknown_zone_or_record_raises_lookup_error(store: ZoneStore) -> None:
    with pytest.raises(LookupError, match="no zone"):
        store.records("example.org")
    with pytest.raises(LookupError, match="no record"):
        store.remove_record(ZONE, "999")
    with pytest.raises(ValueError, match="already exists"):
        store.add_zone(f"{ZONE}.")


def test_faults_can_be_set_listed_and_cleared(store: ZoneStore) -> None:
    store.set_fault(ZONE, "servfail")
    store.set_fault(f"a.{ZONE}", "silent", "NS2.host.example")
    assert [(it.name, it.nameserver, it.fault) for it in store.faults()] == [
        (ZONE, None, "servfail"),
        (f"a.{ZONE}", "ns2.host.example", "silent"),
    ]
    store.set_fault(ZONE, None)
    assert len(store.faults()) == 1
    store.clear_faults()
    assert store.faults() == ()
    with pytest.raises(ValueError, match="not a fault"):
        store.set_fault(ZONE, "tired")
    with pytest.raises(ValueError, match="not a nameserver of"):
        store.set_fault(ZONE, "lame", "ns9.host.example")


def test_removing_a_zone_removes_only_its_own_faults(store: ZoneStore) -> None:
    store.add_zone(f"eu.{ZONE}")
    store.set_fault(f"a.{ZONE}", "refused")
    store.set_fault(f"a.eu.{ZONE}", "refused")
    store.remove_zone(ZONE)
    assert [it.name for it in store.faults()] == [f"a.eu.{ZONE}"]
    assert store.list_zones() == (f"eu.{ZONE}",)


def test_a_snapshot_restores_everything_through_json(store: ZoneStore) -> None:
    store.add_record(ZONE, ZONE, "TXT", '"a" "b"')
    store.override(ZONE, "ns2.host.example", store.records(ZONE)[:3])
    store.set_fault(ZONE, "lame", "ns1.host.example")
    held = json.loads(json.dumps(store.snapshot()))
    other = ZoneStore()
    other.restore(held)
    assert other.snapshot() == store.snapshot()
    assert other.add_record(ZONE, ZONE, "TXT", "c").id not in {it.id for it in store.records(ZONE)}


def test_a_broken_snapshot_changes_nothing(store: ZoneStore) -> None:
    before = store.snapshot()
    broken = json.loads(json.dumps(before))
    broken["zones"][0]["records"][0]["value"] = "nonsense"
    with pytest.raises(ValueError, match="SOA"):
        store.restore(broken)
    assert store.snapshot() == before


def test_a_reset_removes_all_zones(store: ZoneStore) -> None:
    version = store.version
    store.reset()
    assert store.list_zones() == ()
    assert store.version > version


def test_concurrent_threads_lose_no_record(store: ZoneStore) -> None:
    def add(worker: int) -> None:
        for number in range(50):
            store.add_record(ZONE, f"n{number}.w{worker}.{ZONE}", "A", "192.0.2.1")

    threads = [threading.Thread(target=add, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({it.id for it in store.records(ZONE)}) == 203
    assert serial(store) == 201


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=600))
def test_an_unquoted_text_is_unchanged_on_the_wire(text: str) -> None:
    if not text.startswith('"') and len(text.encode()) <= 4096:
        assert text_of(text) == text.encode()
        wire = rdata_of("TXT", text).to_wire()
        assert wire is not None
        assert wire[0] <= 255
