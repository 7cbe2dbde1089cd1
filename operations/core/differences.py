"""What can be decided about a difference between Amazon and our rows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Decision(StrEnum):
    """ADOPT: our rows become as Amazon is. RESTORE: Amazon becomes as our rows are. IGNORE: until it changes."""

    ADOPT = "adopt"
    RESTORE = "restore"
    IGNORE = "ignore"

    @property
    def words(self) -> str:
        return {"adopt": "Take over what Amazon has", "restore": "Make Amazon as we have it", "ignore": "Leave it"}[
            self
        ]


@dataclass(frozen=True)
class Found:
    """One difference as a look finds it. `key` names the subject and what is found there."""

    kind: str
    key: str
    subject: str
    sentence: str
    place: str = ""
    customer_id: str = ""
    wanted: Mapping[str, Any] = field(default_factory=dict)
    found: Mapping[str, Any] = field(default_factory=dict)
    may_adopt: bool = False
    may_restore: bool = False
