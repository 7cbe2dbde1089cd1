"""`make figures`: docs/figures.md, from what the other commands measured last. It measures nothing itself."""

import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "figures.md"
HEAD = """# Figures

Written by `make figures` from the last results of `make bench` and `make faults`; do not edit it.
Each table says on which machine it was measured. Where the load is higher than the number of processors, other work ran
at the same time and times are longer than they would be.
"""
TOLD = ("measured", "processor", "memory", "system", "load")


def main() -> None:
    PAGE.write_text(page(HERE))
    print(f"wrote {PAGE}")


def page(folder: Path) -> str:
    """Of the results that are there; a table that nobody measured says so."""
    parts = [HEAD, *_bench(_read(folder / "latest.json")), *_faults(_read(folder / "faults.json"))]
    return "\n".join([*parts, *_missing(folder / "not_reached.toml")]).rstrip() + "\n"


def _read(path: Path) -> dict[str, Any] | None:
    return json.loads(path.read_text()) if path.exists() else None


def _machine(told: Mapping[str, str]) -> str:
    """One line."""
    return ". ".join(f"{name.capitalize()}: {told[name]}" for name in TOLD if name in told) + ".\n"


def _not_measured(command: str) -> str:
    return f"Not measured yet: run `{command}`.\n"


def _bench(found: dict[str, Any] | None) -> Iterator[str]:
    yield "## Speed and size (`make bench`)\n"
    if found is None:
        yield _not_measured("make bench")
        return
    yield _machine(found["machine"])
    rows = [
        (row["name"], _number(row["value"]), row["unit"], _number(row["bound"]), _held(row)) for row in found["rows"]
    ]
    yield table(("What", "Value", "Unit", "Bound", "Held"), rows)


def _held(row: Mapping[str, Any]) -> str:
    if not row["holds"]:
        return f"no. {row.get('note', '')}".strip()
    return "yes" if row["bound"] is not None else ""


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.2f}".rstrip("0").rstrip(".")


def _faults(found: dict[str, Any] | None) -> Iterator[str]:
    yield "## Faults (`make faults`)\n"
    if found is None:
        yield _not_measured("make faults")
        return
    outcomes = found["outcomes"]
    faults = _once(each["fault"] for each in outcomes)
    runs, wrong = sum(each["calls"] for each in outcomes), [each for each in outcomes if each["else_"]]
    yield _machine(found["machine"])
    yield (
        f"{runs:,} runs of workflows, each with one fault at one of its calls: every call in turn. Afterwards the "
        "worker went on. A run converged if our rows, Amazon's state and the change log are as after a run without a "
        "fault, no job failed for good, and no page in between said what was not so.\n"
    )
    yield "In a cell: runs that converged, of how many; empty where it was not run. The faults:\n"
    yield "\n".join(f"{number}. {fault}" for number, fault in enumerate(faults, start=1)) + "\n"
    cells = {(each["workflow"], each["fault"]): f"{each['calls'] - _lost(each)}/{each['calls']}" for each in outcomes}
    rows = [
        (workflow, *(cells.get((workflow, fault), "") for fault in faults))
        for workflow in _once(each["workflow"] for each in outcomes)
    ]
    yield table(("Workflow", *(str(number) for number in range(1, len(faults) + 1))), rows)
    yield from (f"- {each['workflow']}, {each['fault']}: {text}" for each in wrong for text in each["else_"])
    yield f"{len(wrong)} of {len(outcomes)} outcomes are something else than “converged”.\n"


def _lost(outcome: Mapping[str, Any]) -> int:
    """Runs that did not converge; several lines may be of one call."""
    return len({text.partition(":")[0] for text in outcome["else_"]})


def _once(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _missing(path: Path) -> Iterator[str]:
    """What could not be reached stands in a file, with its number and why."""
    yield "## Not reached\n"
    rows = tomllib.loads(path.read_text())["not_reached"]
    yield table(("What", "Number", "Why"), [(row["what"], row["number"], row["why"]) for row in rows])


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """In Markdown."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines) + "\n"


if __name__ == "__main__":
    main()
