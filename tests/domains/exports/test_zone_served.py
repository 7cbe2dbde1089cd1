"""A zone that we export, served by nsd, passes our own check."""

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django import Settings

from domains.checking import services as checking_services
from domains.checking.core.judgement import State
from domains.dns.core import LookupStatus, Question
from domains.dns.gateway import exchange
from domains.exports.core.formats import export, format_named
from domains.exports.core.values import entries
from domains.models.domains import Domain
from sandbox.process import Sandbox
from tests.domains.factories import set_up_domain
from tests.domains.installed_programs import program

pytestmark = pytest.mark.django_db

HEAD = """\
{zone}. 300 IN SOA ns1.{zone}. admin.{zone}. 1 3600 600 86400 60
{zone}. 300 IN NS ns1.{zone}.
ns1.{zone}. 300 IN A 127.0.0.1
"""
CONFIG = """\
server:
  ip-address: 127.0.0.1@{port}
  server-count: 1
  username: ""
  zonesdir: "{folder}"
  pidfile: ""
  xfrdfile: "{folder}/xfrd.state"
  zonelistfile: "{folder}/zone.list"
remote-control:
  control-enable: no
zone:
  name: {zone}
  zonefile: zone
"""


@contextmanager
def nsd(folder: Path, zone: str, records: str) -> Iterator[str]:
    """Serve the zone. Yield host and port."""
    command = program("nsd", package="nsd")
    port = _free_port()
    (folder / "zone").write_text(HEAD.format(zone=zone) + records)
    (folder / "nsd.conf").write_text(CONFIG.format(port=port, folder=folder, zone=zone))
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([command, "-d", "-c", folder / "nsd.conf"], stdout=log, stderr=log)
        try:
            _wait_until_it_answers(f"127.0.0.1:{port}", zone, folder / "log")
            yield f"127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(timeout=20)


def _free_port() -> int:
    """Return a port that is free for both UDP and TCP, which nsd needs."""
    while True:
        with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            port = int(tcp.getsockname()[1])
            with suppress(OSError):
                udp.bind(("127.0.0.1", port))
                return port


def _wait_until_it_answers(server: str, zone: str, log: Path) -> None:
    question = Question(zone, "SOA")
    for _ in range(100):
        with socket.create_server(("127.0.0.1", 0)) as nobody:
            nobody.settimeout(0.1)
            answer = exchange.look_up([question], [server], timeout=0.2, tries=1)[question, server]
            if answer.status is LookupStatus.FOUND:
                return
            with pytest.raises(TimeoutError):  # pause briefly: a port that nobody listens on refuses at once
                nobody.accept()
    pytest.fail(f"nsd does not answer: {log.read_text()}")


@pytest.mark.parametrize("key", ["zone", "zone-full"])
@pytest.mark.parametrize("name", ["shop.com", "mail.shop.co.uk", "xn--bcher-kva.com"])
def test_an_exported_zone_served_by_nsd_is_verified(
    key: str, name: str, sandbox: Sandbox, settings: Settings, tmp_path: Path
) -> None:
    domain = set_up_domain(sandbox, name)
    kind = format_named(key)
    assert kind
    done = export(entries(domain.records), kind, domain.parsed.zone)
    with nsd(tmp_path, domain.parsed.zone, done.text) as server:
        settings.DNS_RESOLVERS = (server,)
        checking_services.check([domain], now=timezone.now())
    states = dict(Domain.objects.get(pk=domain.pk).record_checks.values_list("key", "state"))
    assert states == {record.key: State.VERIFIED for record in domain.records}
