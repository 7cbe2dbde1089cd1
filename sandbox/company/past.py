"""A clock that is moved: ours and that of the pretend SES together, so that what services do happened then."""

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
    """`today` is the real present."""

    host: ControlClient
    today: datetime
    traveller: Traveller

    def go_to(self, *, days: float) -> None:
        """So many days before the present."""
        self.traveller.move_to(self.today - timedelta(days=days))
        set_clock(self.host)


def set_clock(host: ControlClient) -> None:
    """The sandbox's clock shows what ours shows. In a test both are in one process, and then it does already."""
    host.advance_clock((timezone.now() - host.now()).total_seconds())


@contextmanager
def past(host: ControlClient) -> Iterator[Past]:
    """Time continues from wherever it is moved to. Afterwards both clocks are correct again, whatever happened."""
    today = timezone.now()
    try:
        with time_machine.travel(today, tick=True) as traveller:
            yield Past(host, today, traveller)
    finally:
        set_clock(host)
