"""Stored states. A later version may store values that this one doesn't know; it reads them as unknown."""

from enum import StrEnum
from typing import Self

UNKNOWN_MEMBERS = ("UNSURE", "UNKNOWN", "COULD_NOT_CHECK")  # each subclass has one of these


class StoredState(StrEnum):
    @classmethod
    def _missing_(cls, value: object) -> Self:
        return next(each for each in cls if each.name in UNKNOWN_MEMBERS)
