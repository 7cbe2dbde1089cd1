"""Every finding by its stable code (`codes.toml`): its title, the link it breaks, its text in at most sixty words."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from inbound_admin.lib.tables import read_rows


@dataclass(frozen=True)
class Code:
    """`mistake` is its number in the catalogue, "" for what is none; `link` is a key of `findings.LINKS`.

    A code has its own `why` and `then` only where they differ from the record's purpose and the expected time.
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


CODES: Mapping[str, Code] = read_rows(Path(__file__).with_name("codes.toml"), Code)
MISTAKES = tuple(sorted({code.mistake for code in CODES.values()} - {""}))
