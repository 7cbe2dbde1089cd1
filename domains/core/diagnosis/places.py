"""Where a record may be when it is not at its place: at most twelve questions for each, the likeliest first."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from domains.core.names import LONGEST_LABEL, LONGEST_NAME, DomainName
from domains.core.observing import Question
from domains.core.records import Record

MOST = 12
NOBODY = "inbound-admin-asks-whether-all-names-answer"  # a label that nobody publishes: what answers is a catch-all


class Place(StrEnum):
    DOUBLED = "doubled"
    TYPE = "type"
    APEX = "apex"
    PARENT = "parent"
    WILDCARD = "wildcard"
    UNDERSCORE = "underscore"
    SWAPPED = "swapped"


@dataclass(frozen=True)
class Probe:
    place: Place
    question: Question


def probes(record: Record, domain: DomainName) -> tuple[Probe, ...]:
    """The wrong-place search for one record that is missing or wrong."""
    zone, types = domain.zone, _other_types(record)
    found = [Probe(Place.DOUBLED, Question(f"{record.name}.{zone}", record.type))]
    found += [Probe(Place.TYPE, Question(record.name, kind)) for kind in types[:1]]
    found += [Probe(Place.APEX, Question(name, record.type)) for name in _tops(record, domain)]
    found += [Probe(Place.PARENT, Question(name, record.type)) for name in _parents(record, domain)]
    found += [Probe(Place.WILDCARD, Question(wildcard_name(record), record.type))] if record.name != zone else []
    found += [Probe(Place.TYPE, Question(record.name, kind)) for kind in types[1:]]
    found += [Probe(Place.WILDCARD, Question(wildcard_name(record), "A"))] if record.type == "CNAME" else []
    found += [Probe(Place.UNDERSCORE, Question(name, record.type)) for name in _without_underscore(record, domain)]
    found += [Probe(Place.SWAPPED, Question(name, record.type)) for name in _swapped(record, zone)]
    unlike = [probe for probe in found if (probe.question.name, probe.question.type) != (record.name, record.type)]
    asked = {probe.question: probe for probe in reversed(unlike) if _can_be_asked(probe.question.name)}
    return tuple(reversed(asked.values()))[:MOST]


def beside(record: Record) -> Question:
    """What must not stand beside a record that is right: another type at an alias, or an alias."""
    return Question(record.name, "TXT" if record.type == "CNAME" else "CNAME")


def wildcard_name(record: Record) -> str:
    """A name beside the record's that answers only where a catch-all does."""
    return f"{NOBODY}.{record.name.partition('.')[2]}"


def spread(wanted: Sequence[Sequence[Probe]]) -> tuple[Probe, ...]:
    """The likeliest of each record first, then the second of each: so that a budget is shared by all."""
    longest = max(map(len, wanted), default=0)
    return tuple(probes[at] for at in range(longest) for probes in wanted if at < len(probes))


def _other_types(record: Record) -> tuple[str, ...]:
    return {"CNAME": ("TXT", "A"), "MX": ("CNAME", "TXT"), "TXT": ("CNAME",)}[record.type]


def _tops(record: Record, domain: DomainName) -> tuple[str, ...]:
    """A CNAME cannot stand at an apex."""
    if record.type == "CNAME":
        return ()
    return tuple(dict.fromkeys((domain.zone, domain.ascii)))


def _parents(record: Record, domain: DomainName) -> tuple[str, ...]:
    """The labels next to the zone forgotten, as by who types `abc._domainkey` for mail.example.com."""
    if record.name == domain.zone or not record.name.endswith(f".{domain.zone}"):
        return ()
    labels = record.name.removesuffix(f".{domain.zone}").split(".")
    own = record.name.removesuffix(f".{domain.ascii}").split(".") if record.name != domain.ascii else []
    kept = [own if len(own) < len(labels) else [], labels[:-1], labels[:1]]
    names = [".".join([*some, domain.zone]) for some in kept if some]
    return tuple(name for name in dict.fromkeys(names) if name != record.name)


def _without_underscore(record: Record, domain: DomainName) -> tuple[str, ...]:
    bare = record.name.replace("_", "")
    return (bare,) if bare not in (record.name, domain.ascii) else ()


def _swapped(record: Record, zone: str) -> tuple[str, ...]:
    value = record.value.rstrip(".").lower()
    return (f"{value}.{zone}",) if value and not any(sign in value for sign in ' ;"\\@()') else ()


def _can_be_asked(name: str) -> bool:
    return len(name) <= LONGEST_NAME and all(0 < len(label) <= LONGEST_LABEL for label in name.split("."))
