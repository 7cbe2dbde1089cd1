"""Requested faults, and the log of calls."""

import json
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import TextIO, get_args

from sandbox.values import Call, Fault, FaultKind

FAULT_KINDS: tuple[str, ...] = get_args(FaultKind)
KEPT_CALLS = 2000
READS = ("Get", "List", "Describe", "BatchGet", "Test")


class ProcessCut(BaseException):
    """The calling process "dies" here: the call was applied, the caller never learns it, no except clause runs."""


class ConnectionCut(Exception):
    """Tells the HTTP server to close the connection without a response."""


@dataclass
class _Armed:
    fault: Fault
    seen: int = 0
    fired: int = 0

    def takes(self, service: str, operation: str) -> bool:
        if self.fault.operation not in ("*", operation, f"{service}:*", f"{service}:{operation}"):
            return False
        self.seen += 1
        return self.seen >= self.fault.nth and not self.spent

    @property
    def spent(self) -> bool:
        return self.fault.times is not None and self.fired >= self.fault.times


class Faults:
    def __init__(self) -> None:
        self._armed: list[_Armed] = []
        self._ids = count(1)

    def add(
        self, kind: FaultKind, operation: str = "*", *, nth: int = 1, times: int | None = 1, seconds: float = 0.0
    ) -> Fault:
        """Raises ValueError for an unknown kind or a count below 1."""
        if kind not in FAULT_KINDS:
            raise ValueError(f"Unknown fault {kind!r}. Choose from: {', '.join(FAULT_KINDS)}.")
        if nth < 1 or (times is not None and times < 1):
            raise ValueError("nth and times must be at least 1.")
        fault = Fault(f"fault-{next(self._ids)}", operation, kind, nth, times, seconds)
        self._armed.append(_Armed(fault))
        return fault

    def take(self, service: str, operation: str) -> Fault | None:
        """Count this call for every matching fault, and return the first that is due."""
        due = [armed for armed in self._armed if armed.takes(service, operation)]
        if not due:
            return None
        due[0].fired += 1
        self._armed = [armed for armed in self._armed if not armed.spent]
        return due[0].fault

    def all(self) -> tuple[Fault, ...]:
        return tuple(armed.fault for armed in self._armed)

    def remove(self, fault_id: str) -> None:
        self._armed = [armed for armed in self._armed if armed.fault.id != fault_id]

    def clear(self) -> None:
        self._armed.clear()


class CallLog:
    def __init__(self) -> None:
        self._calls: deque[Call] = deque(maxlen=KEPT_CALLS)
        self.counts: Counter[str] = Counter()
        self._numbers = count(1)
        self._kept: TextIO | None = None

    def keep_in(self, path: Path | None) -> None:
        """From now on also write each call to the file, continuing its counts. None ends it."""
        if self._kept:
            self._kept.close()
        self._kept = None
        if path:
            self.clear()
            for call in read_calls(path):
                self._remember(call)
            self._numbers = count(self._calls[-1].number + 1 if self._calls else 1)
            self._kept = path.open("a", buffering=1)

    def add(self, at: datetime, service: str, operation: str, region: str, subject: str, outcome: str) -> None:
        write = not operation.startswith(READS)
        call = Call(next(self._numbers), at, service, operation, region, subject, outcome, write)
        self._remember(call)
        if self._kept:
            self._kept.write(json.dumps(asdict(call), default=datetime.isoformat) + "\n")

    def _remember(self, call: Call) -> None:
        self._calls.append(call)
        self.counts[call.operation] += 1

    def last(self, how_many: int, *, writes_only: bool = False) -> tuple[Call, ...]:
        chosen: Iterable[Call] = (call for call in self._calls if call.write or not writes_only)
        return tuple(chosen)[-how_many:]

    def clear(self) -> None:
        self._calls.clear()
        self.counts.clear()
        self._numbers = count(1)


def read_calls(path: Path) -> Iterator[Call]:
    """Read a file of `keep_in`, without a line that the end of the process truncated."""
    for line in path.read_text().splitlines() if path.exists() else ():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        yield Call(**entry | {"at": datetime.fromisoformat(entry["at"])})
