"""The disk of the sweep's database: a file system in memory. Shrinking it to its current content makes it full.

Needs root on Linux; elsewhere this fault is skipped.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.db import connection
from django.test import Client

ROOM = "4g"  # far more than the sweep writes; only what is written takes memory
LOOKS = 5
_mounted: list[Path] = []


@contextmanager
def own() -> Iterator[Path | None]:
    """Return the folder for the database's data; None if nothing can be mounted."""
    folder = Path(tempfile.mkdtemp(prefix="inbound-admin-disk-"))
    folder.chmod(0o711)
    if os.geteuid() != 0 or not _mount(folder, f"size={ROOM},mode=0711", "-t", "tmpfs", "tmpfs"):
        folder.rmdir()
        yield None
        return
    _mounted.append(folder)
    try:
        yield folder
    finally:
        _mounted.remove(folder)
        subprocess.run(["umount", str(folder)], check=True)  # noqa: S607
        folder.rmdir()


def is_own() -> bool:
    return bool(_mounted)


def fill() -> None:
    """Fill the disk. Starts a new segment of the write-ahead log first: without room for one, the server would end."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_switch_wal()")
        cursor.execute("CHECKPOINT")
    _shrink()


def _shrink() -> None:
    used = shutil.disk_usage(_mounted[-1]).used
    assert _mount(_mounted[-1], f"remount,size={used}")


def free() -> None:
    assert _mount(_mounted[-1], f"remount,size={ROOM}")


def is_told() -> bool:
    """Return whether `/readyz`, which load balancers ask, reports it. It writes to the database to find out."""
    return any(_is_told_now() for _ in range(LOOKS))


def _is_told_now() -> bool:
    from inbound_admin import health

    _shrink()
    health._written.at = float("-inf")
    answer = Client().get("/readyz")
    health._written.at = float("-inf")
    return answer.status_code == 503 and answer.json()["database"] == "the disk of the database is full"


def _mount(folder: Path, options: str, *what: str) -> bool:
    command = ["mount", "-o", options, *what, str(folder)]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0
