"""Work on the rows of many customers: an error with one row is that row's alone.

Without it, one row that always fails ends the pass each time, and every row after it waits for ever. AWS's errors and a
lost database concern all rows, so they end the pass, and the job is retried.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import structlog

from inbound_admin.lib.database import is_outage
from inbound_admin.lib.errors import AwsBusy, AwsProblem, AwsUnreachable

Row = TypeVar("Row")
Found = TypeVar("Found")
INTERNAL_ERROR = "We couldn't do this because of an internal error (see the worker’s log)."
log = structlog.get_logger(__name__)


def each_alone(
    what: str, rows: Iterable[Row], act: Callable[[Row], object], *, postpone: Callable[[Row], object] | None = None
) -> list[Row]:
    """Act on each row. Return those that succeeded. One that raises is logged and, with `postpone`, tried later."""
    return [row for row in rows if _succeeded(what, (row,), lambda some: act(some[0]), postpone)]


def together(
    what: str,
    rows: Sequence[Row],
    act: Callable[[Sequence[Row]], object],
    *,
    postpone: Callable[[Row], object] | None = None,
) -> None:
    """Act on all rows at once. If that raises, act on each half of them, down to the row that raises. `act` repeats."""
    if not rows or _succeeded(what, rows, act, postpone):
        return
    if len(rows) > 1:
        middle = len(rows) // 2
        for half in (rows[:middle], rows[middle:]):
            together(what, half, act, postpone=postpone)


def past_refusals(
    rows: Iterable[Row],
    act: Callable[[Row], object],
    *,
    stops: tuple[type[AwsProblem], ...] = (AwsBusy, AwsUnreachable),
) -> None:
    """Act on each row. What AWS refuses for one is raised after the others; at once if AWS answers nobody (`stops`)."""
    refused: AwsProblem | None = None
    for row in rows:
        try:
            act(row)
        except stops:
            raise
        except AwsProblem as problem:
            refused = refused or problem
    if refused is not None:
        raise refused


def or_else(what: str, row: object, act: Callable[[], Found], otherwise: Callable[[], Found]) -> Found:
    """Return what `act` found for a row of a pass that goes on with it. If it raises, that is logged."""
    found: list[Found] = []
    each_alone(what, (row,), lambda _: found.append(act()))
    return found[0] if found else otherwise()


def log_or_raise(what: str, row: object, error: Exception) -> None:
    """Log an unexpected error of a row. Raise it if the next row would fail too: AWS or the database doesn't answer."""
    if isinstance(error, AwsProblem) or is_outage(error):
        raise error
    log.error("a row failed; the others go on", work=what, row=str(row), exc_info=error)


def _succeeded(
    what: str,
    rows: Sequence[Row],
    act: Callable[[Sequence[Row]], object],
    postpone: Callable[[Row], object] | None,
) -> bool:
    try:
        act(rows)
    except Exception as error:  # noqa: BLE001  # logged, or raised again
        log_or_raise(what, getattr(rows[0], "pk", rows[0]) if len(rows) == 1 else f"one of {len(rows)}", error)
        if len(rows) == 1 and postpone is not None:
            postpone(rows[0])
        return False
    return True
