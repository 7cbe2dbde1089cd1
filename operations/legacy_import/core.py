"""Parses the previous system's export into rows with an owner, a name and values. Pure.

The export is one JSON document, or CSV files of one kind each. The previous system's IDs are valid inside one export
only. Existing rows are matched by natural keys: a person by email address, an endpoint by name, a domain and an
address by themselves. So an export can be imported again, and a later one after it.
"""

import csv
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from io import StringIO
from typing import Any, TypeVar

from inbound_admin.lib.errors import Refused
from inbound_admin.lib.tables import keyed

Sections = Mapping[str, Sequence[Mapping[str, Any]]]
Value = TypeVar("Value")


class RowKind(StrEnum):
    """Kinds in the order in which they are stored: each may need the ones before it."""

    PERSON = "person"
    ENDPOINT = "endpoint"
    DOMAIN = "domain"
    CATCH_ALL = "catch_all"
    ADDRESS = "address"
    RECORD = "record"

    @property
    def words(self) -> str:
        return {"person": "Person", "catch_all": "Catch-all", "record": "DNS record"}.get(self, self.capitalize())


class ImportResult(StrEnum):
    """CLAIM: SES has no such identity, so ownership must be proven. UNNEEDED: the row follows from other rows."""

    NEW = "new"
    CLAIM = "claim"
    SAME = "same"
    CHANGES = "changes"
    UNNEEDED = "unneeded"
    REFUSED = "refused"
    FAILED = "failed"

    @property
    def words(self) -> str:
        return {
            "new": "New",
            "claim": "Ownership not proven",
            "same": "Unchanged",
            "changes": "Changes",
            "unneeded": "Not needed",
            "refused": "Rejected",
            "failed": "Failed",
        }[self]


RETRYABLE = (ImportResult.REFUSED, ImportResult.FAILED)


@dataclass(frozen=True)
class ParsedRow:
    """`owner` is the owner's email address or a customer's ID; `why_not` says why the row can't be imported."""

    kind: RowKind
    owner: str
    name: str
    values: Mapping[str, Any] = field(default_factory=dict)
    why_not: str = ""


def parse_rows(sections: Sections) -> tuple[ParsedRow, ...]:
    """Return the parsed rows of the sections of `SECTIONS`. Fields have the names of the previous system's JSON API."""
    return tuple(_Reader(sections).read())


