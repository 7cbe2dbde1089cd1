"""Lists as files: CSV that a spreadsheet opens without running anything, and JSON."""

import csv
import io
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

ROWS_AT_ONCE = 200  # read and sent: so the first byte of 100,000 rows comes as soon as that of a few
# A cell that begins like this is a formula to a spreadsheet (OWASP: CSV injection); an apostrophe makes it text.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def as_csv(rows: Iterable[Mapping[str, str]], columns: Sequence[str] = ()) -> str:
    return "".join(csv_parts(rows, columns))


def csv_parts(rows: Iterable[Mapping[str, str]], columns: Sequence[str] = ()) -> Iterator[str]:
    """RFC 4180, with a header line: `columns`, or those of the first row; then it is empty without rows."""
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


def as_json(rows: Iterable[Mapping[str, str]]) -> str:
    return "".join(json_parts(rows))


def json_parts(rows: Iterable[Mapping[str, str]]) -> Iterator[str]:
    """A list, indented by two."""
    before = "["
    for row in rows:
        yield f"{before}\n  " + json.dumps(row, indent=2, ensure_ascii=False).replace("\n", "\n  ")
        before = ","
    yield "[]" if before == "[" else "\n]"


def moment(time: datetime | None) -> str:
    """As ISO 8601 to the second; "" for never."""
    return time.isoformat(timespec="seconds") if time else ""


def as_it_was(text: str) -> str:
    """A cell of `as_csv` read back."""
    return text[1:] if text.startswith("'") and _is_formula(text) else text


def _harmless(text: str) -> str:
    return f"'{text}" if _is_formula(text) else text


def _is_formula(text: str) -> bool:
    """Also behind apostrophes of its own, so that the one which we add can be told apart again."""
    return text.lstrip("'").startswith(FORMULA_STARTS)
