"""SES's IP filters: they are asked before any rule, and what they block never reaches one."""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, collapse_addresses, ip_network

_EVERYBODY = IPv4Network("0.0.0.0/0")


@dataclass(frozen=True)
class IpFilter:
    """`cidr` is an address or a range as SES keeps it."""

    name: str
    cidr: str
    blocks: bool

    def __str__(self) -> str:
        return f"{self.name} {'blocks' if self.blocks else 'allows'} {self.cidr}"


def block_everybody(filters: Iterable[IpFilter]) -> bool:
    """Whether the block filters, alone or together, cover all of IPv4. Raises ValueError for what is no range."""
    ranges = [ip_network(each.cidr, strict=False) for each in filters if each.blocks]
    return _EVERYBODY in collapse_addresses(found for found in ranges if isinstance(found, IPv4Network))
