"""Where the old contract demands a result, a call waits for the worker; never longer than the setting says."""

import time
from collections.abc import Callable

from django.conf import settings

from inbound_admin.lib import slow_work

EVERY = 0.2  # seconds between two looks at our own rows

sleep: Callable[[float], None] = time.sleep
now: Callable[[], float] = time.monotonic


def wait_until(is_so: Callable[[], bool]) -> bool:
    """Whether it became so within API_WAIT_SECONDS; where too many wait already, whether it is so now.

    Not inside a transaction: it would see nothing new.
    """
    try:
        with slow_work.place():
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
