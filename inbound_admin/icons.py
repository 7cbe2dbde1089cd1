"""Builds `static/build/icons.svg`, one file with all icons. Pages refer to it, since a list shows 150 icons."""

import re
import zipfile
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.resources import files
from pathlib import Path
from xml.etree import ElementTree  # parses only files of a pinned package  # nosec B405

from django.conf import settings

SPRITE = "build/icons.svg"
_STYLES = ("micro", "mini", "outline")
_NAME = re.compile(r"[\"'>]([a-z][a-z0-9-]+)[\"'<]")
_ID = re.compile(r'<symbol id="([a-z0-9-]+)"')
_SVG = "http://www.w3.org/2000/svg"


def build(root: Path, sources: Iterable[Path]) -> None:
    """Write the file with every icon that a source may name. A name that isn't an icon's only makes the file larger."""
    named = {name for path in sources for name in _NAME.findall(path.read_text(errors="replace"))}
    symbols = "\n".join(sorted(_symbols(named)))
    built = root / "static" / SPRITE
    built.parent.mkdir(parents=True, exist_ok=True)
    built.write_text(f'<svg xmlns="{_SVG}">\n{symbols}\n</svg>\n')


def _symbols(named: set[str]) -> Iterator[str]:
    ElementTree.register_namespace("", _SVG)
    with (files("heroicons") / "heroicons.zip").open("rb") as file, zipfile.ZipFile(file) as icons:
        for path in map(Path, icons.namelist()):
            if path.suffix == ".svg" and path.parent.name in _STYLES and path.stem in named:
                yield _symbol(f"{path.parent.name}-{path.stem}", icons.read(str(path)).decode())


def _symbol(name: str, text: str) -> str:
    svg = ElementTree.fromstring(text)  # noqa: S314  # of a package that is pinned with its hash  # nosec B314
    symbol = ElementTree.Element(f"{{{_SVG}}}symbol", {"id": name, "viewBox": svg.attrib["viewBox"]})
    symbol.attrib |= {key: svg.attrib[key] for key in ("fill", "stroke", "stroke-width") if key in svg.attrib}
    symbol.extend(list(svg))
    made = ElementTree.tostring(symbol, encoding="unicode").replace(f' xmlns="{_SVG}"', "")
    return re.sub(r"\s*\n\s*", "", made)


@cache
def names() -> frozenset[str]:
    """Return the names in the built file; none if it wasn't built, and then pages contain the icons themselves."""
    built = Path(settings.BASE_DIR) / "static" / SPRITE
    return frozenset(_ID.findall(built.read_text())) if built.exists() else frozenset()
