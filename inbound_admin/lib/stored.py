"""Stored states, of which a later version may have more: they are read as unknown. And the keys of the cache."""

import hashlib
from enum import StrEnum
from typing import Self

UNKNOWN_MEMBERS = ("UNSURE", "UNKNOWN", "COULD_NOT_CHECK")  # each subclass has one of these


class StoredState(StrEnum):
    @classmethod
    def _missing_(cls, value: object) -> Self:
        return next(each for each in cls if each.name in UNKNOWN_MEMBERS)


LONGEST_KEY = 200  # the cache's column has 255 characters, and a longer key would never be found


def cache_key(key: str, key_prefix: str, version: int) -> str:
    """Return the stored key. Of a longer one it ends in a hash, since emails and names can be part of it."""
    if len(key) > LONGEST_KEY:
        key = f"{key[: LONGEST_KEY // 2]}:{hashlib.sha256(key.encode()).hexdigest()}"
    return f"{key_prefix}:{version}:{key}"
