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


def test_a_missing_style_sheet_is_built_with_the_classes_of_the_templates(tree: Path) -> None:
    assert css.build_if_stale(tree)
    assert ".p-4" in (tree / "static" / "build" / "site.css").read_text()


def test_an_up_to_date_style_sheet_is_not_rebuilt(tree: Path) -> None:
    css.build(tree)
    assert not css.build_if_stale(tree)


def test_a_newer_template_causes_a_rebuild(tree: Path) -> None:
    css.build(tree)
    before = (tree / "static" / "build" / "site.css").stat().st_mtime
    os.utime(tree / "templates" / "domains" / "list.html", (before + 1, before + 1))
    assert css.build_if_stale(tree)


def test_an_invalid_style_sheet_raises_tailwinds_error(tree: Path) -> None:
    (tree / css.SOURCE).write_text("@import 'no-such-sheet';")
    with pytest.raises(Problem, match=r"(?s)Couldn't build the style sheet .*no-such-sheet"):
        css.build(tree)
