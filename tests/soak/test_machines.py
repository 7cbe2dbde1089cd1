"""Several machines on one database: work that fails on one, permanently or briefly, is neither lost nor repeated."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks.machines.fleet import ROOT, let_in
from benchmarks.machines.network import DATABASE, WORKERS, Network, address, why_not
from sandbox.local.postgres import EmbeddedPostgres

pytestmark = pytest.mark.soak
MINUTES_AFTER = 15  # in addition to the faults: to start, finish, and count
HOLDER = """
import django
django.setup()
from django.db import connection, transaction
with transaction.atomic(), connection.cursor() as cursor:
    cursor.execute("SELECT pg_advisory_xact_lock(1)")
    print("held", flush=True)
    __import__("time").sleep(3600)
"""
NEXT = """
import django
django.setup()
from django.db import connection, transaction
with transaction.atomic(), connection.cursor() as cursor:
    cursor.execute("SELECT pg_advisory_xact_lock(1)")
"""
LOCK_GIVEN_BACK = 60  # seconds, including the start of the second process


@pytest.fixture(autouse=True)
def network_can_be_made() -> None:
    if reason := why_not():
        pytest.skip(reason)


def test_no_work_is_lost_or_repeated_while_machines_fail(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    seconds = float(environment.get("MACHINES_SECONDS") or 600)
    made = subprocess.run(
        [sys.executable, "-m", "benchmarks.machines"],
        check=False,
        cwd=ROOT,
        env=environment | {"MACHINES_RESULT": str(tmp_path / "result.json")},
        timeout=seconds + MINUTES_AFTER * 60,
    )
    result = json.loads((tmp_path / "result.json").read_text())
    assert not [row for row in result["rows"] if not row["holds"]], f"MACHINES_SEED={result['seed']}"
    assert made.returncode == 0


@contextmanager
def database(network: Network, folder: Path) -> Iterator[None]:
    server = EmbeddedPostgres(folder / "postgres", listen=address(DATABASE))
    with network.inside(DATABASE):
        server.start()
    try:
        let_in(server)
        yield
    finally:
        server.stop()


def test_a_machine_without_network_releases_its_locks(tmp_path: Path) -> None:
    url = f"postgresql://postgres@{address(DATABASE)}:5432/inbound_admin"
    environment = {**os.environ, "DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "inbound_admin.settings"}

    def started(network: Network, name: str, code: str) -> "subprocess.Popen[str]":
        with network.inside(name):
            return subprocess.Popen(
                [sys.executable, "-c", code], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
            )

    with Network() as network, database(network, tmp_path), started(network, WORKERS[0], HOLDER) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        network.cut(WORKERS[0])
        with started(network, WORKERS[1], NEXT) as waits:
            try:
                assert waits.wait(LOCK_GIVEN_BACK) == 0
            finally:
                waits.kill()
                holder.kill()
