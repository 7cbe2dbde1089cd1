"""The table of DNS hosts, and what to enter at each one so that it publishes a record. Pure.

Each row uses the words of the host's own pages and knows what its customers stumble over. Rows are in alphabetical
order.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from domains.exports.core.values import quoted, unquoted
from domains.records.core import Record
from inbound_admin.lib.tables import keyed


@dataclass(frozen=True)
class DnsProvider:
    """`apex` is what stands for the zone itself in the name box ("" is an empty box); it and `page` may name {zone}.

    `dot`: a host name in the value ends in a dot, or the zone is added to it. `quotes`: text is typed in quotation
    marks, in strings of at most 255 bytes. `priority_label` "" says that priority stands in the value, before the
    host. `values` are the labels of the value box by type, `proxy` what to do with a switch that hides records.
    """

    key: str
    name: str
    page: str
    nameservers: tuple[str, ...] = ()
    way: str = ""
    name_label: str = "Name"
    values: Mapping[str, str] = field(default_factory=dict)
    priority_label: str = "Priority"
    ttl_label: str = "TTL"
    ttl: str = "the default"
    apex: str = "@"
    absolute: bool = False
    dot: bool = False
    quotes: bool = False
    proxy: str = ""
    traps: tuple[str, ...] = ()
    mx_traps: tuple[str, ...] = ()

    def value_label(self, kind: str) -> str:
        return self.values.get(kind, "Value")

    def apex_of(self, zone: str) -> str:
        return self.apex.replace("{zone}", zone)

    def page_for(self, zone: str) -> str:
        """Where the records of this zone are edited, or the way to it; "" where every customer's is another."""
        return self.page.replace("{zone}", zone)


_NO_ZONE = "Leave the domain out of the name box: it is added by itself."
_DOT = "A host name in the value ends in a dot here; without it the domain is added to it."

GENERIC = DnsProvider(
    key="other",
    name="Another DNS host",
    page="",
    name_label="Name (also called Host)",
    values={
        "TXT": "Value (also called Content)",
        "CNAME": "Value (also called Target or Points to)",
        "MX": "Mail server (also called Target)",
    },
    traps=(
        "Look at the record after it is saved. Where the domain stands in its name twice, the host adds it by itself.",
    ),
)

