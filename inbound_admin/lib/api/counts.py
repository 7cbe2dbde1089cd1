"""Counting what is very many: a program that walks the pages needs it once, not again for each page."""

import hashlib
from collections.abc import Callable
from typing import Any

from django.core.cache import cache
from django.db.models import QuerySet

MANY = 10_000  # rows; fewer are counted each time, in milliseconds
KEPT_SECONDS = 10


def counted(rows: "QuerySet[Any]", count: Callable[["QuerySet[Any]"], dict[str, int]]) -> dict[str, int]:
    """What `count` says of these rows, with its `total`; of more than MANY what it said in the last seconds."""
    sql, values = rows.order_by().query.sql_with_params()
    key = f"counted:{hashlib.sha256(repr((count.__qualname__, sql, values)).encode()).hexdigest()}"
    kept: dict[str, int] | None = cache.get(key)
    if kept is not None:
        return kept
    found = count(rows)
    if found["total"] > MANY:
        cache.set(key, found, KEPT_SECONDS)
    return found
