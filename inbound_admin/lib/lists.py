"""Lists as files: CSV that a spreadsheet opens without running anything, and JSON."""

import csv
import io
import json
from collections.abc import Iterable, Mapping
from datetime import datetime

# A cell that begins like this is a formula to a spreadsheet (OWASP: CSV injection); an apostrophe makes it text.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def as_csv(rows: Iterable[Mapping[str, str]]) -> str:
    """RFC 4180, with a header line; empty without rows."""
    out = io.StringIO()
    writer: csv.DictWriter[str] | None = None
    for row in rows:
        if writer is None:
            writer = csv.DictWriter(out, fieldnames=list(row))
            writer.writeheader()
        writer.writerow({key: _harmless(value) for key, value in row.items()})
    return out.getvalue()


def as_json(rows: Iterable[Mapping[str, str]]) -> str:
    return json.dumps(list(rows), indent=2, ensure_ascii=False)


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
