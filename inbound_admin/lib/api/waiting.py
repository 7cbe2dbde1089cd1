"""Where the old contract demands a result, a call waits for the worker; never longer than the setting says."""

import time
from collections.abc import Callable

from django.conf import settings

EVERY = 0.2  # seconds between two looks at our own rows

sleep: Callable[[float], None] = time.sleep
now: Callable[[], float] = time.monotonic


def wait_until(is_so: Callable[[], bool]) -> bool:
    """Whether it became so within API_WAIT_SECONDS. Not inside a transaction: it would see nothing new."""
    until = now() + settings.API_WAIT_SECONDS
    while not is_so():
        if now() >= until:
            return False
        sleep(EVERY)
    return True
