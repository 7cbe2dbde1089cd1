"""What to enter at each DNS host (`hosts.toml`) to publish a record. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from domains.exports.core.values import quoted
from domains.names.core import relative_name
from domains.records.core import Record
from inbound_admin.lib.tables import keyed, read_rows


@dataclass(frozen=True)
class DnsProvider:
    """`apex` is what the name box needs for the zone itself ("" is an empty box). It and `page` may contain {zone}.

    `dot`: a host name in the value must end in a dot, or the zone is appended. `adds_zone`: the name box takes the name
    without the zone. `quotes`: text is entered in quotation marks, in strings of at most 255 bytes. An empty
    `priority_label` means that the priority is part of the value, before the host. `values` are the labels of the value
    box by type. `proxy` says how to set a switch that hides records. A host that is not `listed` is only detected by
    its nameservers.
    """

    key: str
    name: str
    page: str = ""
    nameservers: tuple[str, ...] = ()
    way: str = ""
    name_label: str = "Name"
    values: Mapping[str, str] = field(default_factory=dict)
    priority_label: str = "Priority"
    ttl_label: str = "TTL"
    ttl: str = "Default"
    apex: str = "@"
    adds_zone: bool = False
    dot: bool = False
    quotes: bool = False
    proxy: str = ""
    hints: tuple[str, ...] = ()
    mx_traps: tuple[str, ...] = ()
    listed: bool = True

    @property
    def traps(self) -> tuple[str, ...]:
        """Return the usual mistakes with any record at this host."""
        return (*[_NO_ZONE] * self.adds_zone, *[_DOT] * self.dot, *self.hints)

    def value_label(self, kind: str) -> str:
        return self.values.get(kind, "Value")

    def apex_of(self, zone: str) -> str:
        return self.apex.replace("{zone}", zone)

    def page_for(self, zone: str) -> str:
        """Return the URL or menu path where the records of this zone are edited; "" if it differs for each customer."""
        return self.page.replace("{zone}", zone)


_NO_ZONE = "Don't include the domain in the name. It's added automatically."
_DOT = "End host names in the value with a dot. Otherwise, the domain is appended."

_HOSTS = read_rows(Path(__file__).with_name("hosts.toml"), DnsProvider)
PROVIDERS = tuple(host for host in _HOSTS.values() if host.listed)
GENERIC = _HOSTS["other"]
_BY_NAME = keyed((provider.name, provider) for provider in PROVIDERS)


def provider_of(nameservers: tuple[str, ...]) -> str:
    """Return the company's name, or "" if we do not know the nameservers. Route 53 numbers its names."""
    for server in nameservers:
        if ".awsdns-" in f".{server}":
            return "Route 53"
        for ending, company in _ENDINGS.items():
            if server == ending or server.endswith(f".{ending}"):
                return company
    return ""


def provider_named(company: str) -> DnsProvider:
    """Return the row of a company as `provider_of` names it; GENERIC for any other."""
    return _BY_NAME.get(company, GENERIC)


def provider_with_key(key: str) -> DnsProvider | None:
    """Return the listed row with the key that a reader chose, if any."""
    found = _HOSTS.get(key)
    return found if found and found.listed else None


_ENDINGS = keyed((ending, host.name) for host in _HOSTS.values() for ending in host.nameservers)


@dataclass(frozen=True)
class FormValues:
    """An empty `name` is an empty box. `priority` is "" if it has no box. `zone_file_line` is the resulting record."""

    provider: DnsProvider
    type: str
    name_label: str
    name: str
    value_label: str
    value: str
    priority_label: str
    priority: str
    ttl_label: str
    ttl: str
    zone_file_line: str
    warnings: tuple[str, ...]


def form_values(record: Record, provider: DnsProvider, zone: str) -> FormValues:
    """Return the content of each box. Raises ValueError for a record outside the zone."""
    has_box = record.priority is not None and bool(provider.priority_label)
    value = _value(record, provider)
    if record.priority is not None and not has_box:
        value = f"{record.priority} {value}"
    return FormValues(
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
        zone_file_line=zone_file_line(record),
        warnings=_warnings(record, provider),
    )


def zone_file_line(record: Record) -> str:
    """Return the record as a zone file line: absolute names, text in quotes."""
    host = f"{record.value}." if record.type != "TXT" else quoted(record.value)
    priority = f"{record.priority} " if record.priority is not None else ""
    return f"{record.name}. {record.type} {priority}{host}"


def _name(name: str, provider: DnsProvider, zone: str) -> str:
    inside = relative_name(name, zone)
    return provider.apex_of(zone) if name == zone else inside


def _value(record: Record, provider: DnsProvider) -> str:
    if record.type == "TXT":
        return quoted(record.value) if provider.quotes else record.value
    return f"{record.value}." if provider.dot else record.value


def _warnings(record: Record, provider: DnsProvider) -> tuple[str, ...]:
    """Return only the usual mistakes that apply to this record."""
    found = list(provider.traps)
    if record.type == "CNAME" and provider.proxy:
        found.insert(0, provider.proxy)
    if record.type == "MX":
        found += provider.mx_traps
    return tuple(found)
