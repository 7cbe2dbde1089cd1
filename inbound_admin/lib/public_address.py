"""Decides which IP addresses we may connect to for a stranger: webhooks, endpoints and a domain's own nameservers.

The tables are IANA's special-purpose registries (RFC 6890 and its updates). They are written out, because
`ipaddress.is_global` differs between Python versions and omits 6to4 relays, translators and clouds.

It also parses the addresses of DNS resolvers in settings.
"""

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

_NOT_PUBLIC_V4 = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",  # this network
            "10.0.0.0/8",
            "100.64.0.0/10",  # carrier-grade NAT; Alibaba's metadata service, 100.100.100.200
            "127.0.0.0/8",
            "168.63.129.16/32",  # Azure's host agent
            "169.254.0.0/16",  # link-local; most clouds' metadata service, 169.254.169.254
            "172.16.0.0/12",
            "192.0.0.0/24",  # IETF protocol assignments; Oracle's metadata service, 192.0.0.192
            "192.0.2.0/24",  # documentation
            "192.88.99.0/24",  # 6to4 relays, which no longer exist
            "192.168.0.0/16",
            "198.18.0.0/15",  # benchmarks
            "198.51.100.0/24",  # documentation
            "203.0.113.0/24",  # documentation
            "224.0.0.0/3",  # multicast, reserved, broadcast
        ),
    )
)
_GLOBAL_V6 = IPv6Network("2000::/3")  # all global unicast; ::1, fc00::/7, fe80::/10 and ff00::/8 are outside
_NOT_PUBLIC_V6 = tuple(
    map(
        IPv6Network,
        (
            "2001::/23",  # IETF protocol assignments: Teredo, benchmarks, ORCHID
            "2001:db8::/32",  # documentation
            "3fff::/20",  # documentation
        ),
    )
)
_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052: access to IPv4 for a network with only IPv6


def is_public(address: str) -> bool:
    """Return whether the address, and an IPv4 address inside it, belongs to the public internet.

    False if it isn't an address, or has a scope ("fe80::1%eth0"), which is valid on one link only.
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, IPv4Address):
        return _is_public_v4(parsed)
    if parsed.scope_id is not None:
        return False
    inside = _inside(parsed)
    return _is_public_v4(inside) if inside else _is_public_v6(parsed)


def _is_public_v4(address: IPv4Address) -> bool:
    return not any(address in network for network in _NOT_PUBLIC_V4)


def _is_public_v6(address: IPv6Address) -> bool:
    return address in _GLOBAL_V6 and not any(address in network for network in _NOT_PUBLIC_V6)


def _inside(address: IPv6Address) -> IPv4Address | None:
    """Return the IPv4 address to which the kernel (v4-mapped), a translator (NAT64) or a tunnel (6to4) would connect.

    The position in the local-use translator's 64:ff9b:1::/48 depends on the network, so such an address is never
    public.
    """
    if address in _NAT64:
        return IPv4Address(address.packed[-4:])
    return address.ipv4_mapped or address.sixtofour


_ADDRESS = re.compile(
    r"(?:\[(?P<v6>[^\]]+)\]|(?P<host>[^:\[\]\s]+))(?::(?P<port>[0-9]{1,5}))?|(?P<bare>[0-9a-fA-F:.]+)"
)


def parse_resolver(text: str) -> tuple[str, int]:
    """Parse `host`, `host:port`, `[v6]:port` or a bare IPv6 address as (host, port). The default is 53.

    Raises ValueError.
    """
    parts = _ADDRESS.fullmatch(text.strip())
    port = int((parts and parts["port"]) or 53)
    if parts is None or not 0 < port < 65536:
        raise ValueError(f"“{text}” isn't host:port")
    return parts["v6"] or parts["host"] or parts["bare"], port
