"""The ID of the current bulk change, so everything that results from it carries the ID.

A batch opens `within` for each of its items. The change log reads `current`, and a job queued meanwhile keeps it as an
argument (`lib.jobs`), so the worker's later changes to the same object carry it too.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_current: ContextVar[str] = ContextVar("bulk_id", default="")


def current() -> str:
    """Return the ID; "" outside of a bulk change."""
    return _current.get()


@contextmanager
def within(bulk_id: str) -> Iterator[None]:
    """Assign changes and jobs queued inside to this bulk change."""
    token = _current.set(bulk_id)
    try:
        yield
    finally:
        _current.reset(token)
