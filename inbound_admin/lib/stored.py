"""States that we store, of which a later version may know more. While both run, this one reads those as not told."""

from enum import StrEnum
from typing import Self

UNTOLD = ("UNSURE", "UNKNOWN", "COULD_NOT_CHECK")  # one of these is a member


class StoredState(StrEnum):
    @classmethod
    def _missing_(cls, value: object) -> Self:
        return next(each for each in cls if each.name in UNTOLD)
