"""The zones of the sandbox's DNS host on nsd, with unbound as the resolver.

Raises `Unservable` for what a real server can't serve: faults, servers that disagree, and records that a zone can't
have together.
"""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.nsd import NotHere
from domains.dns.core import LookupStatus, Question
from domains.dns.gateway import exchange
from sandbox.dns import amazon
from sandbox.dns.records import rdata_of
from sandbox.dns.zones import ZoneStore

PATIENCE = 5.0  # timeout of their start in seconds
TRIES = 4
_PATH = "/usr/sbin:/usr/local/sbin"
_NSD = """\
server:
{addresses}
  server-count: 1
  username: ""
  database: ""
  rrl-ratelimit: 0
  zonesdir: "{folder}"
  pidfile: ""
  xfrdfile: "{folder}/{own}.state"
  zonelistfile: "{folder}/{own}.list"
remote-control:
  control-enable: no
"""
_UNBOUND = """\
server:
  interface: 127.0.0.1@{port}
  access-control: 127.0.0.0/8 allow
  do-daemonize: no
  do-not-query-localhost: no
  module-config: "iterator"
  username: ""
  chroot: ""
  directory: "{folder}"
  pidfile: ""
  use-syslog: no
  num-threads: 1
  minimal-responses: no
{local}
remote-control:
  control-enable: no
{stubs}
"""
_OUTSIDE = "127.0.0.250"  # answers for all names outside the store's zones
_REGIONS = ("us-east-1", "us-east-2", "us-west-2", "eu-west-1", "eu-central-1")


class Unservable(Exception):
    """No honest server can serve it."""


@contextmanager
def serving(store: ZoneStore) -> Iterator[tuple[str, int]]:
    """Yield the resolver and the port of the nameservers. Raises NotHere, Unservable."""
    if store.faults() or store.has_overrides():
        raise Unservable("servers that fail, or disagree")
    if not all(store.nameservers(zone) for zone in store.list_zones()):
        raise Unservable("a zone without name servers")
    check = _program("nsd-checkzone")
    with TemporaryDirectory() as place, ExitStack() as running:
        folder = Path(place)
        _write_zones(folder, store, check)
        for _ in range(TRIES - 1):
            try:
                found = _started(folder, store, running)
                break
            except NotHere:
                running.close()  # another program took the port first
        else:
            found = _started(folder, store, running)
        yield found


def _started(folder: Path, store: ZoneStore, running: ExitStack) -> tuple[str, int]:
    nsd, unbound, port, resolver = _program("nsd"), _program("unbound"), _free_port(), _free_port()
    for at, (zones, addresses) in enumerate(_servers(store).items()):
        config = folder / f"nsd{at}.conf"
        _write_nsd(config, zones, addresses, port)
        running.enter_context(_running(nsd, config))
    _write_unbound(folder, store, port, resolver)
    running.enter_context(_running(unbound, folder / "unbound.conf"))
    _wait(f"127.0.0.1:{resolver}", store, folder)
    return f"127.0.0.1:{resolver}", port


def _program(name: str) -> str:
    found = shutil.which(name) or shutil.which(name, path=_PATH)
    if found is None:
        raise NotHere(f"{name} is not here: it comes with the Debian packages nsd and unbound")
    return found


def _write_zones(folder: Path, store: ZoneStore, check: str) -> None:
    """Write zone files, and check them with nsd's own checker."""
    zones = store.list_zones()
    for zone in zones:
        lines = [_line(each.name, each.ttl, each.type, each.value) for each in store.records(zone)]
        below = [each for each in zones if each != zone and _above(each, zones) == zone]
        lines += [f"{each}. 300 IN NS {server}." for each in below for server in store.nameservers(each)]
        path = folder / f"{zone}.zone"
        path.write_text("\n".join((*lines, "")))
        done = subprocess.run([check, zone, path], capture_output=True, text=True, check=False)
        if done.returncode:
            raise Unservable(done.stderr[-200:] or done.stdout[-200:])
    (folder / "..zone").write_text("\n".join((*_outside(), "")))


