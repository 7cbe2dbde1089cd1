"""Icons are in one file to which pages refer, and look as in the package."""

import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from django.template import Context, Template
from heroicons.templatetags import heroicons

from inbound_admin import icons
from inbound_admin.templatetags.icons import _icon

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def sprite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    source = tmp_path / "page.html"
    source.write_text('<c-button icon="clock">{% heroicon_outline "bell" %}')
    icons.build(tmp_path, [source])
    text = (tmp_path / "static" / icons.SPRITE).read_text()
    monkeypatch.setattr(icons, "names", lambda: frozenset(icons._ID.findall(text)))
    _icon.cache_clear()
    yield tmp_path / "static" / icons.SPRITE
    _icon.cache_clear()


@pytest.mark.parametrize("name", ["micro-clock", "mini-clock", "outline-bell"])
def test_the_file_has_each_icon_with_the_packages_own_paths(sprite: Path, name: str) -> None:
    style, _, icon = name.partition("-")
    symbol = next(each for each in ElementTree.parse(sprite).getroot() if each.get("id") == name)  # noqa: S314  # our own
    drawn = ElementTree.fromstring(getattr(heroicons, f"heroicon_{style}")(icon))  # noqa: S314  # the package is pinned
    assert symbol.get("viewBox") == drawn.get("viewBox")
    assert [each.attrib for each in symbol] == [each.attrib for each in drawn]
    for key in ("fill", "stroke", "stroke-width"):
        assert symbol.get(key) == drawn.get(key)


def test_a_page_refers_to_the_file_and_keeps_size_and_classes(sprite: Path) -> None:
    shown = Template('{% heroicon_micro "clock" size=14 class="shrink-0" %}').render(Context())
    assert re.search(r'<use href="[^"]*icons[^"]*\.svg#micro-clock">', shown)
    assert 'width="14" height="14" class="shrink-0"' in shown
    assert 'viewBox="0 0 16 16"' in shown


def test_an_icon_missing_from_the_file_is_inlined(sprite: Path) -> None:
    assert Template('{% heroicon_micro "trash" %}').render(Context()) == heroicons.heroicon_micro("trash")


def test_a_class_is_escaped(sprite: Path) -> None:
    shown = Template('{% heroicon_micro "clock" class=given %}').render(Context({"given": '"><script>'}))
    assert "<script>" not in shown
