"""A PostgreSQL for tests: no fsync, in memory if possible, removed at the end."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from inbound_admin.lib.errors import Problem
from sandbox.local import one_starter, programs
from sandbox.local.postgres import EmbeddedPostgres

_PREFIX = "inbound-admin-test-"
_ROOM_BYTES = 1 << 30


@contextmanager
def postgres(parent: Path | None = None) -> Iterator[EmbeddedPostgres]:
    """Yield a new, empty server. First removes what killed starters left in `parent`."""
    parent = _reachable(parent or _roomy())
    _clear_left_over(parent)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
    folder.chmod(0o711)
    try:
        with EmbeddedPostgres(folder / "data", fsync=False) as server:
            yield server
    finally:
        # Another starter's clearing may be at it already: the lock is free by now.
        shutil.rmtree(folder, ignore_errors=True)


def _roomy() -> Path:
    memory = Path("/dev/shm")  # noqa: S108  # the folder in it gets a name that nobody can guess  # nosec B108
    if os.access(memory, os.W_OK) and shutil.disk_usage(memory).free >= _ROOM_BYTES:
        return memory
    return Path(tempfile.gettempdir())


def _reachable(parent: Path) -> Path:
    """Return where folder and data stay together, so both are removed."""
    reachable = programs.placed(parent / "data", programs.account()).parent
    programs.make_reachable(reachable)
    return reachable


def _clear_left_over(parent: Path) -> None:
    for folder in parent.glob(_PREFIX + "*"):
        try:
            _clear(folder)
        except (FileNotFoundError, Problem):
            continue  # its starter lives, or has just removed it


def _clear(folder: Path) -> None:
    """A folder without a lock file is still being made."""
    data = folder / "data"
    if folder.stat().st_uid != os.geteuid() or not data.with_name("data.lock").exists():
        return
    lock = one_starter.lock(data)
    one_starter.end_orphan(data)
    shutil.rmtree(folder, ignore_errors=True)
    os.close(lock)
