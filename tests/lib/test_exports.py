"""Lists as files."""

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbound_admin.lib.exports import FORMULA_STARTS, as_csv, as_json

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=40)


@given(st.lists(st.fixed_dictionaries({"domain": TEXT, "summary": TEXT}), min_size=1, max_size=5))
def test_what_is_written_is_read_back_and_no_cell_is_a_formula(rows: list[dict[str, str]]) -> None:
    read = list(csv.DictReader(io.StringIO(as_csv(rows), newline="")))
    assert [row["domain"].removeprefix("'") for row in read] == [row["domain"].removeprefix("'") for row in rows]
    assert not any(cell.startswith(FORMULA_STARTS) for row in read for cell in row.values())
    assert json.loads(as_json(rows)) == rows


@pytest.mark.parametrize("empty", [as_csv, as_json])
def test_no_rows_are_no_error(empty: object) -> None:
    assert callable(empty)
    assert empty([]) in ("", "[]")
