"""Pages of sorted names. A token names the last item of a page, and its list."""

import base64
import json
from collections.abc import Callable, Sequence
from typing import TypeVar

Item = TypeVar("Item")


class BadToken(ValueError):
    """The token is empty, malformed, or was made for another list."""


def page(
    items: Sequence[Item], key: Callable[[Item], str], *, size: int, token: str | None, scope: str
) -> tuple[list[Item], str | None]:
    """Return a page of `items`, sorted by `key`, after the token's item. Raises BadToken."""
    after = "" if token is None else _read(token, scope)
    rest = sorted((item for item in items if key(item) > after), key=key)
    more = len(rest) > size
    return rest[:size], _write(key(rest[size - 1]), scope) if more else None


def _write(last: str, scope: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([scope, last]).encode()).decode()


def _read(token: str, scope: str) -> str:
    try:
        made_for, last = json.loads(base64.urlsafe_b64decode(token.encode()))
    except (ValueError, TypeError) as problem:
        raise BadToken(token) from problem
    if made_for != scope:
        raise BadToken(token)
    return str(last)
