"""The findings by stable code (`codes.toml`): title, broken link, and text of at most sixty words."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from inbound_admin.lib.tables import read_rows


@dataclass(frozen=True)
class Code:
    """`mistake` is the number in the catalogue of DNS mistakes, "" if it has none. `link` is a key of `findings.LINKS`.

    `why` and `then` are set only if they differ from the defaults for the record's purpose and the expected time.
    `severity`: see `findings.Severity`. `is_entered`: the record must be entered exactly as shown, which would be wrong
    advice for all others. `names_type`: what was looked for and found is shown with its type.
    """

    code: str
    title: str
    link: str
    verdict: str
    mistake: str = ""
    steps: tuple[str, ...] = ()
    why: str | None = None
    then: str | None = None
    more: str = ""
    severity: Literal["red", "broken", "wait", "note", "unknown"] = "broken"
    is_entered: bool = False
    names_type: bool = False


CODES: Mapping[str, Code] = read_rows(Path(__file__).with_name("codes.toml"), Code)
MISTAKES = tuple(sorted({code.mistake for code in CODES.values()} - {""}))
