"""What to type at a DNS host so that it becomes the record, and what it becomes."""

from dataclasses import dataclass

from domains.core.exporting.values import quoted, unquoted
from domains.core.providers.values import Provider
from domains.core.records import Record


@dataclass(frozen=True)
class Typed:
    """`name` "" is an empty box. `priority` is "" where it has no box. `becomes` is the line as DNS has it."""

    provider: Provider
    type: str
    name_label: str
    name: str
    value_label: str
    value: str
    priority_label: str
    priority: str
    ttl_label: str
    ttl: str
    becomes: str
    warnings: tuple[str, ...]


def typed(record: Record, provider: Provider, zone: str) -> Typed:
    """What stands in each box. ValueError for a record outside of the zone."""
    has_box = record.priority is not None and bool(provider.priority_label)
    value = _value(record, provider)
    if record.priority is not None and not has_box:
        value = f"{record.priority} {value}"
    return Typed(
        provider=provider,
        type=record.type,
        name_label=provider.name_label,
        name=_name(record.name, provider, zone),
        value_label=provider.value_label(record.type),
        value=value,
        priority_label=provider.priority_label if has_box else "",
        priority=str(record.priority) if has_box else "",
        ttl_label=provider.ttl_label,
        ttl=provider.ttl,
        becomes=in_dns(record),
        warnings=_warnings(record, provider),
    )


def in_dns(record: Record) -> str:
    """The record as a line of a zone file: absolute names, text in quotes."""
    host = f"{record.value}." if record.type != "TXT" else quoted(record.value)
    priority = f"{record.priority} " if record.priority is not None else ""
    return f"{record.name}. {record.type} {priority}{host}"


def becomes(boxes: Typed, zone: str) -> tuple[str, str, str, int | None]:
    """Name, type, value and priority that the host makes of the boxes, by its own rules: to check `typed` against."""
    provider = boxes.provider
    value, priority = boxes.value, int(boxes.priority) if boxes.priority else None
    if boxes.type == "MX" and not provider.priority_label:
        first, _, value = value.partition(" ")
        priority = int(first)
    if boxes.type == "TXT":
        value = unquoted(value) if provider.quotes else value
    elif value.endswith("."):
        value = value.removesuffix(".")
    elif provider.dot:
        value = f"{value}.{zone}"
    return _absolute(boxes.name, provider, zone), boxes.type, value, priority


def _name(name: str, provider: Provider, zone: str) -> str:
    if name != zone and not name.endswith(f".{zone}"):
        raise ValueError(f"{name} is not in the zone {zone}")
    if provider.absolute:
        return name
    return provider.apex_of(zone) if name == zone else name.removesuffix(f".{zone}")


def _absolute(typed_name: str, provider: Provider, zone: str) -> str:
    if provider.absolute:
        return typed_name
    return zone if typed_name == provider.apex_of(zone) else f"{typed_name}.{zone}"


def _value(record: Record, provider: Provider) -> str:
    if record.type == "TXT":
        return quoted(record.value) if provider.quotes else record.value
    return f"{record.value}." if provider.dot else record.value


def _warnings(record: Record, provider: Provider) -> tuple[str, ...]:
    """The traps that this record can fall into, and no others."""
    found = list(provider.traps)
    if record.type == "CNAME" and provider.proxy:
        found.insert(0, provider.proxy)
    if record.type == "MX":
        found += provider.mx_traps
    return tuple(found)
