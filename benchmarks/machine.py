"""The machine that something was measured on, so that a figure can be read."""

import os
import platform
from datetime import UTC, datetime
from pathlib import Path


def machine() -> dict[str, str]:
    """`load` is of the last five minutes: with more than there are processors, other work ran beside it."""
    return {
        "measured": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "processor": f"{os.cpu_count()} × {_of('/proc/cpuinfo', 'model name')}",
        "memory": _of("/proc/meminfo", "MemTotal"),
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        "load": f"{os.getloadavg()[1]:.1f}",
    }


def _of(path: str, key: str) -> str:
    """The value of a line `key : value` of such a file of Linux; elsewhere it is not known."""
    text = Path(path).read_text() if Path(path).exists() else ""
    found = (line.partition(":")[2].strip() for line in text.splitlines() if line.startswith(key))
    return next(found, "unknown")
