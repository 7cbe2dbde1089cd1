"""When the style sheet is built."""

import os
from pathlib import Path

import pytest

from inbound_admin import css
from inbound_admin.lib.errors import Problem


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "static").mkdir()
    (tmp_path / "templates" / "domains").mkdir(parents=True)
    source = tmp_path / css.SOURCE
    source.parent.mkdir(parents=True)
    source.write_text('@import "tailwindcss" source("../../templates");')
    (tmp_path / "templates" / "domains" / "list.html").write_text('<p class="p-4"></p>')
    return tmp_path


def test_it_is_built_when_missing_and_holds_what_the_templates_use(tree: Path) -> None:
    assert css.build_if_stale(tree)
    assert ".p-4" in (tree / "static" / "build" / "site.css").read_text()


def test_it_is_left_alone_when_nothing_is_newer(tree: Path) -> None:
    css.build(tree)
    assert not css.build_if_stale(tree)


def test_a_newer_template_builds_it_once_more(tree: Path) -> None:
    css.build(tree)
    before = (tree / "static" / "build" / "site.css").stat().st_mtime
    os.utime(tree / "templates" / "domains" / "list.html", (before + 1, before + 1))
    assert css.build_if_stale(tree)


def test_a_style_sheet_that_is_wrong_says_what_tailwind_said(tree: Path) -> None:
    (tree / css.SOURCE).write_text("@import 'no-such-sheet';")
    with pytest.raises(Problem, match=r"(?s)Couldn't build the style sheet .*no-such-sheet"):
        css.build(tree)
