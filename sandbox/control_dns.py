"""The DNS half of the control API: zones, records, DNS faults, and the menu of mistakes."""

from collections.abc import Sequence
from typing import TypeVar

from sandbox.aws.state import WORLD
from sandbox.dns import mistakes
from sandbox.dns.faults import FaultEntry
from sandbox.dns.mistake import WantedRecord
from sandbox.dns.records import ZoneRecord
from sandbox.dns.zones import ZoneStore

DEFAULT_TTL = 300
Value = TypeVar("Value")


class DnsControl:
    """Zones, records, DNS faults, and the menu of mistakes."""

    def __init__(self, zones: ZoneStore) -> None:
        self._zones = zones

    def list_zones(self) -> tuple[str, ...]:
        return self._zones.list_zones()

    def add_zone(self, name: str, nameservers: Sequence[str] = ()) -> str:
        return _changed(self._zones.add_zone(name, nameservers))

    def remove_zone(self, name: str) -> None:
        self._zones.remove_zone(name)
        WORLD.changed()

    def zone_for(self, name: str) -> str | None:
        return self._zones.zone_for(name)

    def nameservers(self, zone: str) -> tuple[str, ...]:
        return self._zones.nameservers(zone)

    def records(self, zone: str) -> tuple[ZoneRecord, ...]:
        return self._zones.records(zone)

    def add_record(
        self,
        zone: str,
        name: str,
        type: str,  # noqa: A002 - DNS's word, and callers name it
        value: str,
        ttl: int = DEFAULT_TTL,
        *,
        force: bool = False,
    ) -> ZoneRecord:
        return _changed(self._zones.add_record(zone, name, type, value, ttl, force=force))

    def replace_record(
        self,
        zone: str,
        id: str,  # noqa: A002 - the record's own word for it
        *,
        name: str,
        type: str,  # noqa: A002 - DNS's word, and callers name it
        value: str,
        ttl: int = DEFAULT_TTL,
    ) -> ZoneRecord:
        return _changed(self._zones.replace_record(zone, id, name=name, type=type, value=value, ttl=ttl))

    def remove_record(self, zone: str, id: str) -> None:  # noqa: A002 - the record's own word for it
        self._zones.remove_record(zone, id)
        WORLD.changed()

    def set_dns_fault(self, zone_or_name: str, fault: str | None, nameserver: str | None = None) -> None:
        self._zones.set_fault(zone_or_name, fault, nameserver)
        WORLD.changed()

    def dns_faults(self) -> tuple[FaultEntry, ...]:
        return self._zones.faults()

    def clear_dns_faults(self) -> None:
        self._zones.clear_faults()
        WORLD.changed()

    def publish(self, zone: str, wanted: WantedRecord) -> ZoneRecord:
        """Publish the correct record, and remove what mistakes left."""
        return _changed(mistakes.publish(self._zones, zone, wanted))

    def publish_missing(self, zone: str, wanted: Sequence[WantedRecord]) -> tuple[ZoneRecord, ...]:
        return _changed(mistakes.publish_missing(self._zones, zone, tuple(wanted)))

    def make_mistake(self, zone: str, wanted: WantedRecord, code: str) -> tuple[ZoneRecord, ...]:
        """Make one of `dns.mistakes.MISTAKES` with one record."""
        return _changed(mistakes.apply(self._zones, zone, wanted, code))


def _changed(value: Value) -> Value:
    """Mark the snapshot as outdated, and return the result of the change."""
    WORLD.changed()
    return value
