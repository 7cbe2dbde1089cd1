"""Decides from one seed which faults happen, when, and for how long."""

import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from benchmarks.machines.fleet import RESTART_SECONDS, Fleet
from benchmarks.machines.network import AMAZON, WEBS, WORKERS, Network

WORKER_KILLED, WEB_KILLED, CUT_OFF = "worker killed", "web process killed", "machine cut off"
RESTARTED, CRASHED, AMAZON_KILLED = "database restarted", "database crashed", "Amazon killed"
WEIGHTS = {WORKER_KILLED: 6, WEB_KILLED: 4, CUT_OFF: 3, RESTARTED: 1, CRASHED: 1, AMAZON_KILLED: 1}
BETWEEN = (4.0, 20.0)  # seconds between faults
GONE = (1.0, 6.0)  # seconds until a killed process is restarted
CUT = (4.0, 15.0)
LONG_CUT = 45.0  # longer than other workers wait before they take over its jobs
LONG_FROM = 240.0  # minimum seconds of a run with long faults


@dataclass
class Event:
    """`end` is 0 while it lasts."""

    kind: str
    who: str
    begin: float
    end: float = 0.0


@dataclass
class Fire:
    network: Network
    fleet: Fleet
    chance: random.Random
    seconds: float
    events: list[Event] = field(default_factory=list)
    _mends: list[tuple[float, Event, Callable[[], None]]] = field(default_factory=list)
    _next: float = 0.0

    def __post_init__(self) -> None:
        """Plan each kind once, in random order; then by weight."""
        self._first = list(WEIGHTS)
        self.chance.shuffle(self._first)
        self._next = time.monotonic() + self.chance.uniform(*BETWEEN)

    def go_on(self) -> None:
        """Start and end faults that are due."""
        self.mend(only_due=True)
        if time.monotonic() < self._next:
            return
        kind = self._first.pop() if self._first else self.chance.choices([*WEIGHTS], [*WEIGHTS.values()])[0]
        self._begin(kind)
        self._next = time.monotonic() + self.chance.uniform(*BETWEEN)

    def mend(self, *, only_due: bool = False) -> None:
        for each in list(self._mends):
            due, event, mended = each
            if due <= time.monotonic() or not only_due:
                mended()
                event.end = time.time()
                self._mends.remove(each)

    def counts(self) -> Counter[str]:
        return Counter(event.kind for event in self.events)

    def is_calm(self, begin: float, end: float, *, rest: float) -> bool:
        """Return whether there was no fault then, or `rest` seconds before, while killed processes restart."""
        return not any(each.begin <= end and (each.end or end) + rest >= begin for each in self.events)

    def _begin(self, kind: str) -> None:
        who = self._whom(kind)
        if not who:
            return
        event = Event(kind, who, time.time())
        self.events.append(event)
        if kind in (RESTARTED, CRASHED):
            self._restart_database(event)
        elif kind == CUT_OFF:
            self.network.cut(who)
            self._mend_after(self._length_of_a_cut(), event, lambda: self.network.join_again(who))
        else:
            self.fleet.kill(who)
            self._mend_after(self.chance.uniform(*GONE), event, lambda: self.fleet.start(who))

    def _whom(self, kind: str) -> str:
        """Choose a healthy target; "" if it is the last one of its kind."""
        if kind in (RESTARTED, CRASHED):
            return "database"
        if kind == AMAZON_KILLED:
            return "" if self._is_hit(AMAZON) else AMAZON
        kinds = {WORKER_KILLED: [WORKERS], WEB_KILLED: [WEBS], CUT_OFF: [WORKERS, WEBS]}
        well = [name for name in self.chance.choice(kinds[kind]) if not self._is_hit(name)]
        return self.chance.choice(well) if len(well) > 1 else ""

    def _is_hit(self, name: str) -> bool:
        return not self.fleet.runs(name) or any(event.who == name for _, event, _ in self._mends)

    def _length_of_a_cut(self) -> float:
        is_long = self.seconds >= LONG_FROM and self.chance.random() < 1 / 3
        return LONG_CUT if is_long else self.chance.uniform(*CUT)

    def _restart_database(self, event: Event) -> None:
        if event.kind == CRASHED:
            self.fleet.crash_database()
        else:
            self.fleet.server.stop()
        time.sleep(self.chance.uniform(*GONE) / 2)
        self.fleet.start_database()
        event.end = time.time() + RESTART_SECONDS  # a worker that has lost its database ends and is restarted

    def _mend_after(self, seconds: float, event: Event, mended: Callable[[], None]) -> None:
        self._mends.append((time.monotonic() + seconds, event, mended))
