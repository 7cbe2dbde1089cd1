"""Tables of rows have no duplicate keys."""

import ast
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from inbound_admin.lib.tables import keyed, read_rows

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = sorted(path.parent for path in ROOT.glob("*/__init__.py") if path.parent.name != "tests")
TWICE_IN_A_DICT = 'WORDS = {State.ON: "on", State.OFF: "off", State.ON: "running"}'
TWICE_IN_A_TUPLE = 'KINDS = (Kind("rates", "high"), Kind("drift", "other"), Kind("rates", "higher"))'
OVERWRITTEN = "KINDS = {kind.name: kind for kind in _KINDS}"


def sources() -> Iterator[tuple[str, str]]:
    for package in PACKAGES:
        for path in sorted(package.rglob("*.py")):
            if "migrations" not in path.parts:
                yield str(path.relative_to(ROOT)), path.read_text()


def duplicate_keys(source: str) -> Iterator[str]:
    """Yield duplicate keys of dicts, rows of one class with the same key, and dicts that could hide duplicates."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        keys = Counter(_keys(node))
        yield from (f"line {node.lineno}: {key} twice" for key, times in keys.items() if times > 1)  # type: ignore[attr-defined]
    for made in _dicts_of_a_module(tree):
        if isinstance(made.key, ast.Attribute | ast.Call) or len(made.generators) > 1:
            yield f"line {made.lineno}: build this table with keyed()"


def _keys(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Dict):
        yield from (ast.unparse(key) for key in node.keys if key)
    if isinstance(node, ast.Tuple | ast.List | ast.Set):
        yield from filter(None, map(_key_of_row, node.elts))


def _key_of_row(row: ast.expr) -> str:
    """Return a row's key, such as `Kind("rates"`: the first string of a row that is an object of a class."""
    if not isinstance(row, ast.Call) or not ast.unparse(row.func).rpartition(".")[2][:1].isupper():
        return ""
    named = [word.value for word in row.keywords if word.arg in ("key", "name", "code")]
    words = [each for each in (*row.args[:1], *named[:1]) if isinstance(each, ast.Constant)]
    return f"{ast.unparse(row.func)}({ast.unparse(words[0])}" if words else ""


def _dicts_of_a_module(tree: ast.Module) -> Iterator[ast.DictComp]:
    for statement in tree.body:
        if isinstance(statement, ast.Assign | ast.AnnAssign) and isinstance(statement.value, ast.DictComp):
            yield statement.value


@pytest.mark.parametrize("source", [TWICE_IN_A_DICT, TWICE_IN_A_TUPLE, OVERWRITTEN])
def test_duplicate_keys_are_found(source: str) -> None:
    assert list(duplicate_keys(source))


def test_no_table_has_a_duplicate_key() -> None:
    found = [f"{path} {each}" for path, source in sources() for each in duplicate_keys(source)]
    assert not found, "\n".join(found)


def test_a_keyed_table_keeps_its_order_and_refuses_a_duplicate_key() -> None:
    assert list(keyed([("b", 1), ("a", 2)]).items()) == [("b", 1), ("a", 2)]
    with pytest.raises(ValueError, match="'a' appears twice"):
        keyed([("a", 1), ("b", 2), ("a", 1)])


@dataclass(frozen=True)
class Fruit:
    key: str
    name: str
    parts: tuple[str, ...] = ()
    sweet: bool = False


def fruits(folder: Path, text: str) -> dict[str, Fruit]:
    path = folder / "fruit.toml"
    path.write_text(text)
    return read_rows(path, Fruit)


def test_a_file_of_rows_is_read_in_order_with_defaults(tmp_path: Path) -> None:
    found = fruits(tmp_path, '[pear]\nname = "Pear"\nparts = ["core"]\n["a.b"]\nname = "Apple"\nsweet = true\n')
    assert list(found.values()) == [Fruit("pear", "Pear", ("core",)), Fruit("a.b", "Apple", (), sweet=True)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[pear]\nname = "Pear"\n[pear]\n', "^fruit.toml: "),
        ("[pear]\n", r"^fruit.toml, \[pear\]: (.|\n)*name"),
        ('[pear]\nname = "Pear"\nnmae = "x"', r"^fruit.toml, \[pear\]: there is no field nmae"),
        ('[pear]\nname = "Pear"\nsweet = "yes"', r"^fruit.toml, \[pear\]: (.|\n)*sweet"),
        ('[pear]\nname = "Pear"\nparts = "core"', r"^fruit.toml, \[pear\]: (.|\n)*parts"),
        ('[pear]\nkey = "apple"\nname = "Pear"', r"^fruit.toml, \[pear\]: there is no field key"),
        ('pear = "Pear"', "^fruit.toml: "),
    ],
)
def test_an_error_in_a_file_names_its_row(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fruits(tmp_path, text)


def test_every_file_of_rows_is_read_by_a_module_of_its_folder() -> None:
    files = [path for package in PACKAGES for path in package.rglob("*.toml")]
    assert len(files) >= 5
    unread = [path for path in files if not any(path.name in near.read_text() for near in path.parent.glob("*.py"))]
    assert unread == []