def _line(name: str, ttl: int, kind: str, value: str) -> str:
    return f"{name}. {ttl} IN {kind} {rdata_of(kind, value)}"


def _above(zone: str, zones: Sequence[str]) -> str:
    """Return the zone that delegates it; "" if none of ours does."""
    return max((each for each in zones if zone.endswith(f".{each}")), key=len, default="")


def _outside() -> Iterator[str]:
    """Yield the records of AWS's own hosts."""
    yield f". 300 IN SOA {amazon.ROOT_SOA}"
    yield ". 300 IN NS ns.root.example."
    yield _line("amazonses.com", 300, "TXT", amazon.SPF)
    yield _line("*.dkim.amazonses.com", 300, "TXT", amazon.DKIM_KEY)
    for region in _REGIONS:
        yield _line(f"inbound-smtp.{region}.amazonaws.com", 300, "A", "192.0.2.10")
        yield _line(f"feedback-smtp.{region}.amazonses.com", 300, "A", "192.0.2.20")


def _servers(store: ZoneStore) -> dict[tuple[str, ...], list[str]]:
    """Return the addresses that serve the same zones, by those zones."""
    found: dict[tuple[str, ...], list[str]] = {(".",): [_OUTSIDE]}
    for name, address in store.addresses().items():
        zones = tuple(zone for zone in store.list_zones() if name in store.nameservers(zone))
        if zones:
            found.setdefault(zones, []).append(address)
    return found


def _write_nsd(config: Path, zones: Sequence[str], addresses: Sequence[str], port: int) -> None:
    bound = "\n".join(f"  ip-address: {address}@{port}" for address in addresses)
    held = "".join(f"zone:\n  name: {zone}\n  zonefile: {zone}.zone\n" for zone in zones)
    config.write_text(_NSD.format(addresses=bound, folder=config.parent, own=config.stem) + held)


def _write_unbound(folder: Path, store: ZoneStore, port: int, resolver: int) -> None:
    """Configure every zone with its servers' port.

    Unbound itself answers for the servers' names, which are in no zone.
    """
    zones, known = store.list_zones(), store.addresses()
    outside = {name: address for name, address in known.items() if store.zone_for(name) is None}
    local = [f'  local-data: "{name}. 300 IN A {address}"' for name, address in outside.items()]
    stubs = [_stub(zone, {known[name] for name in store.nameservers(zone)}, port) for zone in zones]
    stubs.append(_stub("", {_OUTSIDE}, port))
    made = _UNBOUND.format(port=resolver, folder=folder, local="\n".join(local), stubs="".join(stubs))
    (folder / "unbound.conf").write_text(made)


def _stub(zone: str, addresses: set[str], port: int) -> str:
    lines = "".join(f"  stub-addr: {address}@{port}\n" for address in sorted(addresses))
    return f'stub-zone:\n  name: "{zone}."\n{lines}'


@contextmanager
def _running(program: str, config: Path) -> Iterator[None]:
    with config.with_suffix(".log").open("w") as log:
        process = subprocess.Popen([program, "-d", "-c", config], stdout=log, stderr=log)
        try:
            yield
        finally:
            process.terminate()
            process.wait(timeout=PATIENCE)


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _wait(resolver: str, store: ZoneStore, folder: Path) -> None:
    zones, until = store.list_zones(), time.monotonic() + PATIENCE
    question = Question(zones[0] if zones else "nothing.example", "SOA")
    while time.monotonic() < until:
        response = exchange.look_up([question], [resolver], timeout=0.3, tries=1)[question, resolver]
        if response.status is not LookupStatus.FAILED:
            return
        time.sleep(0.03)
    logs = " ".join(path.read_text()[-200:] for path in folder.glob("*.log"))
    raise NotHere(f"nsd and unbound do not answer: {logs}")
