"""SES's IP filters: SES evaluates them before any rule, and mail that they block reaches no rule."""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, collapse_addresses, ip_network

_EVERYBODY = IPv4Network("0.0.0.0/0")


@dataclass(frozen=True)
class IpFilter:
    """`cidr` is an address or a range, as stored by SES."""

    name: str
    cidr: str
    blocks: bool

    def __str__(self) -> str:
        return f"{self.name} {'blocks' if self.blocks else 'allows'} {self.cidr}"


def block_everybody(filters: Iterable[IpFilter]) -> bool:
    """Return whether the block filters together cover all of IPv4. Raises ValueError for an invalid range."""
    ranges = [ip_network(each.cidr, strict=False) for each in filters if each.blocks]
    return _EVERYBODY in collapse_addresses(found for found in ranges if isinstance(found, IPv4Network))
