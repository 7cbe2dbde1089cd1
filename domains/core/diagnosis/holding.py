"""Whether what answers somewhere is what a record should be, however much else answers beside it."""

import ipaddress
import re

from domains.core import spf
from domains.core.records import Record

# Cloudflare's own list of its ranges (cloudflare.com/ips, read in August 2026): how a proxied record is told.
_CLOUDFLARE = tuple(
    ipaddress.ip_network(network)
    for line in (
        "173.245.48.0/20 103.21.244.0/22 103.22.200.0/22 103.31.4.0/22 141.101.64.0/18 108.162.192.0/18",
        "190.93.240.0/20 188.114.96.0/20 197.234.240.0/22 198.41.128.0/17 162.158.0.0/15 104.16.0.0/13",
        "104.24.0.0/14 172.64.0.0/13 131.0.72.0/22",
    )
    for network in line.split()
)
_DMARC = re.compile(r"v\s*=\s*DMARC1\s*(?:;|$)")
# Mail forwarding that registrars switch on by themselves, by the hosts in the MX.
_FORWARDING = re.compile(
    r"(eforward\d*\.registrar-servers\.com|fwd\d*\.porkbun\.com|(alt\d\.)?gmr-smtp-in\.l\.google\.com"
    r"|mx\d*\.forward\.|forward\d*\.|mx\.hover\.com\.cust\.hostedemail\.com)",
    re.IGNORECASE,
)


def holds(record: Record, values: tuple[str, ...]) -> bool:
    """Whether the record is among what a name of its type holds."""
    if record.type == "MX":
        return record.value.lower() in mx_hosts(values)
    if record.type == "CNAME":
        return record.value.lower() in {value.rstrip(".").lower() for value in values}
    if record.key in ("mail-from-spf", "apex-spf"):
        return any(spf.allows(line) for line in spf.spf_among(values))
    return any(map(is_dmarc, values)) if record.key == "dmarc" else record.value in values


def mx_hosts(values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(value.partition(" ")[2].rstrip(".").lower() for value in values)


def is_dmarc(text: str) -> bool:
    return _DMARC.match(text) is not None


def is_proxied(addresses: tuple[str, ...]) -> bool:
    """Whether Cloudflare's proxy answers."""
    return any(ipaddress.ip_address(text) in network for text in addresses if _is_ip(text) for network in _CLOUDFLARE)


def is_key(values: tuple[str, ...]) -> bool:
    """Whether the public key behind a DKIM alias answers (RFC 6376 3.6.1)."""
    return any(re.search(r"(^|;)\s*p=", value) for value in values)


def is_forwarding(values: tuple[str, ...]) -> bool:
    return any(map(_FORWARDING.match, mx_hosts(values)))


def _is_ip(text: str) -> bool:
    return re.fullmatch(r"[0-9.]+", text) is not None
