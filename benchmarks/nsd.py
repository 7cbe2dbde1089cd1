"""Serves zones with nsd, an independent nameserver, on a free port."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from domains.dns.core import LookupStatus, Question
from domains.dns.gateway import exchange

PATIENCE = 20.0  # timeout of the start in seconds
_HEAD = """\
$TTL 300
{zone}. IN SOA ns1.{zone}. admin.{zone}. 1 3600 600 86400 60
{zone}. IN NS ns1.{zone}.
ns1.{zone}. IN A 127.0.0.1
"""
_SERVER = """\
server:
  ip-address: 127.0.0.1@{port}
  server-count: 1
  username: ""
  rrl-ratelimit: 0
  zonesdir: "{folder}"
  pidfile: ""
  xfrdfile: "{folder}/xfrd.state"
  zonelistfile: "{folder}/zone.list"
remote-control:
  control-enable: no
"""


class NotHere(Exception):
    """nsd is not installed, or does not start."""


@contextmanager
def serving(zones: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, int]]:
    """Yield host and port. `zones`: the lines of each zone, without SOA and NS. Raises NotHere."""
    command = shutil.which("nsd") or shutil.which("nsd", path="/usr/sbin:/usr/local/sbin")
    if command is None:
        raise NotHere("nsd is not here: it comes with the Debian package nsd")
    with TemporaryDirectory() as place:
        folder, port = Path(place), _free_port()
        _write(folder, port, zones)
        with (folder / "log").open("w") as log:
            process = subprocess.Popen([command, "-d", "-c", folder / "nsd.conf"], stdout=log, stderr=log)
            try:
                _wait(f"127.0.0.1:{port}", next(iter(zones)), folder / "log")
                yield "127.0.0.1", port
            finally:
                process.terminate()
                process.wait(timeout=PATIENCE)


def _write(folder: Path, port: int, zones: Mapping[str, Sequence[str]]) -> None:
    stanzas = [f"zone:\n  name: {zone}\n  zonefile: {zone}.zone\n" for zone in zones]
    (folder / "nsd.conf").write_text(_SERVER.format(port=port, folder=folder) + "".join(stanzas))
    for zone, lines in zones.items():
        (folder / f"{zone}.zone").write_text(_HEAD.format(zone=zone) + "\n".join((*lines, "")))


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _wait(server: str, zone: str, log: Path) -> None:
    question, until = Question(zone, "SOA"), time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if exchange.look_up([question], [server], timeout=0.2, tries=1)[question, server].status is LookupStatus.FOUND:
            return
        time.sleep(0.05)
    raise NotHere(f"nsd does not answer: {log.read_text()[-200:]}")
