"""Answers queries from the store, as a resolver or as one nameserver of the sandbox."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from dns.rcode import NOERROR, NXDOMAIN, REFUSED, SERVFAIL, Rcode

from sandbox.dns import amazon
from sandbox.dns.faults import Fault
from sandbox.dns.records import ZoneRecord, is_within, parent_of, rdata_of
from sandbox.dns.view import NODATA as NOTHING_OF_THE_TYPE
from sandbox.dns.view import NXDOMAIN as NO_SUCH_NAME
from sandbox.dns.view import Found, Kind, found_in
from sandbox.dns.zones import ZoneStore

CHAIN_LIMIT: Final = 16


@dataclass(frozen=True)
class RecordSet:
    """Records of one type, with the name in the answer: with a wildcard, it differs from the records' own."""

    owner: str
    records: tuple[ZoneRecord, ...]


@dataclass(frozen=True)
class Answer:
    """The answer to a query; with `silent`, none is sent."""

    rcode: Rcode = NOERROR
    answer: tuple[RecordSet, ...] = ()
    authority: tuple[RecordSet, ...] = ()
    additional: tuple[RecordSet, ...] = ()
    authoritative: bool = False
    silent: bool = False


def resolve(store: ZoneStore, name: str, rrtype: str, *, checking_disabled: bool = False) -> Answer:
    """Answer as a resolver: follow CNAMEs through every zone. A fault on the way becomes the answer's."""
    chain: tuple[RecordSet, ...] = ()
    for _ in range(CHAIN_LIMIT):
        fault = store.fault_at(name)
        if fault and not (fault == "bogus" and checking_disabled):
            return _failed(fault)
        found, soa = _find(store, name, rrtype)
        if found.kind is Kind.REFERRAL:
            # The zone is delegated to servers that are not in the sandbox, so nobody answers there.
            return Answer(SERVFAIL)
        chain += _sets(name, found.records)
        if found.kind is not Kind.CNAME:
            return _concluded(found, chain, soa)
        name = _target(found)
    return Answer(SERVFAIL)


def ask(store: ZoneStore, nameserver: str, name: str, rrtype: str) -> Answer:
    """Answer as one authoritative nameserver, which knows its own zones and refuses others."""
    if (fault := store.fault_at(name, nameserver)) and fault != "bogus":
        return _lame() if fault == "lame" else _failed(fault)
    chain: tuple[RecordSet, ...] = ()
    for _ in range(CHAIN_LIMIT):
        zone = _zone_at(store, name, rrtype, nameserver)
        view = store.view(zone, nameserver) if zone else None
        if zone is None or view is None:
            return Answer(answer=chain, authoritative=True) if chain else Answer(REFUSED)
        if (child := _delegated(store, name, zone, rrtype)) is not None:
            return _referral(store, child, chain)
        found = _with_own_address(store, name, rrtype, view.find(name, rrtype))
        if found.kind is Kind.REFERRAL:
            return _referral(store, found.records, chain)
        chain += _sets(name, found.records)
        if found.kind is not Kind.CNAME:
            return _concluded(found, chain, view.soa[0], authoritative=True)
        name = _target(found)
    return Answer(answer=chain, authoritative=True)


def _find(store: ZoneStore, name: str, rrtype: str) -> tuple[Found, ZoneRecord]:
    zone = _zone_at(store, name, rrtype)
    view = store.view(zone) if zone else None
    if view is not None:
        return _with_own_address(store, name, rrtype, view.find(name, rrtype)), view.soa[0]
    node = amazon.node_of(name)
    if node is not None:
        return found_in(node, rrtype), amazon.soa_above(name)
    found = NOTHING_OF_THE_TYPE if store.has_zone_below(name) else NO_SUCH_NAME
    return _with_own_address(store, name, rrtype, found), amazon.soa_above(name)


def _zone_at(store: ZoneStore, name: str, rrtype: str, nameserver: str | None = None) -> str | None:
    zone = store.served_zone(name, nameserver)
    if rrtype == "DS" and zone == name:
        # The parent side has the DS (RFC 4035 3.1.4.1); a zone without a parent here answers its own.
        return store.served_zone(parent_of(name), nameserver) or zone
    return zone


def _with_own_address(store: ZoneStore, name: str, rrtype: str, found: Found) -> Found:
    """Answer for a nameserver's name with its loopback address, unless a zone has another answer."""
    if found.records or (address := store.addresses().get(name)) is None:
        return found
    return found_in({"A": (ZoneRecord("", name, "A", 300, address),)}, rrtype)


def _delegated(store: ZoneStore, name: str, zone: str, rrtype: str) -> tuple[ZoneRecord, ...] | None:
    """Return the NS records of a zone of the sandbox below `zone` that has other nameservers, if the name is in one."""
    deepest = store.served_zone(name)
    if deepest in (None, zone) or not is_within(deepest or "", zone) or (rrtype == "DS" and deepest == name):
        return None
    servers = store.nameservers(deepest or "")
    return tuple(ZoneRecord("", deepest or "", "NS", 3600, f"{server}.") for server in servers) or None


def _referral(store: ZoneStore, cut: tuple[ZoneRecord, ...], chain: tuple[RecordSet, ...]) -> Answer:
    addresses = store.addresses()
    names = [record.value.rstrip(".") for record in cut]
    glue = ((name, ZoneRecord("", name, "A", 300, addresses[name])) for name in names if name in addresses)
    additional = tuple(RecordSet(name, (record,)) for name, record in glue)
    return Answer(answer=chain, authority=(RecordSet(cut[0].name, cut),), additional=additional)


def _lame() -> Answer:
    """Return the upward referral of a server that doesn't serve the zone."""
    return Answer(authority=(RecordSet("", (ZoneRecord("", "", "NS", 3600, "a.root-servers.net."),)),))


def _failed(fault: Fault) -> Answer:
    return Answer(REFUSED if fault == "refused" else SERVFAIL, silent=fault == "silent")


def _concluded(found: Found, chain: tuple[RecordSet, ...], soa: ZoneRecord, *, authoritative: bool = False) -> Answer:
    rcode = NXDOMAIN if found.kind is Kind.NXDOMAIN else NOERROR
    authority = () if found.kind is Kind.ANSWER else (RecordSet(soa.name, (soa,)),)
    return Answer(rcode, chain, authority, authoritative=authoritative)


def _sets(owner: str, records: Iterable[ZoneRecord]) -> tuple[RecordSet, ...]:
    by_type: dict[str, list[ZoneRecord]] = {}
    for record in records:
        by_type.setdefault(record.type, []).append(record)
    return tuple(
        RecordSet(group[0].name if kind == "DNAME" else owner, tuple(group)) for kind, group in by_type.items()
    )


def _target(found: Found) -> str:
    return rdata_of("CNAME", found.records[0].value).to_text().rstrip(".").lower()
