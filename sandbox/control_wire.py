"""The control API over HTTP: the method's name in the path, arguments and result as JSON."""

from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from datetime import datetime
from typing import Any

from sandbox.control import Control
from sandbox.dns.mistake import WantedRecord

METHODS = frozenset(
    name for kind in Control.__mro__ for name, member in vars(kind).items() if callable(member) and name[0] != "_"
)


def answer(control: Control, method: str, arguments: Mapping[str, Any]) -> object:
    """Raises LookupError for an unknown method, else what the method raises."""
    if method not in METHODS:
        raise LookupError(f"Unknown control API method: {method}.")
    return as_json(getattr(control, method)(**_typed(arguments)))


def as_json(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if is_dataclass(value) and not isinstance(value, type):
        return as_json(asdict(value))
    if isinstance(value, Mapping):
        return {key: as_json(member) for key, member in value.items()}
    return [as_json(member) for member in value] if isinstance(value, list | tuple) else value


def _typed(arguments: Mapping[str, Any]) -> dict[str, Any]:
    wanted = arguments.get("wanted")
    if isinstance(wanted, list):
        return {**arguments, "wanted": [WantedRecord(**one) for one in wanted]}
    return {**arguments, "wanted": WantedRecord(**wanted)} if wanted is not None else dict(arguments)
