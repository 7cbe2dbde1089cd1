"""Tables that are read by a key, from code or from a TOML file next to its subject."""

import json
import tomllib
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter

Key = TypeVar("Key")
Row = TypeVar("Row")


def keyed(rows: Iterable[tuple[Key, Row]]) -> dict[Key, Row]:
    """Return a dict of the rows in order. Raises ValueError, when the module is imported, if a key occurs twice.

    A plain dict would silently keep the last of two rows with one key.
    """
    table: dict[Key, Row] = {}
    for key, row in rows:
        if key in table:
            raise ValueError(f"{key!r} appears twice in a table")
        table[key] = row
    return table


def read_toml(path: Path, shape: type[Row]) -> Row:
    """Parse the whole file as this type. Raises ValueError that names the file and the error."""
    try:
        return _read(tomllib.loads(path.read_text(encoding="utf-8")), TypeAdapter(shape))
    except ValueError as error:
        raise ValueError(f"{path.name}: {error}") from error


def read_rows(path: Path, row: type[Row]) -> dict[str, Row]:
    """Return a dataclass for each table of the file, whose name is the first field.

    Raises ValueError as `read_toml`.
    """
    first, *others = (each.name for each in fields(row))  # type: ignore[arg-type]  # of a dataclass
    table, adapter = {}, TypeAdapter(row)
    for key, values in read_toml(path, dict[str, dict[str, Any]]).items():
        try:
            if unknown := values.keys() - set(others):
                raise ValueError(f"there is no field {', '.join(sorted(unknown))}")  # noqa: TRY301  # as pydantic's
            table[key] = _read({first: key, **values}, adapter)
        except ValueError as error:
            raise ValueError(f"{path.name}, [{key}]: {error}") from error
    return table


def _read(values: dict[str, Any], adapter: TypeAdapter[Row]) -> Row:
    """Validate as JSON, whose arrays become tuples; no other types are converted."""
    return adapter.validate_json(json.dumps(values), strict=True)
