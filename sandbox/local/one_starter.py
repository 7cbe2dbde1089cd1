"""One starter for each data folder.

A starter holds a lock next to the data as long as it lives. So the holder knows that a server still running there is an
orphan, and that a `postmaster.pid` without such a server is left over.
"""

import fcntl
import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import psutil

from inbound_admin.lib.errors import Problem

_STOP_SECONDS = 20


def lock(data_dir: Path) -> int:
    """Return the lock's file descriptor. Closing it, or dying, releases it. Raises Problem if it is held."""
    path = data_dir.with_name(data_dir.name + ".lock")
    held = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(held, 20).decode() or "unknown"
        os.close(held)
        raise Problem(
            f"Another run (process {holder}) already uses the database in {data_dir}. "
            "Stop it first, or set DATABASE_URL to another database."
        ) from None
    os.ftruncate(held, 0)
    os.pwrite(held, str(os.getpid()).encode(), 0)
    return held


def end_orphan(data_dir: Path) -> None:
    """End a server whose starter is gone, or remove its `postmaster.pid`. Call it with the lock held."""
    pid_file = data_dir / "postmaster.pid"
    try:
        pid = int(pid_file.read_text().split("\n")[0])
    except (FileNotFoundError, ValueError):
        pid = 0
    server = _server_of(data_dir, pid)
    if server is None:
        pid_file.unlink(missing_ok=True)
    else:
        end(server)


def end(server: "subprocess.Popen[bytes] | psutil.Process") -> None:
    """Shut down fast (sessions end, a checkpoint is written), then harder if that fails."""
    for stop_signal in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        with suppress(psutil.NoSuchProcess):
            server.send_signal(stop_signal)
        with suppress(subprocess.TimeoutExpired, psutil.TimeoutExpired):
            server.wait(timeout=_STOP_SECONDS)
            return


def _server_of(data_dir: Path, pid: int) -> psutil.Process | None:
    """Return the process if it is a PostgreSQL on this folder: process IDs are reused, above all in containers."""
    try:
        process = psutil.Process(pid)
        return process if Path(process.cwd()) == data_dir and process.name() == "postgres" else None
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return None
