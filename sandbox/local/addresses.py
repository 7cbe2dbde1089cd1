"""Where the sandbox of the run under way listens, kept in a file for the commands that are to reach it."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

NAMES = ("AWS_ENDPOINT_URL", "DNS_RESOLVERS")


@contextmanager
def kept(local: Path, environment: Mapping[str, str]) -> Iterator[None]:
    """The file is there inside; a run that was killed leaves it, so whoever reads it asks whether anybody answers."""
    file = _file(local)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({name: environment[name] for name in NAMES}))
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def read(local: Path) -> dict[str, str]:
    """The settings that lead to the sandbox; empty when no run has left any."""
    try:
        found = json.loads(_file(local).read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return {name: str(found[name]) for name in NAMES if name in found}


def _file(local: Path) -> Path:
    return local / "sandbox-addresses.json"
