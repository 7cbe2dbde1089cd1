"""What a mistake is made with, and what it is."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from sandbox.dns.records import ZoneRecord, checked, normal_name


@dataclass(frozen=True)
class WantedRecord:
    """A record as it should be: names absolute, the value bare (no quotes), an MX's priority apart."""

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
    """The wanted record, entered as it should be."""
    return Typed(wanted.name, wanted.type, written(wanted, wanted.value))


def written(wanted: WantedRecord, value: str) -> str:
    """Another value in the form of the wanted record's type: with its priority, its last dot, or quotes escaped."""
    if wanted.type == "TXT":
        return quoted(value) if value.startswith('"') else value
    host = f"{value.rstrip('.')}."
    return f"{wanted.priority or 0} {host}" if wanted.type == "MX" else host


def quoted(value: str) -> str:
    """One quoted string that stands for exactly this text."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _nothing(wanted: WantedRecord, zone: str) -> tuple[Typed, ...]:
    return ()


def _any(wanted: WantedRecord) -> bool:
    return True


@dataclass(frozen=True)
class Mistake:
    """One mistake: `describe` is the sentence for the menu, `make` gives the records that it publishes."""

    code: str
    title: str
    describe: str
    make: Make = _nothing
    fits: Fits = _any

    def applies_to(self, wanted: WantedRecord, zone: str | None = None) -> bool:
        """Whether it can be made with that record; sharper when the zone is known."""
        if not self.fits(wanted):
            return False
        if zone is None or self.make is _nothing:
            return True
        records = self.records(wanted, zone)
        return bool(records) and all(_can_stand(typed, zone) for typed in records)

    def records(self, wanted: WantedRecord, zone: str) -> tuple[Typed, ...]:
        """What it publishes instead of the wanted record; nothing where it makes no sense in that zone."""
        return self.make(replace(wanted, name=normal_name(wanted.name)), normal_name(zone))


def _can_stand(typed: Typed, zone: str) -> bool:
    try:
        checked(normal_name(zone), ZoneRecord("", typed.name, typed.type, 300, typed.value))
    except ValueError:
        return False
    return True
