"""Finds free ports by binding them."""

import socket

from inbound_admin.lib.errors import Problem

_TRIES = 100


def is_free(host: str, port: int, *, datagrams: bool = False) -> bool:
    """Return whether a server could listen there now. A host that isn't ours counts as not free."""
    kind = socket.SOCK_DGRAM if datagrams else socket.SOCK_STREAM
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=kind)[0]
        with socket.socket(family, kind) as listener:
            if not datagrams:
                # As gunicorn does: a port whose last connections were just closed is free.
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
    except OSError:
        return False
    return True


def next_free(port: int, *, host: str = "127.0.0.1") -> int:
    """Return the first port from `port` on that is free for TCP and UDP, since DNS needs both."""
    for candidate in range(port, port + _TRIES):
        if is_free(host, candidate) and is_free(host, candidate, datagrams=True):
            return candidate
    raise Problem(f"The sandbox found no free port from {port} to {port + _TRIES - 1} on {host}.")
