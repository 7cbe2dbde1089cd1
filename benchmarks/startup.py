"""Measures `make run` on a copy of the tree until it is ready: first without data, then again.

The packages are already installed, since installing measures the network. The first start creates the database,
migrates, builds the style sheet and seeds the demo; the second finds all of it.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from benchmarks.rows import Row, at_most, shown
from sandbox.local import ports, tied

# Parts of the command line.
PARTS = {"web": "gunicorn", "worker": "manage.py worker", "sandbox": "manage.py sandbox", "PostgreSQL": "postgres"}
ROOT = Path(__file__).resolve().parents[1]
COLD_SECONDS, WARM_SECONDS, STOP_SECONDS = 30, 10, 10
_GIVE_UP_SECONDS = 120
_NOT_COPIED = (".git", ".venv", ".local", ".env", "build", "staticfiles", "__pycache__", ".*_cache", "test-results")
_OURS_TO_SAY = (
    "DJANGO_SETTINGS_MODULE",
    "DATABASE_URL",
    "AWS_ENDPOINT_URL",
    "DNS_RESOLVERS",
    "DEBUG",
    "HOST",
    "SECRET_KEY",
)


def rows() -> list[Row]:
    """Return seconds from the command to readiness, and from SIGTERM to the end; memory of each part."""
    with tempfile.TemporaryDirectory(prefix="inbound-admin-bench-") as folder:
        copy = Path(folder) / "tree"
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*_NOT_COPIED))
        Path(folder).chmod(0o755)
        cold, _, _ = _start_and_stop(copy)
        warm, stopped, megabytes = _start_and_stop(copy)
    return [
        at_most("first start, packages installed, no data", cold, "s", COLD_SECONDS),
        at_most("second start, data kept", warm, "s", WARM_SECONDS),
        at_most("stop", stopped, "s", STOP_SECONDS),
        *(shown(f"memory once started: {part}", round(size, 1), "MB") for part, size in megabytes.items()),
    ]


def _start_and_stop(tree: Path) -> tuple[float, float, dict[str, float]]:
    with _runner(tree) as process:
        began = time.monotonic()
        _wait_until_ready(process, give_up=began + _GIVE_UP_SECONDS)
        took, megabytes = time.monotonic() - began, _megabytes(process.pid)
        stops = time.monotonic()
        process.terminate()
        process.communicate()
        return took, time.monotonic() - stops, megabytes


def _megabytes(pid: int) -> dict[str, float]:
    """Return each running part's memory. Shared memory counts in parts."""
    found: dict[str, float] = {}
    for process in psutil.Process(pid).children(recursive=True):
        command = " ".join(process.cmdline())
        part = next((name for name, mark in PARTS.items() if mark in command), "")
        if part:
            found[part] = found.get(part, 0.0) + process.memory_full_info().pss / 1e6
    return found


@contextmanager
def _runner(tree: Path) -> Iterator["subprocess.Popen[str]"]:
    kept = {name: value for name, value in os.environ.items() if name not in _OURS_TO_SAY}
    process = subprocess.Popen(
        [sys.executable, "-m", "sandbox.local", "run"],
        cwd=tree,
        env=kept | {"SANDBOX": "1", "PORT": str(ports.next_free(8600)), "PYTHONPATH": str(tree)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=tied.to_starter(signal.SIGTERM),  # noqa: PLW1509  # it takes no lock: see there
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            process.communicate()


def _wait_until_ready(process: "subprocess.Popen[str]", *, give_up: float) -> None:
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith("Inbound Admin is ready"):
            return
        if "Not all is well" in line or time.monotonic() > give_up:
            break
    raise RuntimeError("`make run` did not get ready. It said: " + "".join(lines[-8:]))
