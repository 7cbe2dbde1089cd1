"""Lets a call wait for the worker where the old contract requires a result, up to a setting's seconds."""

import time
from collections.abc import Callable

from django.conf import settings

from inbound_admin.lib import slow_work

EVERY = 0.2  # seconds between two reads of our own rows

sleep: Callable[[float], None] = time.sleep
now: Callable[[], float] = time.monotonic


def wait_until(is_so: Callable[[], bool]) -> bool:
    """Return whether it becomes true within API_WAIT_SECONDS. If too many calls wait already, return the current value.

    Don't call it in a transaction, which would see no changes.
    """
    try:
        with slow_work.slot():
            return _wait(is_so)
    except slow_work.TooManyAtOnce:
        return is_so()


def _wait(is_so: Callable[[], bool]) -> bool:
    until = now() + settings.API_WAIT_SECONDS
    while not is_so():
        if now() >= until:
            return False
        sleep(EVERY)
    return True
