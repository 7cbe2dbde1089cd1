"""docs/amazon-facts.md, row by row: the named code exists, and each doubt is tested both ways by a test named
there.
"""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from sandbox.aws.limits import CHOICES

ROOT = Path(__file__).resolve().parents[1]
NAMED = re.compile(r"`([A-Za-z_][\w.]*)`(?: and `([A-Za-z_]\w*)`)? in `([\w/]+\.(?:py|toml))`")
PATH = re.compile(r"`((?:[a-z_]+/)+[\w]+\.(?:py|toml))`")
TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
BELIEF = re.compile(r"set_beliefs\((\w+)=")
SETTING = re.compile(r"`([A-Z][A-Z_]+)`")


def rows() -> list[list[str]]:
    lines = (ROOT / "docs" / "amazon-facts.md").read_text().splitlines()
    table = [line for line in lines if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table[1:]]


ROWS = rows()


@cache
def names_in(path: str) -> frozenset[str]:
    """Return all names defined or assigned in a module, including members of its classes."""
    found: set[str] = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
    return frozenset(found)


def test_the_table_has_rows() -> None:
    assert len(ROWS) > 20


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0][:50])
def test_a_row_has_its_fact_source_place_and_test(row: list[str]) -> None:
    fact, source, place, held_by = row
    assert all((fact, source, place, held_by))
    assert PATH.search(place) or SETTING.search(place)
    for path in PATH.findall(place):
        assert (ROOT / path).exists(), path
    for name, other, path in NAMED.findall(place):
        wanted = {part for part in (name, other) if part}
        assert path.endswith(".toml") or wanted <= names_in(path), (wanted, path)
    tests = TEST.findall(held_by)
    assert tests
    for path, name in tests:
        assert name in names_in(path), f"{path} has no {name}"


@pytest.mark.parametrize("row", [row for row in ROWS if BELIEF.search(" ".join(row))], ids=lambda row: row[0][:50])
def test_a_doubt_is_tested_both_ways_by_the_tests_of_its_row(row: list[str]) -> None:
    (belief,) = set(BELIEF.findall(" ".join(row)))
    text = "\n".join(source_of(path, name) for path, name in TEST.findall(row[3]))
    assert f"{belief}=" in text
    for choice in CHOICES[belief]:
        assert f'"{choice}"' in text, f"no named test plays {belief}={choice!r}"


def source_of(path: str, name: str) -> str:
    """Return a test with its decorators, and its module's fixtures and constants, which may set the belief."""
    text = (ROOT / path).read_text()
    found = [
        ast.get_source_segment(text, part) or ""
        for node in ast.parse(text).body
        if isinstance(node, ast.FunctionDef) and (node.name == name or not node.name.startswith("test_"))
        for part in (*node.decorator_list, node)
    ]
    constants = [ast.get_source_segment(text, n) or "" for n in ast.parse(text).body if isinstance(n, ast.Assign)]
    return "\n".join([*constants, *found])


def test_every_doubt_has_a_row() -> None:
    documented = {belief for row in ROWS for belief in BELIEF.findall(" ".join(row))}
    assert documented == set(CHOICES)
