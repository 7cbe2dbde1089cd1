"""`make figures`: writes docs/figures.md from the last results of the other commands. It measures nothing itself."""

import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "figures.md"
HEAD = """# Figures

Written by `make figures` from the last results of `make bench`, `make faults` and `make machines`; do not edit it.
Each table says on which machine it was measured. Where the load is higher than the number of processors, other work ran
at the same time and times are longer than they would be.
"""
DNS, NOT_RUN, NEVER = "DNS ", "not run", "–"
TOLD = ("measured", "processor", "memory", "system", "load")


def main() -> None:
    PAGE.write_text(page(HERE))
    print(f"wrote {PAGE}")


def page(folder: Path) -> str:
    """Return the page of the existing results. A table without results says so."""
    parts = [HEAD, *_bench(_read(folder / "latest.json")), *_machines(_read(folder / "machines.json"))]
    parts += _faults(_read(folder / "faults.json"))
    return "\n".join([*parts, *_missing(folder / "not_reached.toml")]).rstrip() + "\n"


def _read(path: Path) -> dict[str, Any] | None:
    return json.loads(path.read_text()) if path.exists() else None


def _machine(facts: Mapping[str, str]) -> str:
    """One line."""
    return ". ".join(f"{name.capitalize()}: {_readable(facts[name])}" for name in TOLD if name in facts) + ".\n"


def _readable(text: str) -> str:
    """Convert Linux's memory in kB, which are 1,024 bytes."""
    number, _, unit = text.partition(" ")
    return f"{int(number) / 2**20:.1f} GiB" if unit == "kB" else text


def _not_measured(command: str) -> str:
    return f"Not measured yet: run `{command}`.\n"


def _bench(found: dict[str, Any] | None) -> Iterator[str]:
    yield "## Speed and size (`make bench`)\n"
    if found is None:
        yield _not_measured("make bench")
        return
    for module, measured in found.items():
        yield f"### {module.rpartition('.')[2].replace('_', ' ').capitalize()}\n"
        yield _machine(measured["machine"])
        yield _rows(measured["rows"])


def _rows(rows: Iterable[Mapping[str, Any]]) -> str:
    lines = [(row["name"], _number(row["value"]), row["unit"], _number(row["bound"]), _held(row)) for row in rows]
    return table(("What", "Value", "Unit", "Bound", "Held"), lines)


def _machines(found: dict[str, Any] | None) -> Iterator[str]:
    yield "## Several machines under fire (`make machines`)\n"
    if found is None:
        yield _not_measured("make machines")
        return
    yield _machine(found["machine"])
    fire = ", ".join(f"{kind}: {number}" for kind, number in sorted(found["fire"].items()))
    yield (
        "Three web and three worker processes, PostgreSQL and the stand-in for Amazon, each with a network of its own. "
        f"For {found['seconds']:g} seconds something failed every few seconds (MACHINES_SEED={found['seed']}): {fire}. "
        "Meanwhile a bulk import ran, and domains were added, tenants paused and resumed through the API. Then all was "
        "left to finish, and counted.\n"
    )
    yield _rows(found["rows"])


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
    yield (
        f"In a cell: runs that converged, of how many; “{NOT_RUN}” where it was not run, “{NEVER}” for faults of DNS "
        "where the workflow does not ask DNS. The faults:\n"
    )
    yield "\n".join(f"{number}. {fault}" for number, fault in enumerate(faults, start=1)) + "\n"
    rows = list(_cells(outcomes, faults))
    yield table(("Workflow", *(str(number) for number in range(1, len(faults) + 1))), rows)
    yield from (f"- {each['workflow']}, {each['fault']}: {text}" for each in wrong for text in each["else_"])
    left = sum(cell == NOT_RUN for row in rows for cell in row)
    yield (
        f"{len(wrong)} of {len(outcomes)} outcomes are something else than “converged”. {left} of "
        f"{len(outcomes) + left} were not run: see below for why.\n"
    )


def _cells(outcomes: Sequence[Mapping[str, Any]], faults: Sequence[str]) -> Iterator[tuple[str, ...]]:
    cells = {(each["workflow"], each["fault"]): f"{each['calls'] - _lost(each)}/{each['calls']}" for each in outcomes}
    asks_dns = {each["workflow"] for each in outcomes if each["fault"].startswith(DNS)}
    for workflow in _once(each["workflow"] for each in outcomes):
        empty = (_empty(fault, asks_dns=workflow in asks_dns) for fault in faults)
        yield workflow, *(cells.get((workflow, fault), none) for fault, none in zip(faults, empty, strict=True))


def _empty(fault: str, *, asks_dns: bool) -> str:
    return NEVER if fault.startswith(DNS) and not asks_dns else NOT_RUN


def _lost(outcome: Mapping[str, Any]) -> int:
    """Return the runs that didn't converge. Several lines may concern one call."""
    return len({text.partition(":")[0] for text in outcome["else_"]})


def _once(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _missing(path: Path) -> Iterator[str]:
    """Yield the lines that could not be covered, from a file with their numbers and reasons."""
    yield "## Not reached\n"
    rows = tomllib.loads(path.read_text())["not_reached"]
    yield table(("What", "Number", "Why"), [(row["what"], row["number"], row["why"]) for row in rows])


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """In Markdown."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines) + "\n"


if __name__ == "__main__":
    main()
