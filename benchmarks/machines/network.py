"""Machines on one switch: Linux network namespaces, which need root.

A namespace has an address and a route to the others, nothing else. Processes started inside stay in it.
"""

import ctypes
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

NET = "10.77.0"
SWITCH = "switch"
DATABASE, AMAZON = "database", "amazon"
WEBS = ("web1", "web2", "web3")
WORKERS = ("worker1", "worker2", "worker3")
# The last number of each machine's address.
HOSTS = {
    SWITCH: 1,
    DATABASE: 2,
    AMAZON: 3,
    **{name: 11 + number for number, name in enumerate(WEBS)},
    **{name: 21 + number for number, name in enumerate(WORKERS)},
}


def address(name: str) -> str:
    return f"{NET}.{HOSTS[name]}"


def why_not() -> str:
    """Return why no such network can be created here; "" if it can."""
    if os.uname().sysname != "Linux" or os.geteuid() != 0:
        return "Network namespaces are Linux's, and only root may make them."
    if not shutil.which("ip"):
        return "The program `ip` (iproute2) is not installed."
    try:
        with Network():
            return ""
    except subprocess.CalledProcessError as refused:
        return f"Network namespaces can't be made here: {refused.stderr.strip()}"


class Network:
    """Create `HOSTS`, each connected to the switch, and delete them afterwards. Names contain our process ID."""

    def __init__(self) -> None:
        self._mark = f"ia{os.getpid()}"

    def __enter__(self) -> Self:
        try:
            for name in HOSTS:
                _ip("netns", "add", self._of(name))
                self._in(name, "link", "set", "lo", "up")
            self._in(SWITCH, "link", "add", "bridge", "type", "bridge")
            self._in(SWITCH, "address", "add", f"{address(SWITCH)}/24", "dev", "bridge")
            self._in(SWITCH, "link", "set", "bridge", "up")
            for name in HOSTS:
                if name != SWITCH:
                    self._join(name)
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._remove()

    def cut(self, name: str) -> None:
        """Unplug it: no packet comes in or goes out, and nobody is notified."""
        self._in(SWITCH, "link", "set", f"to-{name}", "down")

    def join_again(self, name: str) -> None:
        self._in(SWITCH, "link", "set", f"to-{name}", "up")

    @contextmanager
    def inside(self, name: str) -> Iterator[None]:
        """Run this thread, and what it starts, on that machine."""
        with open("/proc/thread-self/ns/net") as own, open(f"/run/netns/{self._of(name)}") as there:
            _enter(there.fileno())
            try:
                yield
            finally:
                _enter(own.fileno())

    def _join(self, name: str) -> None:
        cable, socket = f"to-{name}", "eth0"
        self._in(SWITCH, "link", "add", cable, "type", "veth", "peer", "name", socket, "netns", self._of(name))
        self._in(SWITCH, "link", "set", cable, "master", "bridge", "up")
        self._in(name, "address", "add", f"{address(name)}/24", "dev", socket)
        self._in(name, "link", "set", socket, "up")

    def _remove(self) -> None:
        for name in HOSTS:
            if Path(f"/run/netns/{self._of(name)}").exists():
                _ip("netns", "delete", self._of(name))

    def _of(self, name: str) -> str:
        return f"{self._mark}-{name}"

    def _in(self, name: str, *arguments: str) -> None:
        _ip("-n", self._of(name), *arguments)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)  # noqa: S607  # wherever it is


def _enter(namespace: int) -> None:
    if ctypes.CDLL(None, use_errno=True).setns(namespace, 0) != 0:
        raise OSError(ctypes.get_errno(), "setns")
