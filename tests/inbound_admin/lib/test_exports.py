"""Lists as CSV and JSON files."""

import csv
import io
import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbound_admin.lib.exports import FORMULA_STARTS, ROWS_AT_ONCE, as_csv, json_parts
from inbound_admin.lib.http import list_as_file

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=40)


@given(st.lists(st.fixed_dictionaries({"domain": TEXT, "summary": TEXT}), min_size=1, max_size=5))
def test_an_export_reads_back_and_no_cell_is_a_formula(rows: list[dict[str, str]]) -> None:
    read = list(csv.DictReader(io.StringIO(as_csv(rows), newline="")))
    assert [row["domain"].removeprefix("'") for row in read] == [row["domain"].removeprefix("'") for row in rows]
    assert not any(cell.startswith(FORMULA_STARTS) for row in read for cell in row.values())
    assert json.loads("".join(json_parts(rows))) == rows


def test_an_export_without_rows_is_empty() -> None:
    assert (as_csv([]), list(json_parts([]))) == ("", ["[]"])


@pytest.mark.parametrize("kind", ["csv", "json"])
@pytest.mark.parametrize("number", [ROWS_AT_ONCE - 2, ROWS_AT_ONCE * 2 + 5])
def test_a_large_download_is_streamed(kind: str, number: int) -> None:
    read: list[int] = []

    def rows() -> Iterator[dict[str, str]]:
        for each in range(number):
            read.append(each)
            yield {"domain": f"d{each}.com", "summary": "all “right”\nhere"}

    answer = list_as_file(rows(), name="domains", kind=kind)
    assert answer.streaming is (number > ROWS_AT_ONCE)
    assert len(read) <= ROWS_AT_ONCE + 1
    text = answer.getvalue().decode()
    found = json.loads(text) if kind == "json" else list(csv.DictReader(io.StringIO(text, newline="")))
    assert found == list(rows())
