"""Export lists as CSV, safe for spreadsheets, and as JSON."""

import csv
import io
import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

# A cell that begins like this is a formula to a spreadsheet (OWASP: CSV injection); an apostrophe makes it text.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def as_csv(rows: Iterable[Mapping[str, str]], columns: Sequence[str] = ()) -> str:
    """Return CSV (RFC 4180) with a header: `columns`, or the columns of the first row."""
    out, left = io.StringIO(), iter(rows)
    first = [] if columns else list(itertools.islice(left, 1))
    if names := columns or list(*first):
        writer = csv.DictWriter(out, fieldnames=names)
        writer.writeheader()
        writer.writerows({key: _harmless(value) for key, value in row.items()} for row in itertools.chain(first, left))
    return out.getvalue()


def as_json(rows: Iterable[Mapping[str, str]]) -> str:
    return json.dumps(list(rows), indent=2, ensure_ascii=False)


def moment(time: datetime | None) -> str:
    """Return the time in ISO 8601 to the second, or ""."""
    return time.isoformat(timespec="seconds") if time else ""


def as_it_was(text: str) -> str:
    """Return the original value of a cell of `as_csv`."""
    return text[1:] if text.startswith("'") and _is_formula(text) else text


def _harmless(text: str) -> str:
    return f"'{text}" if _is_formula(text) else text


def _is_formula(text: str) -> bool:
    """Also behind apostrophes of its own, so that the one which we add can be told apart again."""
    return text.lstrip("'").startswith(FORMULA_STARTS)
