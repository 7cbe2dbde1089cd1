"""A menu of the mistakes that people make at their DNS host, each as the records that it publishes.

The codes are those of the diagnosis. A mistake replaces the correct record, unless it adds a rival next to it. The zone
remembers what a mistake published, so `publish` can remove it.
"""

from typing import Final

from dns.rdata import Rdata

from sandbox.dns.mistake import Mistake, Typed, WantedRecord, right
from sandbox.dns.mistaken import RECORD_MISTAKES
from sandbox.dns.records import ZoneRecord, normal_name, rdata_of
from sandbox.dns.zone import Trace
from sandbox.dns.zones import ZoneStore

ZONE_MISTAKES: Final = (
    Mistake("zone.servfail", "Nameservers fail", "They answer every query for the zone with SERVFAIL."),
    Mistake("zone.silent", "Nameservers don't respond", "They answer no query for the zone."),
    Mistake("zone.lame", "Lame nameserver", "One nameserver doesn't serve the zone."),
    Mistake("zone.bogus", "DNSSEC is broken", "An old DS record makes validating resolvers reject the answers."),
    Mistake("zone.disagree", "Nameservers disagree", "One nameserver lacks a record that the others have."),
)
MISTAKES: Final[tuple[Mistake, ...]] = (*RECORD_MISTAKES, *ZONE_MISTAKES)


def mistake_of(code: str) -> Mistake:
    """Return the mistake with that code. Raises ValueError."""
    for mistake in MISTAKES:
        if mistake.code == code:
            return mistake
    raise ValueError(f"Unknown mistake: “{code}”.")


def apply(store: ZoneStore, zone: str, wanted: WantedRecord, code: str) -> tuple[ZoneRecord, ...]:
    """Make one mistake with one record, replacing an earlier one. Return what was published. Raises ValueError."""
    mistake, zone = mistake_of(code), normal_name(zone)
    if not mistake.applies_to(wanted, zone):
        raise ValueError(f"“{mistake.title}” doesn't apply to the {wanted.type} record at {wanted.name}.")
    if mistake in ZONE_MISTAKES:
        _break_zone(store, zone, wanted, mistake)
        return ()
    store.erase_traces(zone, wanted.key)
    _withdraw(store, zone, wanted)
    return tuple(
        record
        for typed in mistake.records(wanted, zone)
        if (record := _put(store, zone, wanted.key, typed)) is not None
    )


def publish(store: ZoneStore, zone: str, wanted: WantedRecord) -> ZoneRecord:
    """Publish the record correctly. First remove what mistakes left for it, and records that can't coexist with it."""
    store.erase_traces(zone, wanted.key)
    for record in _rivals(store, zone, wanted):
        store.remove_record(zone, record.id)
    if (standing := _standing(store, zone, right(wanted))) is not None:
        return standing
    typed = right(wanted)
    return store.add_record(zone, typed.name, typed.type, typed.value)


def publish_missing(store: ZoneStore, zone: str, all_wanted: tuple[WantedRecord, ...]) -> tuple[ZoneRecord, ...]:
    """Publish every wanted record that is missing or that a mistake was made with.

    Skips a record that can't coexist with one that somebody added by hand: only `publish` of that record removes it.
    """
    missing = [
        wanted
        for wanted in all_wanted
        if store.traces(zone, wanted.key) or _standing(store, zone, right(wanted)) is None
    ]
    # First all that mistakes left, since one record's leftovers can stand in another's way.
    for wanted in missing:
        store.erase_traces(zone, wanted.key)
    return tuple(publish(store, zone, wanted) for wanted in missing if not _rivals(store, zone, wanted))


def is_rival(wanted: WantedRecord, rtype: str, data: Rdata) -> bool:
    """Return whether a record with the wanted one's name can't coexist with it: a CNAME, or a second SPF or DMARC."""
    if "CNAME" in (wanted.type, rtype):
        return (rtype, data) != (wanted.type, rdata_of(wanted.type, right(wanted).value))
    tag = wanted.value.partition(";")[0].split(" ")[0].lower()
    if rtype != "TXT" or wanted.type != "TXT" or not tag.startswith("v="):
        return False
    text = data.to_text().strip('"').lower()
    return text.startswith(tag) and data != rdata_of("TXT", right(wanted).value)


def _rivals(store: ZoneStore, zone: str, wanted: WantedRecord) -> list[ZoneRecord]:
    beside = [record for record in store.records(zone) if record.name == normal_name(wanted.name)]
    return [record for record in beside if is_rival(wanted, record.type, rdata_of(record.type, record.value))]


def _break_zone(store: ZoneStore, zone: str, wanted: WantedRecord, mistake: Mistake) -> None:
    servers = store.nameservers(zone)
    if mistake.code == "zone.disagree" and len(servers) < 2:
        raise ValueError(f"{zone} has fewer than two nameservers, so they can't disagree.")
    publish(store, zone, wanted)
    if mistake.code == "zone.disagree":
        without = [record for record in store.records(zone) if not _same(record, right(wanted))]
        store.override(zone, servers[-1], without)
        store.leave_traces(zone, wanted.key, [Trace("override", servers[-1])])
        return
    server = servers[-1] if servers and mistake.code == "zone.lame" else None
    store.set_fault(zone, mistake.code.removeprefix("zone."), server)
    store.leave_traces(zone, wanted.key, [Trace("fault", server or "")])


def _put(store: ZoneStore, zone: str, key: str, typed: Typed) -> ZoneRecord | None:
    if _standing(store, zone, typed) is not None:
        return None
    record = store.add_record(zone, typed.name, typed.type, typed.value, force=True)
    store.leave_traces(zone, key, [Trace("record", record.id)])
    return record


def _withdraw(store: ZoneStore, zone: str, wanted: WantedRecord) -> None:
    if (standing := _standing(store, zone, right(wanted))) is not None:
        store.remove_record(zone, standing.id)


def _standing(store: ZoneStore, zone: str, typed: Typed) -> ZoneRecord | None:
    return next((record for record in store.records(zone) if _same(record, typed)), None)


def _same(record: ZoneRecord, typed: Typed) -> bool:
    if (record.name, record.type) != (normal_name(typed.name), typed.type):
        return False
    return bool(rdata_of(record.type, record.value) == rdata_of(typed.type, typed.value))
