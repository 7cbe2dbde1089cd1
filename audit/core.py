"""The change log in words for people."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inbound_admin.lib.tables import keyed, read_toml

_WORDS = read_toml(Path(__file__).with_name("words.toml"), dict[str, dict[str, str]])
WORDS = keyed((f"{about}.{done}", words) for about, verbs in _WORDS.items() for done, words in verbs.items())
NAMES = {
    "dkim_signing": "signing (DKIM)",
    "dkim_tokens": "signing keys",
    "dmarc_reports_to": "summaries about forged mail (DMARC) to",
    "dkim_zone": "zone of the signing keys",
    "mail_from": "return address (MAIL FROM)",
    "on_mx_failure": "while it is not ready",
    "wants_apex_spf": "sender record (SPF)",
    "wants_dmarc": "record against forged mail (DMARC)",
}
VALUES = {"UseDefaultValue": "send with Amazon's own", "RejectMessage": "refuse to send"}


@dataclass(frozen=True)
class Detail:
    """One thing that a change touched; None is "was not there" or "is there no more"."""

    name: str
    old: str | None
    new: str | None


def words_for(what: str) -> str:
    """A verb without words of its own is shown as it is written in the log."""
    return WORDS.get(what, what)


def details(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Detail, ...]:
    """What differs, in the order in which it was written."""
    keys = dict.fromkeys((*before, *after))
    return tuple(Detail(NAMES.get(k, k.replace("_", " ")), _text(before.get(k)), _text(after.get(k))) for k in keys)


def _text(value: Any) -> str | None:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    if isinstance(value, str):
        return VALUES.get(value, value.replace("_", " ") if value.islower() and "." not in value else value) or None
    return None if value is None else str(value)
