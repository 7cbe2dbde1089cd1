"""`make faults`: runs the sweep over all workflows, or those named. Exits with 1 if an outcome isn't "converged".

Prints a table and writes `benchmarks/faults.json`. New outcomes replace those of the same workflow and fault in the
file; `--missing` runs only those that the file lacks.
"""

import json
import logging
import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import django

from benchmarks.machine import machine
from sandbox.local import throw_away

if TYPE_CHECKING:
    from benchmarks.faults.sweep import Outcome, Sweep

LATEST = Path(__file__).parents[1] / "faults.json"
MISSING = "--missing"


def main() -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "inbound_admin.settings")
    os.environ["SANDBOX"] = "1"
    from benchmarks.faults import disk

    with disk.own() as folder, throw_away.postgres(folder) as server:
        os.environ["DATABASE_URL"] = server.url
        django.setup()
        logging.disable(logging.ERROR)  # the product logs each fault a thousand times
        with sweeping() as sweep:
            made = kept(swept(sweep, sys.argv[1:]))
    print(as_table(made))
    return 0 if not any(each["else_"] for each in made) else 1


@contextmanager
def sweeping() -> "Iterator[Sweep]":
    """Yield a sweep with a separate database and sandbox."""
    from django.test import override_settings

    from benchmarks import database
    from benchmarks.aws_calls import pointed_at
    from benchmarks.faults.sweep import Sweep
    from benchmarks.faults.workflows import Place
    from sandbox.process import Sandbox
    from tests.notifications.factories import run_receiver

    quick = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    quiet = override_settings(ALLOWED_HOSTS=["testserver"], PASSWORD_HASHERS=quick, DNS_TIMEOUT_SECONDS=0.3)
    with database.fresh(), Sandbox() as sandbox, pointed_at(sandbox), run_receiver() as receiver, quiet:
        yield Sweep(Place(sandbox, receiver))


def swept(sweep: "Sweep", names: list[str]) -> "Iterator[Outcome]":
    """Yield and print each outcome as it comes."""
    from benchmarks.faults import disk
    from benchmarks.faults.kinds import DISK_FULL, KINDS
    from benchmarks.faults.resolvers import LIES
    from benchmarks.faults.stories import WORKFLOWS

    wanted = [name for name in names if name != MISSING]
    there = set(known()) if MISSING in names else set()
    for workflow in WORKFLOWS:
        if not wanted or any(name in workflow.name for name in wanted):
            for kind in KINDS:
                if (workflow.name, kind.name) not in there and (kind.name != DISK_FULL or disk.is_own()):
                    yield _printed(sweep.outcome, workflow, kind)
            for name, lie in LIES.items():
                if workflow.asks_dns and (workflow.name, name) not in there:
                    yield _printed(sweep.outcome_with_resolver, workflow, name, lie)


def _printed(run: object, *given: object) -> "Outcome":
    began = time.monotonic()
    made: Outcome = run(*given)  # type: ignore[operator]  # one of the sweep's two
    took = time.monotonic() - began
    print(f"{made.workflow}, {made.fault}: {made.word}, {made.calls} calls, {took:.1f} s", file=sys.stderr, flush=True)
    for each in made.else_:
        print("   ", each, file=sys.stderr, flush=True)
    return made


def kept(outcomes: "Iterable[Outcome]") -> list[dict[str, object]]:
    """Add each new outcome to the file as it comes, so an interrupted sweep has results. Returns all."""
    found = known()
    for made in outcomes:
        found[made.workflow, made.fault] = asdict(made)
        LATEST.write_text(json.dumps({"machine": machine(), "outcomes": list(found.values())}, indent=1) + "\n")
    return list(found.values())


def known() -> dict[tuple[str, str], dict[str, object]]:
    """Return the file's outcomes by workflow and fault."""
    outcomes = json.loads(LATEST.read_text())["outcomes"] if LATEST.exists() else []
    return {(each["workflow"], each["fault"]): each for each in outcomes}


def as_table(outcomes: Iterable[dict[str, object]]) -> str:
    """Return one Markdown line for each workflow and fault, and below what didn't converge."""
    lines = ["| Workflow | Fault | At how many calls | Outcome |", "|---|---|---|---|"]
    for each in outcomes:
        wrong = list(each["else_"])  # type: ignore[call-overload]  # a list of sentences
        result = "converged" if not wrong else f"{len(wrong)} did not: {str(wrong[0]).replace('|', ' ')[:120]}"
        lines.append(f"| {each['workflow']} | {each['fault']} | {each['calls']} | {result} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
