"""Export lists as CSV, safe for spreadsheets, and as JSON."""

import csv
import io
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

ROWS_AT_ONCE = 100  # read and sent at once, so the first byte of 100,000 rows is as fast as that of a few
# A cell that starts like this is a formula in a spreadsheet (OWASP: CSV injection). An apostrophe makes it text.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def as_csv(rows: Iterable[Mapping[str, str]]) -> str:
    """Return CSV (RFC 4180) with a header, the columns of the first row."""
    return "".join(csv_parts(rows))


def csv_parts(rows: Iterable[Mapping[str, str]], columns: Sequence[str] = ()) -> Iterator[str]:
    """Yield CSV row by row, with `columns` or those of the first row; nothing if there are neither."""
    left = iter(rows)
    first = [] if columns else list(itertools.islice(left, 1))
    if not (names := columns or list(*first)):
        return
    out = io.StringIO()
    writer = csv.DictWriter(out, fieldnames=names)
    writer.writeheader()
    for row in itertools.chain(first, left):
        writer.writerow({key: _harmless(value) for key, value in row.items()})
        yield out.getvalue()
        out.seek(0)
        out.truncate()
    yield out.getvalue()


def json_parts(rows: Iterable[Mapping[str, str]]) -> Iterator[str]:
    """Yield a JSON array, indented by two."""
    before = "["
    for row in rows:
        yield f"{before}\n  " + json.dumps(row, indent=2, ensure_ascii=False).replace("\n", "\n  ")
        before = ","
    yield "[]" if before == "[" else "\n]"


def moment(time: datetime | None) -> str:
    """Return the time in ISO 8601 to the second, or ""."""
    return time.isoformat(timespec="seconds") if time else ""


def unescaped(text: str) -> str:
    """Return the original value of a cell of `as_csv`."""
    return text[1:] if text.startswith("'") and _is_formula(text) else text


def _harmless(text: str) -> str:
    return f"'{text}" if _is_formula(text) else text


def _is_formula(text: str) -> bool:
    """Return whether it is a formula, also after apostrophes of its own, so `unescaped` removes only ours."""
    return text.lstrip("'").startswith(FORMULA_STARTS)
