"""The receipt rules' own differences as they stand on the board; what undoes them is the plan."""

from collections.abc import Iterable

from operations.core.differences import Found

AREA = "rules"
STRANGER_ACTIVE, NOT_AS_WANTED, NONE_ACTIVE = "stranger_active", "not_as_wanted", "none_active"


def found_in(rows: Iterable[tuple[str, str, str, str]]) -> tuple[Found, ...]:
    """Of each: key, kind, rule, sentence. What is merely not as wanted, or not there at all, cannot be accepted."""
    return tuple(
        Found(
            kind=kind,
            key=key[:500],
            subject=rule or "rule set",
            place=rule[:64],
            sentence=sentence,
            found={"rule": rule} if rule else {},
            may_adopt=kind not in (NOT_AS_WANTED, NONE_ACTIVE),
        )
        for key, kind, rule, sentence in rows
    )
