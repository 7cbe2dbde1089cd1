"""Scopes of an API key and its state at a given time."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum

USED_EVERY = timedelta(minutes=1)  # otherwise a busy key would write its row at every call


class Scope(StrEnum):
    READ = "read"
    WRITE = "write"
    STAFF = "staff"
    ROUTE = "route"
    REPORT = "report"


FUNCTION_SCOPES = frozenset({Scope.ROUTE, Scope.REPORT})  # of what receives mail: no limit holds a message up
OF_EVERYBODY = frozenset({Scope.STAFF, Scope.ROUTE, Scope.REPORT})  # they reach the rows of every customer


class KeyState(StrEnum):
    VALID = "valid"
    REVOKED = "revoked"
    EXPIRED = "expired"


def key_state(now: datetime, *, expires_at: datetime | None, revoked_at: datetime | None) -> KeyState:
    """Return the state of a key. It expires at `expires_at`; None means no expiry."""
    if revoked_at is not None:
        return KeyState.REVOKED
    return KeyState.EXPIRED if expires_at is not None and now >= expires_at else KeyState.VALID


def scopes_named(names: Iterable[str]) -> tuple[Scope, ...]:
    """Return the scopes without duplicates, in the order of Scope. Raises ValueError for an unknown one."""
    wanted = {Scope(name) for name in names}
    return tuple(scope for scope in Scope if scope in wanted)


def is_use_worth_writing(now: datetime, last: datetime | None) -> bool:
    return last is None or now - last >= USED_EVERY
