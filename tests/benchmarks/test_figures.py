"""docs/figures.md, generated from results."""

import json
from pathlib import Path

from benchmarks import figures

MACHINE = {
    "measured": "2026-05-04 12:00 UTC",
    "processor": "2 × Any",
    "memory": "8000000 kB",
    "system": "Linux",
    "load": "0.1",
}
FIRE = {"seed": 7, "seconds": 60, "fire": {"worker killed": 4, "database crashed": 1}}
NOT_REACHED = '[[not_reached]]\nwhat = "A flight to the moon"\nnumber = "0 km"\nwhy = "No rocket."\n'


def page_of_results(folder: Path, **results: object) -> str:
    (folder / "not_reached.toml").write_text(NOT_REACHED)
    for name, found in results.items():
        (folder / f"{name}.json").write_text(json.dumps(found))
    return figures.page(folder)


def test_missing_measurements_say_so_and_unreached_goals_have_a_reason(tmp_path: Path) -> None:
    page = page_of_results(tmp_path)
    assert "Not measured yet: run `make bench`." in page
    assert "Not measured yet: run `make faults`." in page
    assert "Not measured yet: run `make machines`." in page
    assert "| A flight to the moon | 0 km | No rocket. |" in page


def test_a_limit_that_does_not_hold_is_reported(tmp_path: Path) -> None:
    row = {"name": "a page", "value": 1234.5, "unit": "ms", "bound": 1000, "holds": False, "note": "too much"}
    results = {"machine": MACHINE, "rows": [row]}
    page = page_of_results(tmp_path, latest={"benchmarks.api_pages": results}, machines=results | FIRE)
    assert page.count("| a page | 1,234.5 | ms | 1,000 | no. too much |") == 2
    assert "### Api pages" in page
    assert "Memory: 7.6 GiB." in page
    assert "Load: 0.1." in page
    assert "(MACHINES_SEED=7): database crashed: 1, worker killed: 4." in page


def test_runs_that_did_not_converge_are_counted_and_named(tmp_path: Path) -> None:
    outcomes = [
        {
            "workflow": "pause",
            "fault": "throttled",
            "calls": 3,
            "else_": ["call 2, X: rows: a", "call 2, X: changes: b"],
        },
        {"workflow": "pause", "fault": "killed", "calls": 3, "else_": []},
        {"workflow": "resume", "fault": "killed", "calls": 2, "else_": []},
    ]
    page = page_of_results(tmp_path, faults={"machine": MACHINE, "outcomes": outcomes})
    assert "8 runs of workflows" in page
    assert "| pause | 2/3 | 3/3 |" in page
    assert "| resume | not run | 2/2 |" in page
    assert "1 of 4 were not run" in page
    assert "- pause, throttled: call 2, X: changes: b" in page
    assert "1 of 3 outcomes are something else" in page


def test_the_file_of_unreached_goals_can_be_read() -> None:
    assert "## Not reached" in figures.page(Path(figures.__file__).parent)


def test_a_workflow_without_dns_lacks_no_dns_fault(tmp_path: Path) -> None:
    outcomes = [
        {"workflow": name, "fault": fault, "calls": 1, "else_": []}
        for name, fault in (("verify", "DNS silent"), ("verify", "DNS fails"), ("add", "throttled"))
    ]
    page = page_of_results(tmp_path, faults={"machine": MACHINE, "outcomes": outcomes})
    assert "| verify | 1/1 | 1/1 | not run |" in page
    assert "| add | – | – | 1/1 |" in page
