"""`make bench`: runs the benchmarks, prints a table, writes `latest.json`. Exits with 1 if a bound does not hold.

With names of modules, it runs those only. The file keeps the rows of the others, each with its machine and time.
"""

import json
import os
import sys
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

import django

from benchmarks.machine import machine
from benchmarks.rows import Row, failed
from sandbox.local import throw_away

MODULES = (
    "benchmarks.api_pages",
    "benchmarks.aws_calls",
    "benchmarks.confusion",
    "benchmarks.dns_bench",
    "benchmarks.lookup",
    "benchmarks.migrating",
    "benchmarks.pages",
    "benchmarks.planning",
    "benchmarks.receiving",
    "benchmarks.startup",
    "benchmarks.urgent",
    "benchmarks.visits",
)
_WIDEST = 200
LATEST = Path(__file__).parent / "latest.json"


def main() -> int:
    """Measure on a temporary PostgreSQL, unless DATABASE_URL names another."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.bare.settings")
    os.environ.setdefault("SANDBOX", "1")
    modules = [f"benchmarks.{name}" for name in sys.argv[1:]] or MODULES
    with ExitStack() as stack:
        if not os.environ.get("DATABASE_URL"):
            os.environ["DATABASE_URL"] = stack.enter_context(throw_away.postgres()).url
        rows = [row for module in modules for row in kept(module, LATEST)]
    print(as_table(rows))
    return 0 if all(row.holds for row in rows) else 1


def measured(modules: Iterable[str]) -> list[Row]:
    """Yield every module's rows. A module that fails is a row that doesn't hold."""
    django.setup()
    return [row for module in modules for row in _rows_of(module)]


def _rows_of(module: str) -> list[Row]:
    print(f"measuring {module} ...", file=sys.stderr, flush=True)
    try:
        rows = [_row(each) for each in import_module(module).rows()]
    except Exception as error:  # noqa: BLE001  # whatever it is, the other modules are still measured and this one is shown
        return [failed(module, f"{type(error).__name__}: {error}")]
    return rows or [failed(module, "it measured nothing")]


def _row(given: Row | dict[str, object]) -> Row:
    return given if isinstance(given, Row) else Row(**given)  # type: ignore[arg-type]  # a wrong row fails its module


def kept(module: str, path: Path) -> list[Row]:
    """Measure a module, and replace its rows in the file."""
    rows = measured([module])
    found = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**found, module: as_json(rows)}, indent=2) + "\n")
    return rows


def as_json(rows: Iterable[Row]) -> dict[str, object]:
    """Return the machine, and rows of {name, value, unit, bound, holds}, with a note if there is one."""
    told = [{key: value for key, value in asdict(row).items() if key != "note" or value} for row in rows]
    return {"machine": machine(), "rows": told}


def as_table(rows: Iterable[Row]) -> str:
    """Return aligned columns. A row that doesn't hold says so."""
    head = ("what", "value", "unit", "bound", "")
    body = [(row.name, _number(row.value), row.unit, _number(row.bound), _verdict(row)) for row in rows]
    widths = [max(len(line[column]) for line in [head, *body]) for column in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in [head, *body]
    )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.2f}".rstrip("0").rstrip(".")


def _verdict(row: Row) -> str:
    if row.holds:
        return "holds" if row.bound is not None else ""
    return " ".join(["DOES NOT HOLD", *row.note.split()])[:_WIDEST]


if __name__ == "__main__":
    sys.exit(main())
