"""The output of `make bench`."""

import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

from benchmarks import __main__ as bench
from benchmarks.rows import Row, at_least, at_most


def module(name: str, rows: object) -> str:
    made = ModuleType(name)
    made.rows = rows  # type: ignore[attr-defined]  # as in a benchmark module
    sys.modules[name] = made
    return name


def test_a_limit_holds_on_its_own_side() -> None:
    assert at_most("calls", 4, "calls", 4).holds
    assert not at_most("calls", 5, "calls", 4).holds
    assert at_least("share", 0.7, "", 0.7).holds
    assert not at_least("share", 0.69, "", 0.7).holds


def test_a_failing_module_is_a_row_and_the_others_are_measured() -> None:
    def fails() -> list[Row]:
        raise RuntimeError("no resolver")

    names = [module("bench_fails", fails), module("bench_works", lambda: [at_most("calls", 4, "calls", 4)])]
    failed, works = bench.measured([*names])
    assert (failed.holds, failed.value) == (False, None)
    assert "no resolver" in failed.note
    assert works.holds


@pytest.mark.parametrize("name", ["no_such_module", module("bench_idle", list)])
def test_a_missing_or_empty_module_does_not_hold(name: str) -> None:
    (row,) = bench.measured([name])
    assert not row.holds


def test_plain_rows_replace_the_modules_own_in_the_file(tmp_path: Path) -> None:
    plain = {"name": "calls", "value": 4, "unit": "calls", "bound": 4, "holds": True}
    file = tmp_path / "latest.json"
    file.write_text(json.dumps({"bench_plain": {"rows": []}, "bench_other": {"rows": ["stays"]}}))
    bench.kept(module("bench_plain", lambda: [plain]), file)
    written = json.loads(file.read_text())
    assert written["bench_plain"]["rows"] == [plain]
    assert written["bench_plain"]["machine"]["processor"]
    assert written["bench_other"] == {"rows": ["stays"]}


def test_the_table_shows_what_does_not_hold_and_why() -> None:
    table = bench.as_table([at_most("calls", 4, "calls", 4), Row("dns", None, "", None, False, "no resolver")])
    assert "holds" in table.splitlines()[1]
    assert "DOES NOT HOLD no resolver" in table.splitlines()[2]
