"""`make machines`: runs eight machines under faults for ten minutes, then counts what became of every request.

MACHINES_SECONDS, MACHINES_SEED and MACHINES_PACE (calls per second) configure it; MACHINES_LOGS is a folder for the
logs. Prints a table, writes `benchmarks/machines.json` (or the file MACHINES_RESULT), and exits with 1 if a bound does
not hold.
"""

import json
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import django
from django.core.management import call_command

from benchmarks.machine import machine
from benchmarks.machines.fire import Fire
from benchmarks.machines.fleet import Fleet
from benchmarks.machines.network import SWITCH, WEBS, WORKERS, Network, why_not
from benchmarks.rows import Row, at_most, shown

if TYPE_CHECKING:
    from benchmarks.machines.work import Work

LATEST = Path(__file__).parents[1] / "machines.json"
SECONDS, PACE = 600.0, 1.0
START_SECONDS = 90
CALM_SECONDS = 75  # at the end of the faults: no worker waits for another's jobs any more
END_SECONDS = 420
TICK = 0.1


def main() -> int:
    if reason := why_not():
        print(reason)
        return 2
    seconds = float(os.environ.get("MACHINES_SECONDS") or SECONDS)
    seed = int(os.environ.get("MACHINES_SEED") or random.randrange(1_000_000))
    print(f"MACHINES_SEED={seed} MACHINES_SECONDS={seconds:g}", flush=True)
    with tempfile.TemporaryDirectory(prefix="inbound-admin-machines-") as made, Network() as network:
        folder = Path(made)
        folder.chmod(0o755)
        with network.inside(SWITCH):
            rows, fire = burned(network, folder, seconds, seed)
    told = {"seed": seed, "seconds": seconds, "fire": dict(fire.counts()), "rows": [asdict(row) for row in rows]}
    result = Path(os.environ.get("MACHINES_RESULT") or LATEST)
    result.write_text(json.dumps({"machine": machine(), **told}, indent=1) + "\n")
    for row in rows:
        print(f"{'' if row.holds else 'DOES NOT HOLD: '}{row.name}: {row.value:g} {row.unit} {row.note}".rstrip())
    return 0 if all(row.holds for row in rows) else 1


def burned(network: Network, folder: Path, seconds: float, seed: int) -> tuple[list[Row], Fire]:
    pace = float(os.environ.get("MACHINES_PACE") or PACE)
    with Fleet(network, folder, pace) as fleet:
        fleet.wait_for_amazon()
        set_up(fleet)
        from benchmarks.machines.visitors import Visitors
        from benchmarks.machines.work import Work

        work = Work(fleet, Visitors(random.Random(seed + 1)), random.Random(seed + 2), pace)
        work.begin(seconds=seconds)
        fire = Fire(network, fleet, random.Random(seed), seconds)
        for name in (*WORKERS, *WEBS):
            fleet.start(name)
        wait_for_work(fleet, work)
        try:
            rows = list(measured(fleet, work, fire, seconds=seconds, pace=pace))
        finally:
            if kept := os.environ.get("MACHINES_LOGS"):
                keep_logs(folder, Path(kept), fire, work)
    return rows, fire


def keep_logs(folder: Path, kept: Path, fire: Fire, work: "Work") -> None:
    shutil.copytree(folder, kept, ignore=shutil.ignore_patterns("postgres*", "*.pickle*"), dirs_exist_ok=True)
    for name, told in (("events", fire.events), ("wishes", work.wishes)):
        (kept / f"{name}.json").write_text(json.dumps([asdict(each) for each in told], indent=1))


def set_up(fleet: Fleet) -> None:
    """Connect this process to the database directly, and to AWS without a rate limit while nobody else calls."""
    os.environ.update(fleet.environment | {"DATABASE_URL": fleet.server.url, "AWS_CALLS_PER_SECOND": "0"})
    os.environ["DJANGO_SETTINGS_MODULE"] = "inbound_admin.settings"
    django.setup()
    call_command("migrate", verbosity=0)


def wait_for_work(fleet: Fleet, work: "Work") -> None:
    """Wait until web and worker processes have done something."""
    from domains.models.domains import Domain, Stage

    end = time.monotonic() + START_SECONDS
    while work.visitors.counts["201"] == 0 or not Domain.objects.filter(stage=Stage.READY).exists():
        assert time.monotonic() < end, f"nothing is done: {work.visitors.counts} {fleet.tail(WORKERS[0])}"
        work.go_on()
        time.sleep(TICK)


def measured(fleet: Fleet, work: "Work", fire: Fire, *, seconds: float, pace: float) -> Iterator[Row]:
    from django.db import connections

    from benchmarks.machines import findings
    from sandbox.aws.faults import read_calls

    begin = time.time()
    burn(fleet, work, fire, seconds=seconds)
    memory = fleet.megabytes()
    calls = [call for call in read_calls(fleet.calls) if call.at.timestamp() >= begin]
    hasten(fleet, work)
    connections.close_all()
    yield from findings.of_the_pace(calls, pace)
    every = list(read_calls(fleet.calls))
    yield from findings.of_the_urgent(every, work.wishes, fire, pace)
    yield from findings.of_the_clock()
    yield from findings.of_the_domains(work, every)
    yield from findings.of_the_tenants(work)
    yield from findings.of_the_queue()
    yield at_most("calls of the API that were refused", len(work.visitors.refused), "", 0)
    yield shown("calls of the API without an answer, or with an error, repeated", repeated(work), "")
    yield shown("processes that ended without being killed, restarted", fleet.ends.total(), "")
    for kind, names in (("web", WEBS), ("worker", WORKERS)):
        most = max((memory[name] for name in names if name in memory), default=0.0)
        yield shown(f"memory of a {kind} process", most, "MB")


def burn(fleet: Fleet, work: "Work", fire: Fire, *, seconds: float) -> None:
    """Run under faults, then calmly for a while, with the bulk work continuing."""
    for is_burning, length in ((True, seconds), (False, CALM_SECONDS)):
        end = time.monotonic() + length
        while time.monotonic() < end:
            if is_burning:
                fire.go_on()
            fleet.watch()
            work.go_on()
            time.sleep(TICK)
        fire.mend()


def repeated(work: "Work") -> int:
    return sum(number for status, number in work.visitors.counts.items() if not status.startswith("2"))


def hasten(fleet: Fleet, work: "Work") -> None:
    """Finish the bulk work without a rate limit, with workers restarted as an update restarts them."""
    from django.db import connections

    from benchmarks.machines import findings
    from domains.models.domains import Domain, Stage

    fleet.environment["AWS_CALLS_PER_SECOND"] = "0"
    for name in WORKERS:
        if fleet.runs(name):  # else the supervisor starts it
            fleet.end(name)
            fleet.start(name)
    end, ready = time.monotonic() + END_SECONDS, Domain.objects.filter(name__in=work.names, stage=Stage.READY)
    connections.close_all()
    while work.visitors.waiting or ready.count() < len(work.names) or findings.unfinished():
        if time.monotonic() > end:
            return  # what is missing is counted later
        fleet.watch()
        work.visitors.go_on()
        time.sleep(1)


if __name__ == "__main__":
    sys.exit(main())
