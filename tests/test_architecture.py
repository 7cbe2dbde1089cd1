"""Rules that import-linter cannot state: file names, sizes, names, and module structure."""

import ast
import builtins
import re

import pytest

from benchmarks.house import (
    APPS,
    PRODUCT,
    ROOT,
    House,
    Module,
    duplicate_classes,
    gerunds,
    house,
    imports,
    long_functions,
    long_modules,
    modules,
    named,
    short_modules,
)

# The modules that a subject may contain. A large core or gateway is a package of nouns.
IN_A_SUBJECT = set("core gateway selectors services tasks forms views api admin adapters".split())
IN_AN_APP = {*IN_A_SUBJECT, *"apps models urls jobs roles management migrations".split()}
MOST_EDGES = 2855  # internal imports in all
MOST_EDGES_PER_MODULE = 6.75
LONGEST_OF_NINE_IN_TEN = 14  # lines
# A library module does not belong to its first importer.
SHORT_ALONE = {"inbound_admin/lib/api/rate_limit.py"}


@pytest.mark.parametrize("app", APPS)
def test_a_subject_contains_only_the_standard_modules(app: str) -> None:
    """Move any other module into one of them, or change the rule in CONTRIBUTING."""
    strangers = []
    for path in sorted((ROOT / app).iterdir()):
        if path.suffix == ".py" and path.stem not in {*IN_AN_APP, "__init__"}:
            strangers.append(named(path))
        if path.is_dir() and path.name not in {*IN_AN_APP, "__pycache__"}:
            inside = {each.stem for each in path.iterdir() if each.suffix == ".py" or each.is_dir()}
            strangers += [f"{named(path)}/{name}" for name in inside - IN_A_SUBJECT - {"__init__", "__pycache__"}]
    assert strangers == []


EVERYTHING = (*PRODUCT, "sandbox", "receiving", "tests", "benchmarks")


@pytest.fixture(scope="module")
def found() -> House:
    return house()


def test_no_module_is_longer_than_the_limit() -> None:
    assert long_modules(modules(*EVERYTHING)) == []


def test_no_function_is_longer_than_the_limit() -> None:
    assert long_functions(modules(*EVERYTHING)) == []


def test_no_module_is_named_by_a_gerund() -> None:
    assert gerunds(modules(*PRODUCT, "sandbox", "receiving")) == []


def test_public_class_names_are_unique() -> None:
    assert duplicate_classes(modules(*PRODUCT, "receiving")) == []


def test_a_short_module_with_one_importer_is_part_of_it(found: House) -> None:
    assert {each.split()[0] for each in found.short} <= SHORT_ALONE


def test_modules_are_not_coupled_more_and_functions_stay_short(found: House) -> None:
    assert found.edges <= MOST_EDGES
    assert found.edges_per_module <= MOST_EDGES_PER_MODULE
    assert found.p90_function <= LONGEST_OF_NINE_IN_TEN


RAISES = re.compile(r"\bRaises\s+([A-Z]\w+(?:(?:,| and| or)\s+[A-Z]\w+)*)")


def test_an_exception_named_in_a_docstring_exists() -> None:
    names, promised = set(dir(builtins)), set()
    for module in modules(*PRODUCT, "receiving"):
        for node in ast.walk(module.tree):
            match node:
                case ast.ClassDef(name=name) | ast.Attribute(attr=name) | ast.alias(name=name):
                    names.add(name)
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                found = RAISES.findall(ast.get_docstring(node) or "")
                promised |= {(name, named(module.path)) for some in found for name in re.findall(r"[A-Z]\w+", some)}
    assert len(promised) > 50
    assert {each for each in promised if each[0] not in names} == set()


def test_a_row_is_locked_by_a_function_that_refuses_what_was_deleted_meanwhile() -> None:
    """`.get()` of a row that another transaction deletes raises DoesNotExist, which is no refusal that a page shows."""
    gets = {
        f"{module.name}:{node.lineno}"
        for module in modules(*PRODUCT)
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "get"
        for inner in ast.walk(node.func.value)
        if isinstance(inner, ast.Attribute) and inner.attr == "select_for_update"
    }
    assert gets == set()


def test_modules_that_exceed_a_limit_are_reported() -> None:
    """The measurements themselves, on a package that exceeds each limit."""
    tall = "def tall():\n" + "    x = 1\n" * 31
    made = [
        module_of("waiting.py", "class Row:\n    pass\n" + "#\n" * 400),
        module_of("rows.py", f"import waiting\n{tall}class Row:\n    pass\n"),
    ]
    assert [each.split()[1] for each in long_modules(made)] == ["402"]
    assert [each.split()[1:] for each in long_functions(made)] == [["tall", "31"]]
    assert len(gerunds(made)) == len(duplicate_classes(made)) == 1
    assert imports(made)["rows"] == {"waiting"}
    assert short_modules(made) == []


def module_of(name: str, text: str) -> Module:
    return Module(ROOT / name, name.removesuffix(".py"), text, ast.parse(text))
