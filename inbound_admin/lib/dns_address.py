"""How a DNS resolver is written in settings."""

from ipaddress import ip_address


def parse_resolver(text: str) -> tuple[str, int]:
    """`host`, `host:port` or `[v6]:port` as (IP address, port); port 53 when none is given. Raises ValueError."""
    text = text.strip()
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        port = rest.removeprefix(":") or "53"
    elif text.count(":") == 1:
        host, port = text.split(":")
    else:
        host, port = text, "53"
    if not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError(f"{text!r} has no port between 1 and 65535")
    return str(ip_address(host)), int(port)