class _Reader:
    def __init__(self, sections: Sections) -> None:
        self.sections = sections
        self.people = _by_id((text_of(row, "id"), text_of(row, "email").lower()) for row in self._readable("users"))
        self.domains = _by_id((text_of(row, "id"), row) for row in self._readable("domains"))
        self.endpoints = tuple(self._endpoints())
        self.names = _by_id((old_id, given.name) for old_id, given in self.endpoints)

    def read(self) -> Iterator[ParsedRow]:
        yield from map(self._person, self._rows("users"))
        yield from (given for _, given in self.endpoints)
        for row in self._rows("domains"):
            yield self._domain(row)
            if flag_of(row, "isCatchAllEnabled") is not None:
                yield self._catch_all(row)
        yield from map(self._address, self._rows("emailAddresses"))
        yield from map(self._record, self._rows("dnsRecords"))

    def _rows(self, section: str) -> Sequence[Mapping[str, Any]]:
        return self.sections.get(section, ())

    def _readable(self, section: str) -> Iterator[Mapping[str, Any]]:
        """Return the section's readable rows. An unreadable row may name the wrong owner, so no lookup uses it."""
        return (row for row in self._rows(section) if not text_of(row, WHY_NOT))

    def _person(self, row: Mapping[str, Any]) -> ParsedRow:
        email = text_of(row, "email").lower()
        return ParsedRow(
            RowKind.PERSON, email, email or text_of(row, "id"), {"name": text_of(row, "name")}, unreadable_because(row)
        )

    def _owned(
        self,
        kind: RowKind,
        row: Mapping[str, Any],
        user_id: str,
        name: str,
        values: Mapping[str, Any],
        why_not: str = "",
    ) -> ParsedRow:
        owner = self.people.get(user_id, "")
        why_not = why_not or unreadable_because(row)
        stranger = f"Owner not found: there is no user {user_id or '(no ID)'} with one email address."
        return ParsedRow(kind, owner, name, values, why_not or ("" if owner else stranger))

    def _endpoints(self) -> Iterator[tuple[tuple[str, str], ParsedRow]]:
        """Yield section and old ID, and the row. An owner's names are unique here: a second one gets a number."""
        taken: set[tuple[str, str]] = set()
        next_number: dict[tuple[str, str], int] = {}  # by owner and name: counting from 2 each time is quadratic
        hooks = [("webhooks", {**row, "type": "webhook", "config": _hook(row)}) for row in self._rows("webhooks")]
        both = [*(("endpoints", row) for row in self._rows("endpoints")), *hooks]
        for section, row in sorted(both, key=lambda each: text_of(each[1], "id")):
            owner, name = text_of(row, "userId"), text_of(row, "name")
            free, number = name, next_number.get((owner, name.casefold()), 1)
            while (owner, free.casefold()) in taken:
                number += 1
                free = f"{name[:112]} ({number})"
            next_number[owner, name.casefold()] = number
            taken.add((owner, free.casefold()))
            kind, active, config = text_of(row, "type"), flag_of(row, "isActive"), row.get("config")
            values = {
                "type": kind,
                "config": our_config(kind, config) if isinstance(config, Mapping) else {},
                "is_active": active is not False,
                "description": text_of(row, "description"),
            }
            yield (section, text_of(row, "id")), self._owned(RowKind.ENDPOINT, row, owner, free, values)

    def _domain(self, row: Mapping[str, Any]) -> ParsedRow:
        values = {
            "mail_from": text_of(row, "mailFromDomain").lower(),
            "receives": flag_of(row, "canReceiveEmails"),
            "reports": flag_of(row, "receiveDmarcEmails") is True,
        }
        return self._owned(RowKind.DOMAIN, row, text_of(row, "userId"), text_of(row, "domain"), values)

    def _catch_all(self, row: Mapping[str, Any]) -> ParsedRow:
        endpoint, why_not = self._endpoint(row, "catchAllEndpointId", "catchAllWebhookId")
        values = {"endpoint": endpoint, "is_active": flag_of(row, "isCatchAllEnabled") is True}
        return self._owned(RowKind.CATCH_ALL, row, text_of(row, "userId"), text_of(row, "domain"), values, why_not)

    def _address(self, row: Mapping[str, Any]) -> ParsedRow:
        endpoint, why_not = self._endpoint(row, "endpointId", "webhookId")
        domain = self.domains.get(text_of(row, "domainId"), {})
        user_id = text_of(row, "userId") or text_of(domain, "userId")
        values = {"endpoint": endpoint, "is_active": flag_of(row, "isActive") is not False}
        return self._owned(RowKind.ADDRESS, row, user_id, text_of(row, "address"), values, why_not)

    def _record(self, row: Mapping[str, Any]) -> ParsedRow:
        domain = self.domains.get(text_of(row, "domainId"), {})
        values = {
            "domain": text_of(domain, "domain"),
            "type": text_of(row, "recordType") or text_of(row, "type"),
            "value": text_of(row, "value"),
        }
        why_not = "" if domain else f"Domain {text_of(row, 'domainId') or '(no ID)'} is not in the import."
        return self._owned(RowKind.RECORD, row, text_of(domain, "userId"), text_of(row, "name"), values, why_not)

    def _endpoint(self, row: Mapping[str, Any], *columns: str) -> tuple[str, str]:
        """Return the name of the endpoint, or else the webhook, that a column names; and why it is missing."""
        for section, column in zip(("endpoints", "webhooks"), columns, strict=True):
            if old_id := text_of(row, column):
                name = self.names.get((section, old_id), "")
                return name, "" if name else f"Endpoint {old_id} is not in the import once, so mail would be lost."
        return "", ""


