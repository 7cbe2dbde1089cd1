"""The old system's rows out of a file: one JSON document, or CSV files of which each is of one kind."""

import csv
import json
import re
from collections.abc import Mapping
from io import StringIO
from typing import Any

from inbound_admin.lib.errors import Refused
from inbound_admin.lib.tables import keyed

MOST_ROWS = 200_000
SECTIONS = {
    "users": ("user", "users"),
    "domains": ("domain", "domains", "emailDomains"),
    "dnsRecords": ("dnsRecord", "dnsRecords", "domainDnsRecords"),
    "endpoints": ("endpoint", "endpoints"),
    "webhooks": ("webhook", "webhooks"),
    "emailAddresses": ("address", "addresses", "emailAddress", "emailAddresses"),
}
_KNOWN = keyed((name.lower(), section) for section, names in SECTIONS.items() for name in names)
_JSON_COLUMNS = ("config", "headers")
Found = dict[str, list[dict[str, Any]]]


def sections_in(files: Mapping[str, bytes]) -> Found:
    """File name to content. Raises Refused: FILE_UNREADABLE, FILE_EMPTY, TOO_MANY."""
    found: Found = {}
    for name, content in files.items():
        text = _text(name, content)
        parts = _document(name, text) if name.lower().endswith(".json") else {_section(name): _table(name, text)}
        for section, rows in parts.items():
            found.setdefault(section, []).extend(rows)
    number = sum(map(len, found.values()))
    if not number:
        raise Refused("There are no rows in what was given.", code="FILE_EMPTY")
    if number > MOST_ROWS:
        raise Refused(f"That is {number} rows; {MOST_ROWS} are the most at a time.", code="TOO_MANY")
    return found


def _text(name: str, content: bytes) -> str:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _unreadable(name, "it is no text in UTF-8") from error
    if "\0" in text or "\\u0000" in text:
        raise _unreadable(name, "it has characters in it that no text has")
    return text


def _document(name: str, text: str) -> Found:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _unreadable(name, f"it is no JSON ({error})") from error
    if not isinstance(document, dict):
        raise _unreadable(name, 'it must be one object: {"users": [...], "domains": [...], ...}')
    return {_section(key): _rows(name, key, value) for key, value in document.items() if _camel(key).lower() in _KNOWN}


def _rows(name: str, key: str, value: Any) -> list[dict[str, Any]]:
    """A list, or an answer of the API with the list in it."""
    rows = value.get("data") if isinstance(value, dict) else value
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise _unreadable(name, f"{key} is no list of rows")
    return [_named(row) for row in rows]


def _table(name: str, text: str) -> list[dict[str, Any]]:
    reader = csv.DictReader(StringIO(text), strict=True)
    try:
        rows = [row for row in reader if any(row.values())]
    except csv.Error as error:
        raise _unreadable(name, f"it is no CSV ({error})") from error
    if any(None in row for row in rows):
        raise _unreadable(name, "a line has more cells than the first, which names the columns")
    return [_named({key: _cell(name, key, value) for key, value in row.items()}) for row in rows]


def _cell(name: str, key: str, value: str | None) -> Any:
    if key not in _JSON_COLUMNS or not value:
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError) as error:
        raise _unreadable(name, f"a cell under {key} is no JSON") from error


def _section(name: str) -> str:
    """Of a CSV file by its name, as `dns_records.csv`."""
    plain = _camel(name.rpartition("/")[2].removesuffix(".csv").removesuffix(".CSV")).lower()
    if plain not in _KNOWN:
        names = ", ".join(f"{_snake(section)}.csv" for section in SECTIONS)
        raise Refused(f"{name} could not be read: call it by what is in it: {names}.", code="FILE_UNREADABLE")
    return _KNOWN[plain]


def _named(row: Mapping[str, Any]) -> dict[str, Any]:
    """Names as the API writes them, where the database wrote them with underscores."""
    return {_camel(key): value for key, value in row.items()}


def _camel(name: str) -> str:
    return re.sub(r"[_-]([a-zA-Z0-9])", lambda found: found[1].upper(), name.strip())


def _snake(name: str) -> str:
    return re.sub("([A-Z])", r"_\1", name).lower()


def _unreadable(name: str, why: str) -> Refused:
    return Refused(f"{name} could not be read: {why}.", code="FILE_UNREADABLE")
