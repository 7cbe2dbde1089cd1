"""The change log of a customer in words for people."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_WORDS = {
    "customer.created": "Created the customer",
    "customer.renamed": "Changed the name",
    "customer.deleted": "Deleted the customer",
    "member.invited": "Invited somebody",
    "member.joined": "Joined by an invitation",
    "member.role_changed": "Changed a member's role",
    "member.removed": "Removed a member",
    "member.left": "Left",
    "invitation.revoked": "Withdrew an invitation",
}


@dataclass(frozen=True)
class Detail:
    """One thing that a change touched; None is "was not there" or "is there no more"."""

    name: str
    old: str | None
    new: str | None


def words_for(what: str) -> str:
    """A verb without words of its own is shown as it is written in the log."""
    return _WORDS.get(what, what)


def details(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Detail, ...]:
    names = list(dict.fromkeys((*before, *after)))
    return tuple(Detail(name.replace("_", " "), _text(before.get(name)), _text(after.get(name))) for name in names)


def _text(value: Any) -> str | None:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return None if value is None else str(value)