def _by_id(pairs: Iterable[tuple[Any, Value]]) -> dict[Any, Value]:
    """Return values by ID, without an ID of several: it could name the wrong owner or the wrong endpoint."""
    found: dict[Any, Value] = {}
    several = {key for key, value in pairs if found.setdefault(key, value) != value}
    return {key: value for key, value in found.items() if key not in several}


def _hook(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of an older webhook, which has them as columns of its own."""
    given = {name: row.get(name) for name in ("url", "timeout", "retryAttempts", "headers")}
    return {name: _number(value) for name, value in given.items() if value not in (None, "")}


def _number(value: Any) -> Any:
    """Return the number that a CSV cell contains as digits; any other value unchanged."""
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value


_OURS = {
    "forwardTo": "address",
    "email": "address",
    "emails": "addresses",
    "retryAttempts": "retry_attempts",
    "verificationToken": "verification_token",
}


def our_config(kind: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return an endpoint's configuration with our key names. Keys that its type doesn't know are dropped later."""
    return {_OURS.get(name, name): value for name, value in config.items() if kind != "webhook" or name != "email"}


WHY_NOT = "why not"  # no column can have this name, since `_named` removes spaces


def text_of(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    return "" if value is None else str(value).strip()


_SAID = {True: ("true", "t", "1", "yes", "y"), False: ("false", "f", "0", "no", "n")}


FLAGS = ("isActive", "isCatchAllEnabled", "canReceiveEmails", "receiveDmarcEmails")


def unreadable_because(row: Mapping[str, Any]) -> str:
    """Return why the row can't be read, or which flag has an unknown value; "" if the row is readable."""
    if why_not := text_of(row, WHY_NOT):
        return why_not
    for name in FLAGS:
        if text_of(row, name) and flag_of(row, name) is None:
            return f"“{text_of(row, name)[:40]}” in {name} is neither true nor false."
    return ""


def flag_of(row: Mapping[str, Any], name: str) -> bool | None:
    """Return a flag that may be text, as in CSV. None: it is empty or unknown (see `unreadable_because`)."""
    text = text_of(row, name).lower()
    return next((flag for flag, words in _SAID.items() if text in words), None)


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
_COLUMNS = {  # without it, no row of the section can be imported
    "users": "email",
    "domains": "domain",
    "dnsRecords": "name",
    "endpoints": "name",
    "webhooks": "name",
    "emailAddresses": "address",
}
_JSON_COLUMNS = ("config", "headers")
Found = dict[str, list[dict[str, Any]]]


def read_sections(files: Mapping[str, bytes]) -> Found:
    """Return rows by section of the files (name: content). Raises Refused: FILE_UNREADABLE, FILE_EMPTY, TOO_MANY."""
    found: Found = {}
    for name, content in files.items():
        text = _text(name, content)
        parts = _document(name, text) if name.lower().endswith(".json") else {_section(name): _table(name, text)}
        for section, rows in parts.items():
            found.setdefault(section, []).extend(rows)
    number = sum(map(len, found.values()))
    if not number:
        raise Refused("The files contain no rows.", code="FILE_EMPTY")
    if number > MOST_ROWS:
        raise Refused(f"The files contain {number:,} rows. The maximum is {MOST_ROWS:,}.", code="TOO_MANY")
    return found


def _text(name: str, content: bytes) -> str:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _unreadable(name, "it is not UTF-8 text. Save it as CSV (UTF-8)") from error
    if "\0" in text or "\\u0000" in text:
        raise _unreadable(name, "it contains NUL characters")
    return text


def _document(name: str, text: str) -> Found:
    try:
        document = _without_surrogates(json.loads(text), text)
    except (ValueError, RecursionError) as error:
        raise _unreadable(name, f"it is not valid JSON ({error})") from error
    if not isinstance(document, dict):
        raise _unreadable(name, 'it must be one object: {"users": [...], "domains": [...], ...}')
    return {_section(key): _rows(name, key, value) for key, value in document.items() if _camel(key).lower() in _KNOWN}


def _without_surrogates(value: Any, text: str) -> Any:
    """Replace halves of a character, which JSON can escape and PostgreSQL can't store: `"\\ud83d"` of a cut emoji."""
    if "\\ud" not in text.lower():
        return value
    return json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))