HOSTS = (
    DnsProvider(
        key="azure",
        name="Azure DNS",
        page="https://portal.azure.com/#browse/Microsoft.Network%2FdnsZones",
        nameservers=("azure-dns.com", "azure-dns.net", "azure-dns.org", "azure-dns.info"),
        way="DNS zones, your domain, Record sets, Add",
        values={"TXT": "Value", "CNAME": "Alias", "MX": "Mail exchange"},
        priority_label="Preference",
        traps=("All values of one type at one name are one record set: where it exists, add a line to it.",),
    ),
    DnsProvider(
        key="cloudflare",
        name="Cloudflare",
        page="https://dash.cloudflare.com/?to=/:account/:zone/dns/records",
        nameservers=("ns.cloudflare.com",),
        way="your domain, DNS, Records, Add record",
        values={"TXT": "Content", "CNAME": "Target", "MX": "Mail server"},
        ttl="Auto",
        proxy="Set “Proxy status” to “DNS only” (the grey cloud). With the orange cloud nobody can see this record.",
    ),
    DnsProvider(
        key="cpanel",
        name="cPanel",
        page="",
        way="Zone Editor, Manage beside your domain, Add Record",
        values={"TXT": "Record", "CNAME": "Record", "MX": "Destination"},
        apex="{zone}.",
        traps=("cPanel writes the rest of the name as you leave the box: look at it before you save.",),
        mx_traps=("Then choose “Remote Mail Exchanger” under Email Routing, or cPanel keeps this mail for itself.",),
    ),
    DnsProvider(
        key="digitalocean",
        name="DigitalOcean",
        page="https://cloud.digitalocean.com/networking/domains/{zone}",
        nameservers=("digitalocean.com",),
        way="Networking, Domains, your domain",
        name_label="Hostname",
        values={"TXT": "Value", "CNAME": "Is an alias of", "MX": "Mail providers mail server"},
        dot=True,
        traps=(_DOT,),
    ),
    DnsProvider(
        key="dnsimple",
        name="DNSimple",
        page="https://dnsimple.com/dashboard",
        nameservers=("dnsimple.com", "dnsimple-edge.net", "dnsimple-edge.org"),
        way="your domain, DNS, Manage, Add record",
        values={"TXT": "Content", "CNAME": "Content", "MX": "Mail server"},
        apex="",
        traps=("Take CNAME and not ALIAS: nobody can see an ALIAS record as such.",),
    ),
    DnsProvider(
        key="gandi",
        name="Gandi",
        page="https://admin.gandi.net/domain",
        nameservers=("gandi.net",),
        way="your domain, DNS Records, Add record",
        values={"TXT": "Text value", "CNAME": "Hostname", "MX": "Hostname"},
        dot=True,
        traps=(_DOT,),
    ),
    DnsProvider(
        key="godaddy",
        name="GoDaddy",
        page="https://dcc.godaddy.com/control/portfolio",
        nameservers=("domaincontrol.com",),
        way="your domain, DNS, Add New Record",
        values={"TXT": "Value", "CNAME": "Value", "MX": "Value"},
        ttl="1 Hour",
        traps=(_NO_ZONE,),
    ),
    DnsProvider(
        key="hetzner",
        name="Hetzner",
        page="https://console.hetzner.com",
        nameservers=("hetzner.com", "hetzner.de", "first-ns.de", "second-ns.com", "second-ns.de"),
        way="DNS, your zone, Add record",
        dot=True,
        traps=(_DOT,),
    ),
    DnsProvider(
        key="hover",
        name="Hover",
        page="https://www.hover.com/control_panel/domains",
        nameservers=("hover.com",),
        way="your domain, DNS, Add a record",
        name_label="Hostname",
        values={"TXT": "Content", "CNAME": "Target name", "MX": "Mail server"},
        traps=(_NO_ZONE,),
        mx_traps=("Remove the MX record that Hover put there, if you use no mailbox of Hover's.",),
    ),
    DnsProvider(
        key="ionos",
        name="IONOS",
        page="https://my.ionos.com/domains",
        nameservers=("ui-dns.com", "ui-dns.de", "ui-dns.org", "ui-dns.biz"),
        way="your domain, DNS, Add record",
        name_label="Host name",
        values={"TXT": "Value", "CNAME": "Points to", "MX": "Points to"},
        ttl="1 hour",
        traps=(_NO_ZONE,),
        mx_traps=("IONOS asks to switch its own mail settings for the domain off: that is what this record does.",),
    ),
    DnsProvider(
        key="namecheap",
        name="Namecheap",
        page="https://ap.www.namecheap.com/Domains/DomainControlPanel/{zone}/advancedns",
        nameservers=("registrar-servers.com",),
        way="Domain List, Manage, Advanced DNS, Add new record",
        name_label="Host",
        ttl="Automatic",
        traps=(_NO_ZONE,),
        mx_traps=(
            "MX records stand apart: set “Mail Settings” to “Custom MX” first. Forwarding by Namecheap ends then.",
        ),
    ),
    DnsProvider(
        key="netlify",
        name="Netlify or NS1",
        page="https://app.netlify.com",
        nameservers=("nsone.net",),
        way="Domains, your domain, Add new record",
        traps=(
            _NO_ZONE,
            "Netlify cannot change a record: delete the wrong one and add it again.",
        ),
    ),
    DnsProvider(
        key="ovh",
        name="OVHcloud",
        page="https://www.ovh.com/manager/#/web/domain/{zone}/zone",
        nameservers=("ovh.net", "ovh.ca", "anycast.me"),
        way="Domain names, your domain, DNS zone, Add an entry",
        name_label="Sub-domain",
        values={"TXT": "Value", "CNAME": "Target", "MX": "Target"},
        apex="",
        dot=True,
        traps=(_DOT,),
        mx_traps=("Remove the MX records of OVHcloud's own mail, if you use no mailbox there.",),
    ),
    DnsProvider(
        key="porkbun",
        name="Porkbun",
        page="https://porkbun.com/account/domainsSpeedy",
        nameservers=("porkbun.com",),
        way="DNS beside your domain",
        name_label="Host",
        values={"TXT": "Answer / Value", "CNAME": "Answer / Value", "MX": "Answer / Value"},
        ttl="600",
        apex="",
        traps=(_NO_ZONE,),
        mx_traps=("Switch Porkbun's e-mail forwarding for the domain off, if it is on: its MX records stand there.",),
    ),
    DnsProvider(
        key="route53",
        name="Route 53",
        page="https://console.aws.amazon.com/route53/v2/hostedzones",
        way="Hosted zones, your domain, Create record",
        name_label="Record name",
        priority_label="",
        ttl_label="TTL (seconds)",
        ttl="300",
        apex="",
        quotes=True,
        traps=("All values of one type at one name are one record: where it exists, edit it and add a line.",),
        mx_traps=("Priority and mail server stand in one box, with a space between them.",),
    ),
    DnsProvider(
        key="squarespace",
        name="Squarespace Domains",
        page="https://account.squarespace.com/domains/managed/{zone}/dns/dns-settings",
        nameservers=("googledomains.com", "squarespacedns.com"),
        way="your domain, DNS, DNS Settings, Custom records, Add record",
        name_label="Host",
        values={"TXT": "Text", "CNAME": "Alias data", "MX": "Mail server"},
        traps=(_NO_ZONE,),
        mx_traps=("Where a preset for mail (such as Google Workspace) is there, it holds the MX: remove it first.",),
    ),
    DnsProvider(
        key="vercel",
        name="Vercel",
        page="https://vercel.com/dashboard/domains",
        nameservers=("vercel-dns.com",),
        way="your domain, DNS Records, Add",
        apex="",
        ttl="60",
        traps=(_NO_ZONE,),
    ),
)


