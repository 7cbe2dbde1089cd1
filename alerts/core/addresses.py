"""Which addresses a webhook may go to: the public internet, and nothing that stands near us."""

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

# Not private by number, and still a cloud's own: Azure's host agent. (Others' metadata services are link-local,
# carrier-grade NAT or unique local addresses, which no public address is.)
_CLOUDS = frozenset({IPv4Address("168.63.129.16")})
_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052: the way to IPv4 of a network that has IPv6 alone


def is_public(address: str) -> bool:
    """Whether the address, and every IPv4 address inside it, is of the public internet. False for what is none."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    meant = _meant(parsed)
    return all(_is_public(each) for each in (meant, *_inside(meant)))


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    special = address.is_multicast or address.is_reserved or address.is_unspecified or address.is_loopback
    return address.is_global and not special and address not in _CLOUDS


def _meant(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address to which the kernel, or the network's translator, takes a connection to this one."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(address.packed[-4:])
    return address.ipv4_mapped or address


def _inside(address: IPv4Address | IPv6Address) -> tuple[IPv4Address, ...]:
    """IPv4 addresses to which 6to4 or Teredo would tunnel."""
    if isinstance(address, IPv4Address):
        return ()
    return tuple(each for each in (address.sixtofour, *(address.teredo or ())) if each is not None)
