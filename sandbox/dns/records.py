"""Checks with dnspython what a record may contain before it enters a zone."""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.tokenizer
from dns.rdtypes.ANY.TXT import TXT

TYPES: Final = ("A", "AAAA", "CNAME", "MX", "TXT", "NS", "SOA", "CAA", "SRV", "DS", "DNAME")
TXT_LIMIT: Final = 4096
TTL_LIMIT: Final = 2**31 - 1
_NAME_SHAPE = re.compile(r"[!-~]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_WANTED_SHAPE: Final = {
    "A": "an IPv4 address, such as 192.0.2.1",
    "AAAA": "an IPv6 address, such as 2001:db8::1",
    "CNAME": "a host name, such as www.example.net",
    "MX": "a priority and a host name, such as 10 mail.example.net",
    "DNAME": "a name, such as example.net",
    "NS": "the host name of a nameserver, such as ns1.example.net",
    "SOA": "nameserver, mailbox and five numbers",
    "CAA": 'flags, tag and value, such as 0 issue "ca.example.net"',
    "SRV": "priority, weight, port and host name, such as 10 5 443 host.example.net",
    "DS": "key tag, algorithm, digest type and digest",
}


@dataclass(frozen=True)
class ZoneRecord:
    """A record. The name is absolute, lower case and without the last dot; the value is in presentation form."""

    id: str
    name: str
    type: str
    ttl: int
    value: str


def normal_name(name: str) -> str:
    """Return the name in lower case, as A-labels, without the last dot; "" for the root. Raises ValueError."""
    try:
        parsed = dns.name.from_text(name.strip() or ".", idna_codec=dns.name.IDNA_2008_Practical)
    except (dns.exception.DNSException, ValueError) as error:
        raise ValueError(f"“{name}” isn't a valid DNS name: {error}") from error
    return text_of_name(parsed)


def text_of_name(name: dns.name.Name) -> str:
    """Return a parsed name as `normal_name` spells it."""
    return "" if name == dns.name.root else name.to_text(omit_final_dot=True).lower()


def parent_of(name: str) -> str:
    """Return the name without its first label. A dot escaped within a label doesn't count. The root has no parent."""
    return text_of_name(absolute(name).parent()) if "\\" in name else name.partition(".")[2]


@lru_cache(maxsize=65536)
def absolute(name: str) -> dns.name.Name:
    """Return a name as a dnspython name."""
    return dns.name.from_text(name or ".")


def is_within(name: str, zone: str) -> bool:
    """Return whether the name is the zone's own or below it."""
    return not zone or name == zone or name.endswith(f".{zone}")


def checked(zone: str, typed: ZoneRecord) -> ZoneRecord:
    """Return the record as the zone stores it. Raises ValueError with a sentence for the person who typed it."""
    rrtype, owner, ttl = typed.type.strip().upper(), normal_name(typed.name), typed.ttl
    if rrtype not in TYPES:
        raise ValueError(f"“{typed.type}” isn't a supported record type. Use one of {', '.join(TYPES)}.")
    if not 0 <= ttl <= TTL_LIMIT:
        raise ValueError(f"{ttl} isn't a valid TTL. Enter seconds from 0 to {TTL_LIMIT}.")
    if not _NAME_SHAPE.fullmatch(owner) or "\\" in owner or "*" in owner.removeprefix("*."):
        raise ValueError(f"“{typed.name}” isn't a valid record name. Use no spaces, and * only as the first label.")
    if not is_within(owner, zone):
        raise ValueError(f"“{owner}” isn't in the zone {zone}.")
    return ZoneRecord(typed.id, owner, rrtype, ttl, _checked_value(rrtype, typed.value.strip()))


def _checked_value(rrtype: str, value: str) -> str:
    if _CONTROL.search(value):
        raise ValueError("Enter the value on one line, without control characters.")
    rdata = rdata_of(rrtype, value)
    return value if rrtype == "TXT" else rdata.to_text()


@lru_cache(maxsize=65536)
def rdata_of(rrtype: str, value: str) -> dns.rdata.Rdata:
    """Return the record's data for the wire; host names are absolute. Raises ValueError with a sentence."""
    if rrtype == "TXT":
        return _txt(value)
    try:
        return dns.rdata.from_text("IN", rrtype, value, origin=dns.name.root, relativize=False)
    except (dns.exception.DNSException, ValueError) as error:
        wanted = _WANTED_SHAPE[rrtype]
        raise ValueError(f"“{value}” isn't a valid {rrtype} value. Enter {wanted}.") from error


def _txt(value: str) -> TXT:
    data = text_of(value)
    if len(data) > TXT_LIMIT:
        raise ValueError(f"A TXT record can have at most {TXT_LIMIT} octets. This one has {len(data)}.")
    strings = [data[at : at + 255] for at in range(0, len(data), 255)] or [b""]
    return TXT(dns.rdataclass.IN, dns.rdatatype.TXT, strings)


def text_of(value: str) -> bytes:
    """Return the octets of a TXT record: quoted strings unescaped and joined (RFC 7208 3.3), other values unchanged."""
    if not value:
        raise ValueError('Enter the text of the TXT record. Use "" for an empty one.')
    if not value.startswith('"'):
        return value.encode()
    try:
        tokens = _quoted_strings(value)
    except (dns.exception.DNSException, ValueError) as error:
        raise ValueError(f"The TXT record has unbalanced quotation marks: {value}") from error
    return b"".join(tokens)


def _quoted_strings(value: str) -> list[bytes]:
    tokenizer, found = dns.tokenizer.Tokenizer(value), []
    while not (token := tokenizer.get(want_comment=True)).is_eol_or_eof():
        if not token.is_quoted_string():
            raise ValueError("text outside the quotation marks")
        found.append(token.unescape_to_bytes().value)
    return found
