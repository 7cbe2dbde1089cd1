"""Two real transactions at once, for tests with `transaction=True`."""

import threading
import time
from collections.abc import Callable
from typing import Any

import psycopg
from django.db import connection, transaction

MOST_SECONDS = 20
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


def result_of_second(first: Callable[[], object], second: Callable[[], object]) -> Any:
    """Begin `second` in another thread while the transaction of `first` is open, and commit that once `second` waits.

    Returns the result of `second`, or the exception that it raised.
    """
    ends: list[Any] = []
    with transaction.atomic():
        first()
        thread = begin(second, ends)
    thread.join(MOST_SECONDS)
    (end,) = ends
    return end


def begin(second: Callable[[], object], ends: list[Any]) -> threading.Thread:
    """Begin `second` in another thread, and return once it waits for a lock. Its result or exception goes to `ends`."""

    def run() -> None:
        try:
            ends.append(second())
        except Exception as error:  # noqa: BLE001  # the test compares it
            ends.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    _wait_until_blocked(thread)
    return thread


def _wait_until_blocked(thread: threading.Thread) -> None:
    """Wait until the other transaction waits for a lock of ours, or has ended without one."""
    params = connection.get_connection_params()
    names = ("host", "port", "user", "password", "dbname")
    until = time.monotonic() + MOST_SECONDS
    with psycopg.connect(**{name: params[name] for name in names if params.get(name)}, autocommit=True) as watching:
        while thread.is_alive() and time.monotonic() < until:
            row = watching.execute(WAITING).fetchone()
            if row and row[0]:
                return
            time.sleep(0.02)
