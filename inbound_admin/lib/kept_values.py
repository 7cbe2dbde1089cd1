"""Values that may be minutes old, such as counts of many rows.

They stand in the cache that all processes share, so all show one value until it expires. Until then, a process that
has read it doesn't read it again: pages need several, and each read is a query.
"""

import time
from collections.abc import Iterable
from typing import Any

from django.core.cache import cache, caches

PROCESS = "process"


def kept_values(keys: Iterable[str]) -> dict[str, Any]:
    """Return what is kept under these keys; expired ones are left out."""
    own, keys = caches[PROCESS], list(keys)
    found: dict[str, Any] = own.get_many(keys)
    shared = cache.get_many([_shared(key) for key in keys if key not in found])
    for key in keys:
        if _shared(key) in shared:
            found[key], expires = shared[_shared(key)]
            own.set(key, found[key], expires - time.time())
    return found


def kept_value(key: str) -> Any:
    """Return what is kept under this key, or None."""
    return kept_values([key]).get(key)


def keep_value(key: str, value: object, seconds: int) -> None:
    """Keep a value for all processes. This one reads it too, since another may keep its own at the same moment."""
    cache.set(_shared(key), (value, time.time() + seconds), seconds)


def _shared(key: str) -> str:
    return f"kept:{key}"  # apart from values without an expiry, which the keys themselves had before
