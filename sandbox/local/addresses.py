"""The addresses of the running sandbox and site, kept in a file for other commands."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

NAMES = ("AWS_ENDPOINT_URL", "DNS_RESOLVERS", "SITE_URL")


@contextmanager
def kept(local: Path, environment: Mapping[str, str]) -> Iterator[None]:
    """Keep the file while inside. A killed run leaves it, so readers check whether the sandbox answers."""
    file = _file(local)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({name: environment[name] for name in NAMES if name in environment}))
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def read(local: Path) -> dict[str, str]:
    """Return the settings of the sandbox; empty if no run left any."""
    try:
        found = json.loads(_file(local).read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return {name: str(found[name]) for name in NAMES if name in found}


def _file(local: Path) -> Path:
    return local / "sandbox-addresses.json"
