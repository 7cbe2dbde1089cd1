"""No visible text contains a word that docs/glossary.md replaces."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
APPS = (
    "accounts",
    "audit",
    "domains",
    "inbound_admin",
    "notifications",
    "operations",
    "public_api",
    "receipt_rules",
    "receiving",
    "sandbox",
    "tenants",
)
TEMPLATES = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "templates").rglob("*.*"))
MODULES = sorted(
    str(path.relative_to(ROOT))
    for app in APPS
    for path in (ROOT / app).rglob("*")
    if path.suffix in (".py", ".toml") and "migrations" not in path.parts
)
DOCS = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").glob("*.md") if path.name != "glossary.md")

COMMENT = re.compile(r"\{#.*?#\}|\{% comment.*?endcomment %\}|<!--.*?-->", re.DOTALL)
TAG = re.compile(r"\{%.*?%\}|\{\{.*?\}\}", re.DOTALL)
QUOTED = re.compile(r'"([^"]* [^"]*)"' + r"|'([^']* [^']*)'")
ATTRIBUTE = re.compile(r'\b(?:title|aria-label|placeholder|alt|label|content|help|text|hint|heading|name)="([^"]*)"')
MARKUP = re.compile(r"<[^>]*>", re.DOTALL)
CODE = re.compile(r"```.*?```|`[^`]*`", re.DOTALL)
SPACE = re.compile(r"\s+")


@cache
def banned() -> re.Pattern[str]:
    """Return a pattern of every phrase in a column *Not*, as whole words, in any case."""
    phrases: list[str] = []
    heads: list[str] = []
    for line in (ROOT / "docs" / "glossary.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")] if line.startswith("|") else []
        if not cells:
            heads = []
        elif not heads:
            heads = cells
        elif "Not" in heads and not cells[0].startswith("---"):
            phrases += [phrase.strip() for phrase in cells[heads.index("Not")].split(",") if phrase.strip()]
    return re.compile(rf"\b(?:{'|'.join(sorted(map(re.escape, phrases), key=len, reverse=True))})\b", re.IGNORECASE)


def visible_in_template(text: str) -> Iterator[str]:
    """Yield text between tags, attributes that are read out, and phrases quoted in template tags."""
    text = COMMENT.sub(" ", text)
    for tag in TAG.findall(text):
        yield from (one or other for one, other in QUOTED.findall(tag))
    plain = TAG.sub(" x ", text)
    yield from ATTRIBUTE.findall(plain)
    yield MARKUP.sub(" ", plain)


def visible_in_module(text: str) -> Iterator[str]:
    """Yield string constants that are phrases, without docstrings, which are for engineers."""
    tree = ast.parse(text)
    docs = {id(docstring(node)) for node in ast.walk(tree)}
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in docs
            and " " in node.value
        ):
            yield node.value


def docstring(node: ast.AST) -> ast.expr | None:
    if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        return None
    first = node.body[0] if node.body else None
    return first.value if isinstance(first, ast.Expr) else None


def quote(text: str, hit: re.Match[str]) -> str:
    around = text[max(0, hit.start() - 40) : hit.end() + 40]
    return f"{hit.group(0)!r} in {SPACE.sub(' ', around)!r}"


def assert_plain(texts: Iterator[str]) -> None:
    found = [quote(text, hit) for text in texts for hit in banned().finditer(text)]
    assert not found, "docs/glossary.md has another word for:\n" + "\n".join(found)


def test_replaced_words_are_found() -> None:
    assert banned().search("It is not LOOKED AT.")
    assert not banned().search("The outlook attests.")
    with pytest.raises(AssertionError, match="by itself"):
        assert_plain(visible_in_template('<p title="Goes by itself">{% c "x" %}</p>'))
    with pytest.raises(AssertionError, match="anew"):
        assert_plain(visible_in_module('"""Begin anew."""\nSAID = f"{1} begins anew"'))
    assert_plain(visible_in_module('"""Begin anew."""'))


@pytest.mark.parametrize("name", TEMPLATES)
def test_no_template_uses_a_replaced_word(name: str) -> None:
    assert_plain(visible_in_template((ROOT / name).read_text()))


@pytest.mark.parametrize("name", MODULES)
def test_no_message_uses_a_replaced_word(name: str) -> None:
    text = (ROOT / name).read_text()
    texts = visible_in_module(text) if name.endswith(".py") else iter([re.sub(r"(?m)^\s*#.*$", "", text)])
    assert_plain(texts)


@pytest.mark.parametrize("name", DOCS)
def test_no_documentation_page_uses_a_replaced_word(name: str) -> None:
    assert_plain(iter([CODE.sub(" ", (ROOT / name).read_text())]))
