"""The mail log for the page *Mail* and for tests: messages, the function's jobs, and calls to the sink."""

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

KEPT = 200
LONGEST_BODY = 100_000  # characters that the sink shows of one call


@dataclass(frozen=True)
class MailEntry:
    """One envelope. `steps`: sentences in order. `is_accepted`: what the sender was told."""

    at: datetime
    message_id: str
    sender: str
    recipients: tuple[str, ...]
    size: int
    is_accepted: bool
    steps: tuple[str, ...]


@dataclass
class FunctionJob:
    """One event for the function. `state`: waiting, done, or dead (a dead letter)."""

    id: str
    region: str
    event: dict[str, Any]
    due: datetime
    state: str = "waiting"
    tries: int = 0
    problem: str = ""


@dataclass(frozen=True)
class SinkCall:
    """One POST to the sink. `status`: its response."""

    at: datetime
    name: str
    status: int
    headers: dict[str, str]
    body: str


@dataclass
class MailLog:
    """Guarded by the world's lock. `failures`: how many more calls each sink fails."""

    entries: deque[MailEntry] = field(default_factory=lambda: deque(maxlen=KEPT))
    jobs: deque[FunctionJob] = field(default_factory=deque)
    calls: deque[SinkCall] = field(default_factory=lambda: deque(maxlen=KEPT))
    failures: dict[str, int] = field(default_factory=dict)
    made: int = 0

    def add_job(self, region: str, event: dict[str, Any], now: datetime) -> None:
        self.made += 1
        self.jobs.append(FunctionJob(str(self.made), region, event, now))
        over = [job for job in self.jobs if job.state == "done"][:-KEPT]
        for job in over:
            self.jobs.remove(job)

    def clear(self) -> None:
        self.entries.clear()
        self.jobs.clear()
        self.calls.clear()
        self.failures.clear()
