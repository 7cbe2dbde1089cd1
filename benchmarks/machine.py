"""Describes the machine of a measurement."""

import os
import platform
from datetime import UTC, datetime
from pathlib import Path


def machine() -> dict[str, str]:
    """Return its description. `load`: five-minute average; above the number of processors, other work was running."""
    return {
        "measured": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "processor": f"{os.cpu_count()} × {_of('/proc/cpuinfo', 'model name')}",
        "memory": _of("/proc/meminfo", "MemTotal"),
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        "load": f"{os.getloadavg()[1]:.1f}",
    }


def _of(path: str, key: str) -> str:
    """Return the value of a line `key : value` of a Linux file; unknown on other systems."""
    text = Path(path).read_text() if Path(path).exists() else ""
    found = (line.partition(":")[2].strip() for line in text.splitlines() if line.startswith(key))
    return next(found, "unknown")
