"""The zones of the sandbox's DNS host, safe under threads.

Each nameserver's name gets its own loopback address for the store's lifetime, so two nameservers of one zone can be
asked separately and, with `override`, disagree. Every change raises the zone's SOA serial and the store's `version`,
which invalidates the server's rendered answers.
"""

import threading
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address
from typing import Any, Final

from sandbox.dns.faults import Fault, FaultEntry, checked_fault
from sandbox.dns.records import ZoneRecord, checked, is_within, normal_name, parent_of
from sandbox.dns.view import ZoneView
from sandbox.dns.zone import Trace, Zone, opened, zone_as_json, zone_from_json

FIRST_NAMESERVER: Final = IPv4Address("127.0.0.2")


class ZoneStore:
    """All zones, faults and nameserver addresses. An unknown zone or record ID raises LookupError."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self.version = 0
        self._clear()

    def _clear(self) -> None:
        self._zones: dict[str, Zone] = {}
        self._faults: dict[tuple[str, str | None], Fault] = {}
        self._addresses: dict[str, str] = {}
        self._next_id = 1
        self.version += 1

    # Zones

    def list_zones(self) -> tuple[str, ...]:
        """The zones' names, sorted."""
        with self._lock:
            return tuple(sorted(self._zones))

    def add_zone(self, name: str, nameservers: Iterable[str] = ()) -> str:
        """Create a zone with its SOA and NS records. Return its normal name. Raises ValueError."""
        with self._lock:
            zone = normal_name(name)
            servers = tuple(dict.fromkeys(normal_name(server) for server in nameservers))
            if not zone or zone in self._zones:
                raise ValueError(f"The zone {zone or '(the root)'} already exists.")
            self._zones[zone] = opened(zone, servers, self._take_id)
            for server in servers:
                self._addresses.setdefault(server, str(FIRST_NAMESERVER + len(self._addresses)))
            self.version += 1
            return zone

    def remove_zone(self, name: str) -> None:
        """Remove the zone with its records, overrides and faults."""
        with self._lock:
            zone = self._zone(name).name
            self._faults = {key: fault for key, fault in self._faults.items() if self._deepest(key[0]) != zone}
            del self._zones[zone]
            self.version += 1

    def zone_for(self, name: str) -> str | None:
        """Return the deepest zone that contains the name."""
        return self._deepest(normal_name(name))

    def nameservers(self, zone: str) -> tuple[str, ...]:
        """Return the zone's nameservers in their original order."""
        with self._lock:
            return self._zone(zone).nameservers

    def addresses(self) -> dict[str, str]:
        """Return the loopback address of each nameserver."""
        with self._lock:
            return dict(self._addresses)

    # Records

    def records(self, zone: str) -> tuple[ZoneRecord, ...]:
        """Return the zone's records with its SOA, oldest first."""
        with self._lock:
            return tuple(self._zone(zone).records.values())

    def add_record(
        self,
        zone: str,
        name: str,
        type: str,  # noqa: A002 - DNS's word, and callers name it
        value: str,
        ttl: int = 300,
        *,
        force: bool = False,
    ) -> ZoneRecord:
        """Publish one record. `force` allows a CNAME next to others. Raises ValueError with a sentence."""
        with self._lock:
            held = self._zone(zone)
            typed = ZoneRecord(self._take_id(), name, type, ttl, value)
            return self._put(held, typed, force=force)

    def replace_record(
        self,
        zone: str,
        id: str,  # noqa: A002 - the record's own word for it
        *,
        name: str,
        type: str,  # noqa: A002 - DNS's word, and callers name it
        value: str,
        ttl: int,
        force: bool = False,
    ) -> ZoneRecord:
        """Change one record, which keeps its ID and place. Raises ValueError with a sentence."""
        with self._lock:
            held = self._zone(zone)
            held.record(id)
            return self._put(held, ZoneRecord(id, name, type, ttl, value), force=force)

    def remove_record(self, zone: str, id: str) -> None:  # noqa: A002 - the record's own word for it
        """Remove one record. Raises ValueError for the SOA."""
        with self._lock:
            held = self._zone(zone)
            held.remove(id)
            self._changed(held)

    def override(self, zone: str, nameserver: str, records: Iterable[ZoneRecord] | None) -> None:
        """Let one nameserver serve these records instead of the zone's; None ends it."""
        with self._lock:
            held = self._zone(zone)
            held.override(normal_name(nameserver), records)
            self._changed(held)

    def has_overrides(self) -> bool:
        """Return whether the nameservers of any zone disagree."""
        with self._lock:
            return any(zone.overrides for zone in self._zones.values())

    # Faults, and what mistakes left

    def set_fault(self, zone_or_name: str, fault: str | None, nameserver: str | None = None) -> None:
        """Break a zone, or a name and all below it, at one nameserver or at all; None removes the fault."""
        with self._lock:
            name = normal_name(zone_or_name)
            if nameserver is not None:
                nameserver = self._zone(self._deepest(name) or name).nameserver(nameserver)
            if fault is None:
                self._faults.pop((name, nameserver), None)
            else:
                self._faults[name, nameserver] = checked_fault(fault)
            self.version += 1

    def faults(self) -> tuple[FaultEntry, ...]:
        """Return all current faults."""
        with self._lock:
            return tuple(FaultEntry(name, server, fault) for (name, server), fault in self._faults.items())

    def clear_faults(self) -> None:
        """Remove all faults; overrides stay."""
        with self._lock:
            self._faults.clear()
            self.version += 1

    def leave_traces(self, zone: str, key: str, traces: Iterable[Trace]) -> None:
        """Store what a mistake left for the wanted record `key`."""
        with self._lock:
            held = self._zone(zone)
            held.traces[key] = (*held.traces.get(key, ()), *traces)

    def traces(self, zone: str, key: str) -> tuple[Trace, ...]:
        """Return what mistakes left for the wanted record `key`."""
        with self._lock:
            return self._zone(zone).traces.get(key, ())

    def erase_traces(self, zone: str, key: str) -> None:
        """Remove and forget what mistakes left for the wanted record `key`."""
        with self._lock:
            held = self._zone(zone)
            traces = held.erase_traces(key)
            for trace in traces:
                if trace.kind == "fault":
                    self._faults.pop((held.name, trace.ref or None), None)
            if traces:
                self._changed(held)

    # Snapshots

    def snapshot(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        with self._lock:
            return {
                "zones": [zone_as_json(zone) for zone in self._zones.values()],
                "faults": [vars(entry) for entry in self.faults()],
                "addresses": dict(self._addresses),
                "next_id": self._next_id,
            }

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Replace everything by a snapshot. Raises KeyError, TypeError or ValueError, then with nothing changed."""
        zones = {zone.name: zone for zone in map(zone_from_json, snapshot["zones"])}
        faults = {(it["name"], it["nameserver"]): checked_fault(it["fault"]) for it in snapshot["faults"]}
        addresses, next_id = dict(snapshot["addresses"]), int(snapshot["next_id"])
        with self._lock:
            self._zones, self._faults, self._addresses, self._next_id = zones, faults, addresses, next_id
            self.version += 1

    def reset(self) -> None:
        """Remove everything."""
        with self._lock:
            self._clear()

    # What the server asks; names are normal already

    def view(self, zone: str, nameserver: str | None = None) -> ZoneView | None:
        """Return the zone as the nameserver serves it, or as it is; None if the zone was just removed."""
        with self._lock:
            held = self._zones.get(zone)
            return held.view(nameserver) if held else None

    def served_zone(self, name: str, nameserver: str | None = None) -> str | None:
        """Return the deepest zone with the name, among those of one nameserver if one is given."""
        with self._lock:
            return self._deepest(name, nameserver)

    def has_zone_below(self, name: str) -> bool:
        """Return whether a zone is at or below the name, so that the name exists."""
        with self._lock:
            return any(is_within(zone, name) for zone in self._zones)

    def fault_at(self, name: str, nameserver: str | None = None) -> Fault | None:
        """Return the fault of a query for the name. The resolver fails if every nameserver does."""
        with self._lock:
            if (fault := self._fault_on_the_way(name, nameserver)) or nameserver is not None:
                return fault
            zone = self._deepest(name)
            servers = self._zones[zone].nameservers if zone else ()
            broken = servers and all(self._fault_on_the_way(name, server) for server in servers)
            return "servfail" if broken else None

    # Within the lock

    def _fault_on_the_way(self, name: str, nameserver: str | None) -> Fault | None:
        if not self._faults:
            return None
        apex = self._deepest(name) or ""
        while True:
            if fault := self._faults.get((name, nameserver)) or self._faults.get((name, None)):
                return fault
            if name in (apex, ""):
                return None
            name = parent_of(name)

    def _deepest(self, name: str, nameserver: str | None = None) -> str | None:
        while name:
            zone = self._zones.get(name)
            if zone is not None and (nameserver is None or nameserver in zone.nameservers):
                return name
            name = parent_of(name)
        return None

    def _zone(self, name: str) -> Zone:
        zone = self._zones.get(normal_name(name))
        if zone is None:
            raise LookupError(f"The sandbox DNS has no zone {name}.")
        return zone

    def _take_id(self) -> str:
        self._next_id += 1
        return str(self._next_id - 1)

    def _put(self, zone: Zone, typed: ZoneRecord, *, force: bool) -> ZoneRecord:
        zone.put(checked(zone.name, typed), force=force)
        self._changed(zone)
        return zone.record(typed.id)

    def _changed(self, zone: Zone) -> None:
        zone.raise_serial()
        self.version += 1
