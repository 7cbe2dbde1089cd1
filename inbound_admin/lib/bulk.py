"""The id of the bulk change under way, so that what follows from it can carry it too.

A batch opens `within` for each of its items. The change log reads `current`, and a job that is queued meanwhile keeps
it as an argument (`lib.jobs`): what the worker does later for the same object stands under the same id.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_current: ContextVar[str] = ContextVar("bulk_id", default="")


def current() -> str:
    """Empty outside of a bulk change."""
    return _current.get()


@contextmanager
def within(bulk_id: str) -> Iterator[None]:
    """Inside, changes and queued jobs are of this bulk change."""
    token = _current.set(bulk_id)
    try:
        yield
    finally:
        _current.reset(token)
