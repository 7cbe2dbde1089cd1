"""From looks to alerts: a condition is suspected, raised, and over. Pure: the time is an argument."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from alerts.core.kinds import Kind


class State(StrEnum):
    SUSPECTED = "suspected"
    OPEN = "open"
    RECOVERED = "recovered"


class Effect(StrEnum):
    """What a look came to; FORGOTTEN is a suspicion that was none."""

    NOTHING = "nothing"
    RAISED = "raised"
    RECOVERED = "recovered"
    FORGOTTEN = "forgotten"


@dataclass(frozen=True)
class Watch:
    """`looks` in a row that saw it, `clear` in a row that did not."""

    state: State
    since: datetime
    looks: int = 0
    clear: int = 0


def look(watch: Watch | None, *, firing: bool, kind: Kind, now: datetime) -> tuple[Watch | None, Effect]:
    """What is known after one more look, and what is to be done. None is "nothing is known of it"."""
    if not firing:
        return _clear(watch, kind)
    seen = Watch(State.SUSPECTED, now) if watch is None else watch
    seen = replace(seen, looks=seen.looks + 1, clear=0)
    if seen.state is State.OPEN or seen.looks < kind.looks or now - seen.since < kind.minimum_age:
        return seen, Effect.NOTHING
    return replace(seen, state=State.OPEN), Effect.RAISED


def _clear(watch: Watch | None, kind: Kind) -> tuple[Watch | None, Effect]:
    if watch is None:
        return None, Effect.NOTHING
    if watch.state is State.SUSPECTED:
        return None, Effect.FORGOTTEN
    seen = replace(watch, clear=watch.clear + 1)
    if seen.clear < kind.looks_clear:
        return seen, Effect.NOTHING
    return replace(seen, state=State.RECOVERED), Effect.RECOVERED
