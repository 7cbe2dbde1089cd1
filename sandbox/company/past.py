"""A movable clock for us and the sandbox, so services store past times."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

import time_machine
from django.utils import timezone
from time_machine import Traveller

from sandbox.client import ControlClient


@dataclass(frozen=True)
class Past:
    """`today`: the real present."""

    host: ControlClient
    today: datetime
    traveller: Traveller

    def go_to(self, *, days: float) -> None:
        """Move to this many days ago."""
        self.traveller.move_to(self.today - timedelta(days=days))
        set_clock(self.host)


def set_clock(host: ControlClient) -> None:
    """Set the sandbox's clock to ours. In a test both are one process, so it already shows the same."""
    host.advance_clock((timezone.now() - host.now()).total_seconds())


@contextmanager
def past(host: ControlClient) -> Iterator[Past]:
    """Let time continue from where it is moved to. Both clocks are reset afterwards, whatever happened."""
    today = timezone.now()
    try:
        with time_machine.travel(today, tick=True) as traveller:
            yield Past(host, today, traveller)
    finally:
        set_clock(host)
