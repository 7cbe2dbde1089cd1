"""Parses DNS resolver addresses of settings."""

import re

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
