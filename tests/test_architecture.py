"""The rules of the house that import-linter cannot state: file names, sizes, names, and whose rows a module queries."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
APPS = ("audit", "accounts", "notifications", "tenants", "domains", "receipt_rules", "operations", "public_api")
PRODUCT = (*APPS, "inbound_admin")

# What a subject may hold. A large core or gateway is a package of nouns.
IN_A_SUBJECT = set("core gateway selectors services tasks forms views api admin adapters".split())
IN_AN_APP = {*IN_A_SUBJECT, *"apps models urls jobs roles management migrations".split()}
LONGEST_MODULE = 400
LONGEST_FUNCTION = 30
# Words that end in -ing and are nouns of our subjects, or of Django's.
NOUNS = set("checking sharing matching packing receiving routing settings forwarding".split())


def modules(*roots: str) -> Iterator[Path]:
    for root in roots:
        for path in sorted((ROOT / root).rglob("*.py")):
            if "migrations" not in path.parts:
                yield path


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("app", APPS)
def test_a_subject_holds_the_standard_files_alone(app: str) -> None:
    """A module that fits none has no place yet: give it one, or name the rule anew in CONTRIBUTING."""
    strangers = []
    for path in sorted((ROOT / app).iterdir()):
        if path.suffix == ".py" and path.stem not in {*IN_AN_APP, "__init__"}:
            strangers.append(named(path))
        if path.is_dir() and path.name not in {*IN_AN_APP, "__pycache__"}:
            inside = {each.stem for each in path.iterdir() if each.suffix == ".py" or each.is_dir()}
            strangers += [f"{named(path)}/{name}" for name in inside - IN_A_SUBJECT - {"__init__", "__pycache__"}]
    assert strangers == []


def test_no_module_is_longer_than_a_person_reads() -> None:
    long = {
        named(path): lines
        for path in modules(*PRODUCT, "sandbox", "receiving")
        if (lines := _lines(path)) > LONGEST_MODULE
    }
    assert long == {}


def test_no_function_is_longer_than_a_screen() -> None:
    long = [
        f"{named(path)}:{node.lineno} {node.name}"
        for path in modules(*PRODUCT, "sandbox", "receiving")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and _length(node) > LONGEST_FUNCTION
    ]
    assert long == []


def test_no_module_is_named_by_a_gerund() -> None:
    gerunds = [
        named(path)
        for path in modules(*PRODUCT, "sandbox", "receiving")
        if "commands" not in path.parts  # a command is named for what one types
        for part in path.relative_to(ROOT).with_suffix("").parts
        if part.endswith("ing") and part not in NOUNS
    ]
    assert gerunds == []


def test_no_two_public_classes_have_one_name() -> None:
    places = defaultdict(list)
    for path in modules(*PRODUCT, "receiving"):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(named(path))
    assert {name: at for name, at in places.items() if len(at) > 1 and name != "Command"} == {}


def _lines(path: Path) -> int:
    return path.read_text().count("\n")


def _length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Of its statements: a signature and a docstring cost no thought."""
    first = node.body[1] if ast.get_docstring(node) and len(node.body) > 1 else node.body[0]
    return (node.end_lineno or first.lineno) - first.lineno + 1