def _rows(name: str, key: str, value: Any) -> list[dict[str, Any]]:
    """Return the rows of a list, or of an API response that contains the list as `data`."""
    rows = value.get("data") if isinstance(value, dict) else value
    if rows is None:
        return []
    if not isinstance(rows, list):
        raise _unreadable(name, f"{key} is not a list of rows")
    return [
        _line(row) if isinstance(row, dict) else {WHY_NOT: "The row is not an object with named fields."}
        for row in rows
    ]


def _table(name: str, text: str) -> list[dict[str, Any]]:
    """Return the rows of a CSV file with commas or semicolons. An unreadable line becomes a row with a reason."""
    first, *lines = list(StringIO(text, newline="")) or [""]
    delimiter = ";" if first.count(";") > first.count(",") else ","
    try:
        columns = next(csv.reader([first], strict=True, delimiter=delimiter))
    except (csv.Error, StopIteration) as error:
        raise _unreadable(name, f"its first line is not valid CSV ({error})") from error
    if (needed := _COLUMNS[_section(name)]) not in map(_camel, columns):
        raise _unreadable(name, f"its first line names no column “{needed}”")
    return [_line(row) for row in _cells(columns, lines, delimiter) if any(row.values())]


def _cells(columns: Sequence[str], lines: Sequence[str], delimiter: str) -> Iterator[dict[Any, Any]]:
    """Yield a row for each record. After an invalid record, reading continues at the line after its first."""
    start = 0
    while start < len(lines):
        rest = (lines[at] for at in range(start, len(lines)))  # a copy at each invalid record would be quadratic
        reader = csv.DictReader(rest, fieldnames=columns, strict=True, delimiter=delimiter)
        read = 0
        try:
            for row in reader:
                yield row
                read = reader.line_num
        except csv.Error as error:
            start += read + 1
            yield {WHY_NOT: f"Line {start + 1} of the file is not valid CSV ({error})."}
        else:
            return


def _line(row: dict[Any, Any]) -> dict[str, Any]:
    """Return a row of a CSV file or document. `config` and `headers` may be JSON in a string, as in a database."""
    why_not = str(row.pop(WHY_NOT, ""))
    why_not = "The line has more cells than the header line." if row.pop(None, None) else why_not
    for key in _JSON_COLUMNS:
        given = row.get(key)
        try:
            read = (json.loads(given) if given.strip() else None) if isinstance(given, str) else given
            row[key] = _without_surrogates(read, given) if isinstance(given, str) else read
        except (ValueError, RecursionError):
            row[key], why_not = None, f"{key} is not valid JSON."
        if not why_not and row[key] is not None and not isinstance(row[key], Mapping):
            row[key], why_not = None, f"{key} is not a JSON object."
    found = _named({key: value for key, value in row.items() if key not in _JSON_COLUMNS or value is not None})
    return {**found, WHY_NOT: why_not} if why_not else found


def _section(name: str) -> str:
    """Return the section that a file name such as `dns_records.csv` stands for. Raises Refused."""
    plain = _camel(name.rpartition("/")[2].removesuffix(".csv").removesuffix(".CSV")).lower()
    if plain not in _KNOWN:
        names = ", ".join(f"{_snake(section)}.csv" for section in SECTIONS)
        raise Refused(f"{name} could not be read. Use one of these file names: {names}.", code="FILE_UNREADABLE")
    return _KNOWN[plain]


def _named(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row with the API's camelCase keys instead of the database's snake_case."""
    return {_camel(key): value for key, value in row.items()}


def _camel(name: str) -> str:
    return re.sub(r"[_-]([a-zA-Z0-9])", lambda found: found[1].upper(), name.strip())


def _snake(name: str) -> str:
    return re.sub("([A-Z])", r"_\1", name).lower()


def _unreadable(name: str, why: str) -> Refused:
    return Refused(f"{name} could not be read: {why}.", code="FILE_UNREADABLE")
