"""`make house`: measures the product's modules against the limits in CONTRIBUTING, and names what exceeds them."""

import ast
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles

ROOT = Path(__file__).parent.parent
APPS = ("audit", "accounts", "notifications", "tenants", "domains", "receipt_rules", "operations", "public_api")
PRODUCT = (*APPS, "inbound_admin")
LONGEST_MODULE = 400
LONGEST_FUNCTION = 30
SHORT_MODULE = 60
# Words in -ing that are nouns of our subjects, or of Django's.
NOUNS = set("checking sharing matching packing receiving routing settings forwarding".split())
# Standard file names of every subject or app, so they may be short.
STANDARD_NAMES = set(
    "core gateway selectors services tasks forms views api admin adapters apps models urls jobs roles"
    " settings wsgi conftest __init__ __main__".split()
)

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Module:
    """A parsed file. `name` is dotted, as in an import."""

    path: Path
    name: str
    text: str
    tree: ast.Module

    @property
    def lines(self) -> int:
        return self.text.count("\n")

    @property
    def is_empty(self) -> bool:
        return self.path.name == "__init__.py" and not self.text.strip()

    @property
    def functions(self) -> list[Function]:
        return [node for node in ast.walk(self.tree) if isinstance(node, Function)]


@dataclass(frozen=True)
class House:
    """Figures of the product, without migrations, tests and the sandbox."""

    modules: int
    empty: int
    lines: int
    edges: int
    p90_function: float
    long_modules: list[str]
    long_functions: list[str]
    gerunds: list[str]
    duplicates: list[str]
    short: list[str]

    @property
    def edges_per_module(self) -> float:
        return self.edges / self.modules


def modules(*roots: str) -> Iterator[Module]:
    """Yield the modules in a stable order, without migrations."""
    for root in roots:
        for path in sorted((ROOT / root).rglob("*.py")):
            if "migrations" not in path.parts:
                text = path.read_text()
                yield Module(path, _dotted(path), text, ast.parse(text))


def _dotted(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def length(node: Function) -> int:
    """Lines of its statements, without signature and docstring."""
    first = node.body[1] if ast.get_docstring(node) and len(node.body) > 1 else node.body[0]
    return (node.end_lineno or first.lineno) - first.lineno + 1


def long_modules(found: Iterable[Module]) -> list[str]:
    return [f"{named(each.path)} {each.lines}" for each in found if each.lines > LONGEST_MODULE]


def long_functions(found: Iterable[Module]) -> list[str]:
    return [
        f"{named(each.path)}:{node.lineno} {node.name} {length(node)}"
        for each in found
        for node in each.functions
        if length(node) > LONGEST_FUNCTION
    ]


def gerunds(found: Iterable[Module]) -> list[str]:
    """Return modules named by a gerund. A management command may be, since its name is what one types."""
    return [
        named(each.path)
        for each in found
        if "commands" not in each.path.parts
        and any(part.endswith("ing") and part not in NOUNS for part in each.name.split("."))
    ]


def duplicate_classes(found: Iterable[Module]) -> list[str]:
    """Public classes of one name in several modules. Each management command is a `Command`."""
    places = defaultdict(list)
    for each in found:
        for node in each.tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_") and node.name != "Command":
                places[node.name].append(named(each.path))
    return [f"{name}: {', '.join(at)}" for name, at in places.items() if len(at) > 1]


def imports(found: Iterable[Module]) -> Mapping[str, set[str]]:
    """Return, for each module, the modules of `found` that it imports."""
    by_name = {each.name: each for each in found}
    return {name: {to for to in _imported(each) if to in by_name and to != name} for name, each in by_name.items()}


def _imported(module: Module) -> Iterator[str]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{each.name}" for each in node.names)


def short_modules(found: Iterable[Module]) -> list[str]:
    """Under 60 lines with a single importer, and without a standard name: it could be part of that importer."""
    all_of_them = list(found)
    importers = Counter(to for targets in imports(all_of_them).values() for to in targets)
    return [
        f"{named(each.path)} {each.lines}"
        for each in all_of_them
        if each.lines < SHORT_MODULE and importers[each.name] == 1 and each.path.stem not in STANDARD_NAMES
    ]


def house() -> House:
    found = list(modules(*PRODUCT))
    edges = imports([each for each in found if not each.is_empty])
    lengths = [length(node) for each in found for node in each.functions]
    return House(
        modules=sum(not each.is_empty for each in found),
        empty=sum(each.is_empty for each in found),
        lines=sum(each.lines for each in found),
        edges=sum(map(len, edges.values())),
        p90_function=quantiles(lengths, n=10)[-1],
        long_modules=long_modules(found),
        long_functions=long_functions(found),
        gerunds=gerunds(found),
        duplicates=duplicate_classes(found),
        short=short_modules(found),
    )


def main() -> None:
    found = house()
    print(f"{found.modules} modules, and {found.empty} empty __init__.py")
    print(f"{found.lines:,} lines")
    print(f"{found.edges:,} internal imports, {found.edges_per_module:.2f} per module")
    print(f"{found.p90_function:.0f} lines or fewer in 9 of 10 functions")
    for title, names in (
        ("modules over 400 lines", found.long_modules),
        ("functions over 30 lines", found.long_functions),
        ("modules named by a gerund", found.gerunds),
        ("public classes of one name", found.duplicates),
        ("modules under 60 lines with one importer", found.short),
    ):
        print(f"{len(names)} {title}{': ' if names else ''}{'; '.join(names)}")


if __name__ == "__main__":
    main()
