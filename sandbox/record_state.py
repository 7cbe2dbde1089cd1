"""How a wanted record stands in a zone: rightly, not at all, or as one of the mistakes on the menu. Pure."""

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
    """What the records say, whatever their spelling, TTL and id."""
    return frozenset(_fact(record if isinstance(record, ZoneRecord) else right(record)) for record in records)


def is_right(wanted: WantedRecord, facts: Facts) -> bool:
    """Whether the record stands in the zone as it should."""
    return _fact(right(wanted)) in facts


def has_rival(wanted: WantedRecord, facts: Facts) -> bool:
    """Whether something stands at its name beside which it can't be."""
    name = normal_name(wanted.name)
    return any(is_rival(wanted, rtype, data) for at, rtype, data in facts if at == name)


@lru_cache(maxsize=4096)
def mistakes_for(wanted: WantedRecord, zone: str) -> tuple[Mistake, ...]:
    """The menu for this record."""
    return tuple(mistake for mistake in RECORD_MISTAKES if mistake.applies_to(wanted, zone))


def mistake_made(wanted: WantedRecord, zone: str, facts: Facts, asked: Facts) -> Mistake | None:
    """The mistake whose records stand there; `asked` is all that is wanted in the zone, which is nobody's mistake."""
    stands, left = is_right(wanted, facts), facts - asked
    for mistake, made, keeps_the_right_one in _signs(wanted, zone):
        signs = made - asked
        if keeps_the_right_one == stands and signs and signs <= left:
            return mistake
    return None


@lru_cache(maxsize=4096)
def _signs(wanted: WantedRecord, zone: str) -> tuple[tuple[Mistake, Facts, bool], ...]:
    """Each mistake with what it publishes, and whether the right record is among that."""
    as_it_should = _fact(right(wanted))
    made = [(one, frozenset(map(_fact, one.records(wanted, zone)))) for one in mistakes_for(wanted, zone)]
    return tuple((mistake, facts, as_it_should in facts) for mistake, facts in made)


def _fact(record: ZoneRecord | Typed) -> Fact:
    return normal_name(record.name), record.type, rdata_of(record.type, record.value)
