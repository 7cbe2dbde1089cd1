"""SES's IP filters: SES evaluates them before any rule, and mail that they block reaches no rule."""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, collapse_addresses, ip_network

_EVERYBODY = IPv4Network("0.0.0.0/0")
WIDE = 2**24  # addresses: a /8


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
    return _EVERYBODY in _blocked(filters)


def blocked_percent(filters: Iterable[IpFilter]) -> float:
    """Return how much of IPv4 is blocked, 0 if it is less than a /8. Raises ValueError for an invalid range."""
    number = sum(each.num_addresses for each in _blocked(filters))
    return 100 * number / _EVERYBODY.num_addresses if number >= WIDE else 0


def reject_everybody(filters: Iterable[IpFilter]) -> bool:
    """Return whether no sender at all is left. With filters that allow some, a person may have meant it so."""
    found = tuple(filters)
    return block_everybody(found) and all(each.blocks for each in found)


def _blocked(filters: Iterable[IpFilter]) -> tuple[IPv4Network, ...]:
    ranges = [ip_network(each.cidr, strict=False) for each in filters if each.blocks]
    return tuple(collapse_addresses(found for found in ranges if isinstance(found, IPv4Network)))
