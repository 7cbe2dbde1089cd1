"""Compares a required record with a zone: correct, missing, or one of the menu's mistakes. Pure."""

from collections.abc import Iterable
from functools import lru_cache

from dns.rdata import Rdata

from sandbox.dns.mistake import Mistake, Typed, WantedRecord, right
from sandbox.dns.mistaken import RECORD_MISTAKES
from sandbox.dns.mistakes import is_rival
from sandbox.dns.records import ZoneRecord, normal_name, rdata_of

Fact = tuple[str, str, Rdata]
Facts = frozenset[Fact]


def facts_of(records: Iterable[ZoneRecord | WantedRecord]) -> Facts:
    """Return the content of the records, without spelling, TTL and ID."""
    return frozenset(_fact(record if isinstance(record, ZoneRecord) else right(record)) for record in records)


def is_right(wanted: WantedRecord, facts: Facts) -> bool:
    """Return whether the zone has the record as required."""
    return _fact(right(wanted)) in facts


def has_rival(wanted: WantedRecord, facts: Facts) -> bool:
    """Return whether a record at its name conflicts with it."""
    name = normal_name(wanted.name)
    return any(is_rival(wanted, rtype, data) for at, rtype, data in facts if at == name)


@lru_cache(maxsize=4096)
def mistakes_for(wanted: WantedRecord, zone: str) -> tuple[Mistake, ...]:
    """Return the menu for this record."""
    return tuple(mistake for mistake in RECORD_MISTAKES if mistake.applies_to(wanted, zone))


def mistake_made(wanted: WantedRecord, zone: str, facts: Facts, asked: Facts) -> Mistake | None:
    """Return the mistake whose records exist. `asked`: all required records of the zone, which are nobody's mistake."""
    stands, left = is_right(wanted, facts), facts - asked
    for mistake, made, keeps_the_right_one in _signs(wanted, zone):
        signs = made - asked
        if keeps_the_right_one == stands and signs and signs <= left:
            return mistake
    return None


@lru_cache(maxsize=4096)
def _signs(wanted: WantedRecord, zone: str) -> tuple[tuple[Mistake, Facts, bool], ...]:
    """Return each mistake with what it publishes, and whether that includes the correct record."""
    as_it_should = _fact(right(wanted))
    made = [(one, frozenset(map(_fact, one.records(wanted, zone)))) for one in mistakes_for(wanted, zone)]
    return tuple((mistake, facts, as_it_should in facts) for mistake, facts in made)


def _fact(record: ZoneRecord | Typed) -> Fact:
    return normal_name(record.name), record.type, rdata_of(record.type, record.value)