PROVIDERS: tuple[DnsProvider, ...] = (*HOSTS, GENERIC)

# Hosts that are known by their name servers and have no row of their own.
_OTHERS = (("wixdns.net", "Wix"),)
_BY_KEY = keyed((provider.key, provider) for provider in PROVIDERS)
_BY_NAME = keyed((provider.name, provider) for provider in PROVIDERS)


def provider_of(nameservers: tuple[str, ...]) -> str:
    """The company's name, or "" when the name servers are not known to us. Route 53 numbers its names."""
    for server in nameservers:
        if ".awsdns-" in f".{server}":
            return "Route 53"
        for ending, company in _ENDINGS.items():
            if server == ending or server.endswith(f".{ending}"):
                return company
    return ""


def named(company: str) -> DnsProvider:
    """The row of a company as `provider_of` calls it; GENERIC for any other."""
    return _BY_NAME.get(company, GENERIC)


def with_key(key: str) -> DnsProvider | None:
    """The row that a reader chose."""
    return _BY_KEY.get(key)


_ENDINGS = keyed((*((ending, host.name) for host in HOSTS for ending in host.nameservers), *_OTHERS))


@dataclass(frozen=True)
class Typed:
    """`name` "" is an empty box. `priority` is "" where it has no box. `becomes` is the line as DNS has it."""

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
    becomes: str
    warnings: tuple[str, ...]


def typed(record: Record, provider: DnsProvider, zone: str) -> Typed:
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
        becomes=zone_file_line(record),
        warnings=_warnings(record, provider),
    )


def zone_file_line(record: Record) -> str:
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


def _name(name: str, provider: DnsProvider, zone: str) -> str:
    if name != zone and not name.endswith(f".{zone}"):
        raise ValueError(f"{name} is not in the zone {zone}")
    if provider.absolute:
        return name
    return provider.apex_of(zone) if name == zone else name.removesuffix(f".{zone}")


def _absolute(typed_name: str, provider: DnsProvider, zone: str) -> str:
    if provider.absolute:
        return typed_name
    return zone if typed_name == provider.apex_of(zone) else f"{typed_name}.{zone}"


def _value(record: Record, provider: DnsProvider) -> str:
    if record.type == "TXT":
        return quoted(record.value) if provider.quotes else record.value
    return f"{record.value}." if provider.dot else record.value


def _warnings(record: Record, provider: DnsProvider) -> tuple[str, ...]:
    """The traps that this record can fall into, and no others."""
    found = list(provider.traps)
    if record.type == "CNAME" and provider.proxy:
        found.insert(0, provider.proxy)
    if record.type == "MX":
        found += provider.mx_traps
    return tuple(found)
