"""Say in plain words what is wrong with a request, in place of the messages of the validation library.

A sentence names the field as the caller wrote it, and never a class or a Python type of ours.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from django.db.models import QuerySet

from inbound_admin.lib.errors import Malformed

MOST_DETAILS = 50
MOST_CHOICES = 40
LONGEST_NAME = 200
_WHOLE = {"body": "The body", "query": "The query string", "path": "The path"}
_DAY, _MOMENT = "a date, such as 2026-05-04", "a time in ISO 8601, such as 2026-05-04T12:00:00Z"
_MISSING = {
    "customer": "CUSTOMER_MISSING",
    "domain": "DOMAIN_MISSING",
    "endpoint": "ENDPOINT_MISSING",
    "webhook": "WEBHOOK_MISSING",
}
# By the beginning of the library's type of error: the first that fits.
_KINDS = (
    ("string_unicode", "must be valid Unicode"),
    ("string_pattern_mismatch", "has a character that isn't allowed here, such as a control character"),
    ("int_parsing_size", "is too large a number"),
    ("timezone", "must have a time zone, such as 2026-05-04T12:00:00Z"),
    ("missing", "is required"),
    ("extra_forbidden", "isn't a field of this call"),
    ("none_required", "must be null"),
    ("string", "must be a string"),
    ("int", "must be a whole number"),
    ("float", "must be a number"),
    ("finite_number", "must be a finite number"),
    ("decimal", "must be a number"),
    ("bool", "must be true or false"),
    ("list", "must be an array"),
    ("tuple", "must be an array"),
    ("set", "must be an array"),
    ("dict", "must be an object"),
    ("mapping", "must be an object"),
    ("model", "must be an object"),
    ("datetime", f"must be {_MOMENT}"),
    ("date", f"must be {_DAY}"),
)
# With the number from the error's context.
_BOUNDS = {
    "greater_than": ("gt", "must be greater than {}"),
    "greater_than_equal": ("ge", "must be at least {}"),
    "less_than": ("lt", "must be less than {}"),
    "less_than_equal": ("le", "must be at most {}"),
    "multiple_of": ("multiple_of", "must be a multiple of {}"),
    "string_too_short": ("min_length", "must have at least {} {characters}"),
    "string_too_long": ("max_length", "must have at most {} {characters}"),
    "too_short": ("min_length", "must have at least {} {items}"),
    "too_long": ("max_length", "must have at most {} {items}"),
}


def where(place: Sequence[str | int]) -> str:
    """Return the location as the caller wrote it, without our function's argument that holds the body."""
    source, *inside = place
    return ".".join(map(str, (source, *_inside(str(source), inside))))[:LONGEST_NAME]


def sentence(error: Mapping[str, Any]) -> str:
    """Return the sentence for one error of the validation library."""
    source, *inside = error["loc"]
    name = _name(_inside(str(source), inside)) or _WHOLE.get(str(source), "The request")
    return f"{name} {_problem(str(error['type']), error.get('ctx') or {})}."


def malformed(place: str, problem: str, *, code: str = "") -> Malformed:
    """Return the exception for a value that only our data shows to be wrong, in the format of all others."""
    name = place.partition(".")[2]
    said = f"{name} {problem}."
    return Malformed(said, code=code, details=[{"where": place, "what": said}])


def one_of(choices: Sequence[str]) -> str:
    """Return “must be one of: a, b”. Of very many choices, the first are named."""
    named = [choice for choice in choices if choice]
    more = f" and {len(named) - MOST_CHOICES:,} more" if len(named) > MOST_CHOICES else ""
    return f"must be {'one of: ' if len(named) > 1 else ''}{', '.join(named[:MOST_CHOICES])}{more}"


def _inside(source: str, place: Sequence[str | int]) -> Sequence[str | int]:
    return place[1:] if source == "body" else place


def _name(place: Sequence[str | int]) -> str:
    """Return `deliveries[0].bytes`."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    return "".join(parts).removeprefix(".")[:LONGEST_NAME]


def _problem(kind: str, context: Mapping[str, Any]) -> str:
    if kind in ("literal_error", "enum"):
        return one_of(re.findall(r"'([^']*)'", str(context.get("expected", ""))))
    if kind == "value_error":  # raised by our own validators, which say "must be …"
        return str(context.get("error", "isn't valid"))
    if kind in _BOUNDS:
        key, words = _BOUNDS[kind]
        many = context.get(key) != 1
        plural = {"characters": "characters" if many else "character", "items": "items" if many else "item"}
        return words.format(context.get(key), **plural)
    return next((words for beginning, words in _KINDS if kind.startswith(beginning)), "isn't valid")


def require_id(key: str | None, rows: "QuerySet[Any]", field: str, noun: str) -> None:
    """Raise Malformed if the filter `field` has an ID of none of these rows, which are all that the caller can see.

    An empty list would tell a program that there is nothing, and hide that the ID is wrong or another customer's.
    """
    if key is not None and not rows.filter(pk=key).exists():
        said = f"No {noun} has this ID."
        details = [{"where": f"query.{field}", "what": said}]
        raise Malformed(said, code=_MISSING[noun], details=details)


def require_choice(value: str, choices: Collection[str], field: str, *, occurring: "QuerySet[Any]") -> None:
    """Raise Malformed unless it is empty, a choice, or a value of an earlier version that rows still have."""
    if value and value not in choices and not occurring.exists():
        raise malformed(f"query.{field}", one_of(sorted(choices)))
