"""What a DNS host makes of the values entered in its form: the reverse of `form_values`, to check it."""

from domains.exports.core.values import unquoted
from domains.providers.core import DnsProvider, FormValues


def parse_boxes(boxes: FormValues, zone: str) -> tuple[str, str, str, int | None]:
    """Return name, type, value and priority that the host makes of the boxes, by its own rules."""
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


def _absolute(typed_name: str, provider: DnsProvider, zone: str) -> str:
    return zone if typed_name == provider.apex_of(zone) else f"{typed_name}.{zone}"
