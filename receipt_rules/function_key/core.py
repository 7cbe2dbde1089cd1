"""Whether the receiving function has an API key that works, and for how long. Pure: the time is an argument."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from inbound_admin.lib.moments import minute_in_utc

WARNED_DAYS = (30, 7, 1)  # before a key in use expires: a notice at each
USED_LATELY = timedelta(days=1)
REPLACE = (
    "Create another key, store it for the function, then revoke this one. See “Replace the key” in docs/receiving.md."
)
NO_KEY = "No valid API key has the scopes “route” and “report”, so the function can't deliver mail."


class KeyProblem(StrEnum):
    EXPIRED = "it has expired"
    REVOKED = "it was revoked"
    NOT_STAFF = "its owner is no longer staff"


@dataclass(frozen=True)
class KeyUse:
    """A key with the scope “route”. `problem`: why it can't be used now; None if it can.

    `by_function_at`: when our function used it, as far as it is known; a person may try a key too.
    """

    name: str
    problem: KeyProblem | None
    has_both_scopes: bool
    used_at: datetime | None
    refused_at: datetime | None
    expires_at: datetime | None
    by_function_at: datetime | None


@dataclass(frozen=True)
class KeyReport:
    """Sentences, each "" if it doesn't apply. `stage`: which of the notices before the expiry is due.

    `stops_mail`: the refused key may be the one that the function uses.
    """

    missing: str = ""
    refused: str = ""
    stops_mail: bool = False
    expiring: str = ""
    stage: int = 0
    fine: str = ""


def report(keys: Sequence[KeyUse], now: datetime) -> KeyReport:
    """Return what is known of the function's key from the keys that it may have."""
    working = [key for key in keys if key.problem is None and key.has_both_scopes]
    stage, expiring = max((_expiring(key, now) for key in _in_use(keys, now)), default=(0, ""))
    missing, refused = "" if working else NO_KEY, _refused(keys)
    stops_mail = bool(refused) and any(_stops_mail(key, working) for key in keys)
    return KeyReport(missing, refused, stops_mail, expiring, stage, _fine(working) if working else "")


def _refused(keys: Sequence[KeyUse]) -> str:
    """A refusal counts until a key is accepted: the function then has a key that works."""
    refused = sorted((key.refused_at, number) for number, key in enumerate(keys) if key.refused_at is not None)
    if not refused:
        return ""
    moment, last = refused[-1][0], keys[refused[-1][1]]
    if any(key.by_function_at is not None and key.by_function_at >= moment for key in keys):
        return ""
    because = f": {last.problem}" if last.problem else ""
    at = minute_in_utc(moment)
    return f"The function's API key {last.name} was refused on {at}{because}. No mail is delivered with it. {REPLACE}"


def _stops_mail(key: KeyUse, working: Sequence[KeyUse]) -> bool:
    """Return whether a refused key may be the function's.

    It isn't if the function used a key that works after this one's last use, within a day before the refusal:
    somebody called with an old one. Each further refusal counts from its own time.
    """
    if key.refused_at is None or (key.by_function_at is not None and key.by_function_at >= key.refused_at):
        return False
    since = max(filter(None, (key.by_function_at, key.refused_at - USED_LATELY)))
    return not any(each.by_function_at is not None and each.by_function_at > since for each in working)


def _in_use(keys: Sequence[KeyUse], now: datetime) -> list[KeyUse]:
    """Return the key that was used last, and those used within a day: two functions may have one each."""
    used = sorted((key.used_at, number) for number, key in enumerate(keys) if key.used_at is not None)
    last = used[-1][1] if used else None
    found = [
        key
        for number, key in enumerate(keys)
        if key.used_at is not None and (number == last or now - key.used_at <= USED_LATELY)
    ]
    return [key for key in found if key.problem in (None, KeyProblem.EXPIRED)]


def _expiring(key: KeyUse, now: datetime) -> tuple[int, str]:
    """Return the stage and its sentence; the last stage is a key that has expired."""
    if key.expires_at is None:
        return 0, ""
    left = key.expires_at - now
    stage = sum(left <= timedelta(days=days) for days in WARNED_DAYS) + (left <= timedelta(0))
    if not stage:
        return 0, ""
    day = f"{key.expires_at:%-d %B %Y}"
    when = f"expired on {day}" if left <= timedelta(0) else f"expires on {day}. From then on, no mail is delivered"
    return stage, f"The function's API key {key.name} {when}. {REPLACE}"


def _fine(working: Sequence[KeyUse]) -> str:
    last = max(working, key=lambda key: key.used_at.timestamp() if key.used_at else 0)
    until = f"expires on {last.expires_at:%-d %B %Y}" if last.expires_at else "doesn't expire"
    used = f"was last used on {minute_in_utc(last.used_at)}" if last.used_at else "hasn't been used yet"
    return f"{last.name} {until} and {used}."
