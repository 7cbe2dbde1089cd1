"""The parts of a mistake in a DNS record: the correct record, what someone typed, and the mistake itself."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from sandbox.dns.records import ZoneRecord, checked, normal_name


@dataclass(frozen=True)
class WantedRecord:
    """The correct record: absolute names, a value without quotes, the priority of an MX in its own field."""

    key: str
    type: str
    name: str
    value: str
    priority: int | None = None


@dataclass(frozen=True)
class Typed:
    """A record as someone enters it, the value in presentation form."""

    name: str
    type: str
    value: str


Make = Callable[[WantedRecord, str], tuple[Typed, ...]]
Fits = Callable[[WantedRecord], bool]


def right(wanted: WantedRecord) -> Typed:
    """Return the wanted record, entered correctly."""
    return Typed(wanted.name, wanted.type, written(wanted, wanted.value))


def written(wanted: WantedRecord, value: str) -> str:
    """Return another value in the form of the record's type: with its priority, its last dot, or escaped quotes."""
    if wanted.type == "TXT":
        return quoted(value) if value.startswith('"') else value
    host = f"{value.rstrip('.')}."
    return f"{wanted.priority or 0} {host}" if wanted.type == "MX" else host


def quoted(value: str) -> str:
    """Return the text as one quoted string."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _nothing(wanted: WantedRecord, zone: str) -> tuple[Typed, ...]:
    return ()


def _any(wanted: WantedRecord) -> bool:
    return True


@dataclass(frozen=True)
class Mistake:
    """A mistake. `describe` returns its sentence for the menu, `make` the records that it publishes."""

    code: str
    title: str
    describe: str
    make: Make = _nothing
    fits: Fits = _any

    def applies_to(self, wanted: WantedRecord, zone: str | None = None) -> bool:
        """Return whether the mistake can be made with that record; more exact if the zone is known."""
        if not self.fits(wanted):
            return False
        if zone is None or self.make is _nothing:
            return True
        records = self.records(wanted, zone)
        return bool(records) and all(_can_stand(typed, zone) for typed in records)

    def records(self, wanted: WantedRecord, zone: str) -> tuple[Typed, ...]:
        """Return the records that are published instead of the wanted one; none if the zone can't have the mistake."""
        return self.make(replace(wanted, name=normal_name(wanted.name)), normal_name(zone))


def _can_stand(typed: Typed, zone: str) -> bool:
    try:
        checked(normal_name(zone), ZoneRecord("", typed.name, typed.type, 300, typed.value))
    except ValueError:
        return False
    return True
