"""One zone at the sandbox's DNS host. The store holds the lock."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final, Literal

from sandbox.dns.records import ZoneRecord, checked, normal_name, rdata_of
from sandbox.dns.view import ZoneView

SOA_TIMERS: Final = "3600 600 604800 60"
UNNAMED: Final = "ns.sandbox.invalid"
ONE_SOA: Final = "A zone has exactly one SOA record, at its own name."


@dataclass(frozen=True)
class Trace:
    """What a mistake left in a zone; `ref` is a record's ID or a nameserver ("" for all)."""

    kind: Literal["record", "fault", "override"]
    ref: str


@dataclass
class Zone:
    """A zone's records by ID, the records of single nameservers, and what mistakes left, by wanted record."""

    name: str
    nameservers: tuple[str, ...]
    records: dict[str, ZoneRecord] = field(default_factory=dict)
    overrides: dict[str, tuple[ZoneRecord, ...]] = field(default_factory=dict)
    traces: dict[str, tuple[Trace, ...]] = field(default_factory=dict)
    _views: dict[str | None, ZoneView] = field(default_factory=dict)

    def record(self, number: str) -> ZoneRecord:
        """Return the record with that ID. Raises LookupError."""
        if number not in self.records:
            raise LookupError(f"The zone {self.name} has no record number {number}.")
        return self.records[number]

    def nameserver(self, name: str) -> str:
        """Return the normal name of one of the zone's nameservers. Raises ValueError for any other name."""
        if (server := normal_name(name)) not in self.nameservers:
            named = ", ".join(self.nameservers) or "none"
            raise ValueError(f"{name} is not a nameserver of {self.name}, whose nameservers are: {named}.")
        return server

    def put(self, record: ZoneRecord, *, force: bool) -> None:
        """Add the record, or replace the one with its ID. Raises ValueError if DNS or a rule forbids it."""
        self._refuse_soa(record)
        self._refuse_conflict(record, force=force)
        self.records[record.id] = record

    def remove(self, number: str) -> None:
        """Remove the record. Raises ValueError for the SOA."""
        if self.record(number).type == "SOA":
            raise ValueError(ONE_SOA)
        del self.records[number]

    def override(self, nameserver: str, records: Iterable[ZoneRecord] | None) -> None:
        """Let one nameserver serve these records, with the current SOA if they have none; None ends it."""
        server = self.nameserver(nameserver)
        if records is None:
            self.overrides.pop(server, None)
            return
        given = [checked(self.name, it) for it in records]
        if not any(record.type == "SOA" for record in given):
            given.append(self._soa())
        self.overrides[server] = tuple(given)

    def erase_traces(self, key: str) -> tuple[Trace, ...]:
        """Remove the records and overrides that mistakes left for `key`. Return all of them."""
        traces = self.traces.pop(key, ())
        for trace in traces:
            if trace.kind == "record":
                self.records.pop(trace.ref, None)
            elif trace.kind == "override":
                self.overrides.pop(trace.ref, None)
        return traces

    def raise_serial(self) -> None:
        """Raise the SOA serial after each change, which tells secondaries and the diagnosis about it."""
        soa = self._soa()
        first, mailbox, serial, *timers = soa.value.split()
        value = " ".join([first, mailbox, str((int(serial) + 1) % 2**32), *timers])
        self.records[soa.id] = replace(soa, value=value)
        self._views.clear()

    def view(self, nameserver: str | None) -> ZoneView:
        """Return the zone as that nameserver serves it; without one, as it is."""
        server = nameserver if nameserver in self.overrides else None
        if server not in self._views:
            records = self.records.values() if server is None else self.overrides[server]
            self._views[server] = ZoneView(self.name, records)
        return self._views[server]

    def _soa(self) -> ZoneRecord:
        return next(record for record in self.records.values() if record.type == "SOA")

    def _refuse_soa(self, record: ZoneRecord) -> None:
        old = self.records.get(record.id)
        places = {(it.type, it.name) for it in (old, record) if it is not None}
        if any(rrtype == "SOA" for rrtype, _ in places) and (old is None or len(places) > 1):
            raise ValueError(ONE_SOA)

    def _refuse_conflict(self, record: ZoneRecord, *, force: bool) -> None:
        beside = [it for it in self.records.values() if it.name == record.name and it.id != record.id]
        data = rdata_of(record.type, record.value)
        if any(it.type == record.type and rdata_of(it.type, it.value) == data for it in beside):
            raise ValueError(f"{record.name} has this {record.type} record already.")
        if beside and not force and "CNAME" in {record.type, *(it.type for it in beside)}:
            held = ", ".join(sorted({it.type for it in beside}))
            raise ValueError(
                f"A name with a CNAME may hold nothing else: {record.name} has {held},"
                f" so {record.type} cannot stand there."
            )


def opened(name: str, nameservers: tuple[str, ...], take_id: Callable[[], str]) -> Zone:
    """Return a new zone with its SOA, serial 1, and an NS record for each nameserver."""
    soa = f"{(nameservers or (UNNAMED,))[0]}. hostmaster.{name}. 1 {SOA_TIMERS}"
    values = [("SOA", soa), *(("NS", server) for server in nameservers)]
    records = [checked(name, ZoneRecord(take_id(), name, rrtype, 3600, value)) for rrtype, value in values]
    return Zone(name, nameservers, {record.id: record for record in records})


def zone_as_json(zone: Zone) -> dict[str, Any]:
    """Return the zone for a snapshot."""
    return {
        "name": zone.name,
        "nameservers": list(zone.nameservers),
        "records": [asdict(record) for record in zone.records.values()],
        "overrides": {server: [asdict(it) for it in records] for server, records in zone.overrides.items()},
        "traces": {key: [asdict(trace) for trace in traces] for key, traces in zone.traces.items()},
    }


def zone_from_json(held: Mapping[str, Any]) -> Zone:
    """Return the zone from a snapshot. Raises KeyError, TypeError or ValueError if it is malformed."""
    name = str(held["name"])
    records = [checked(name, ZoneRecord(**record)) for record in held["records"]]
    if [(it.name, it.type) for it in records if it.type == "SOA"] != [(name, "SOA")]:
        raise ValueError(ONE_SOA)
    zone = Zone(name, tuple(held["nameservers"]), {record.id: record for record in records})
    for server, overriding in held["overrides"].items():
        zone.override(server, [ZoneRecord(**record) for record in overriding])
    zone.traces = {key: tuple(Trace(**trace) for trace in traces) for key, traces in held["traces"].items()}
    return zone
