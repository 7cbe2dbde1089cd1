"""Limits how many web requests wait for DNS, AWS or a customer's server at once, so that other threads serve pages.

Each takes a slot of its customer and a slot of all. A slot is an advisory lock of PostgreSQL, so it counts across
processes, and a process that dies frees its slots with its connection. Without a free slot the request is refused at
once (429); it never waits. Worker and commands have threads of their own and need no slot.

    with slow_work.slot(customer=domain.customer_id):      # before anything is stored
        answers = look_up(...)

Code that accesses the network takes a slot itself if its caller took none: `domains.dns.services`,
`notifications.webhooks.services.post`, `lib.aws`. A slot inside a slot is the same one.

`wait_until` lets a call wait for the worker where the old contract of the API requires a result.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import structlog
from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse

from inbound_admin.lib.errors import RateLimited

SECONDS = 10.0  # total for the DNS lookups of one slot
RETRY_AFTER = 3  # seconds
EVERY = 0.2  # seconds between two reads of our own rows, while a call waits for the worker
TAKE = """
    SELECT slot FROM generate_series(1, %(most)s) AS slot
    WHERE pg_try_advisory_lock(hashtextextended('slow work ' || %(name)s || ' ' || slot, 0)) LIMIT 1
"""
FREE = "SELECT pg_advisory_unlock(hashtextextended('slow work ' || %(name)s || ' ' || %(slot)s, 0))"

sleep: Callable[[float], None] = time.sleep
now: Callable[[], float] = time.monotonic
log = structlog.get_logger(__name__)
_request: ContextVar[HttpRequest | None] = ContextVar("slow_work_request", default=None)
_also: ContextVar[tuple[str, ...]] = ContextVar("slow_work_also", default=())
_ends: ContextVar[float | None] = ContextVar("slow_work_ends", default=None)

Taken = tuple[str, int]


class TooManyAtOnce(RateLimited):
    """The limit of requests waiting for the network is reached. Nothing was changed."""

    code = "TOO_MANY_AT_ONCE"


@dataclass(frozen=True)
class Bound:
    """A limit of slots under a name."""

    name: str
    most: int


def bounded(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware that limits network work within requests."""

    def middleware(request: HttpRequest) -> HttpResponse:
        token = _request.set(request)
        try:
            return get_response(request)
        finally:
            _request.reset(token)

    return middleware


def is_in_request() -> bool:
    """Whether this runs within a web request."""
    return _request.get() is not None


@contextmanager
def slot(*, customer: str = "") -> Iterator[None]:
    """Hold a slot of the customer, or else of the caller. Raises TooManyAtOnce."""
    if not is_in_request() or _ends.get() is not None:
        yield
        return
    taken = _take_all(_bounds(customer))
    token = _ends.set(time.monotonic() + SECONDS)
    try:
        yield
    finally:
        _ends.reset(token)
        _free(taken)


@contextmanager
def limited_by(*names: str) -> Iterator[None]:
    """Also limit each of these names to one slot, for visitors without an account."""
    token = _also.set(names)
    try:
        yield
    finally:
        _also.reset(token)


def seconds_left(most: float) -> float:
    """Return the remaining time of the slot, at most `most`."""
    ends = _ends.get()
    return most if ends is None else max(0.0, min(most, ends - time.monotonic()))


@contextmanager
def job_slot(name: str, *, most: int) -> Iterator[bool]:
    """Yield, for jobs, whether fewer than `most` of this name are running; if so, this one counts until the end."""
    taken = _take(Bound(name, most))
    try:
        yield taken is not None
    finally:
        _free([taken] if taken else [])


def wait_until(is_so: Callable[[], bool]) -> bool:
    """Return whether it becomes true within API_WAIT_SECONDS. If too many calls wait already, return the current value.

    Don't call it in a transaction, which would see no changes.
    """
    try:
        with slot():
            return _wait(is_so)
    except TooManyAtOnce:
        return is_so()


def _wait(is_so: Callable[[], bool]) -> bool:
    until = now() + settings.API_WAIT_SECONDS
    while not is_so():
        if now() >= until:
            return False
        sleep(EVERY)
    return True


def _bounds(customer: str) -> tuple[Bound, ...]:
    """Return the limits, narrowest first."""
    whose = f"customer {customer}" if customer else _who_asks()
    own = Bound(whose, settings.SLOW_REQUESTS_EACH)
    return (*(Bound(name, 1) for name in _also.get()), own, Bound("all", settings.SLOW_REQUESTS_AT_ONCE))


def _who_asks() -> str:
    request = _request.get()
    caller, user = getattr(request, "auth", None), getattr(request, "user", None)
    if caller is not None:
        return f"caller {getattr(caller, 'name', caller)}"
    return f"user {user.pk}" if user is not None and user.is_authenticated else "strangers"


def _take_all(bounds: Sequence[Bound]) -> list[Taken]:
    taken: list[Taken] = []
    for bound in bounds:
        found = _take(bound)
        if found is None:
            _free(taken)
            log.info("too many slow requests", bound=bound.name, most=bound.most)
            raise TooManyAtOnce(_sentence(bound), retry_after=RETRY_AFTER)
        taken.append(found)
    return taken


def _sentence(bound: Bound) -> str:
    if bound.name == "all":
        return f"The service is busy with other DNS lookups and calls. Try again in {RETRY_AFTER} seconds."
    return (
        "Too many of your requests are waiting for DNS or another server. "
        f"Try again in {RETRY_AFTER} seconds, or send fewer at once."
    )


def _take(bound: Bound) -> Taken | None:
    with connection.cursor() as cursor:
        cursor.execute(TAKE, {"name": bound.name, "most": bound.most})
        row = cursor.fetchone()
    return None if row is None else (bound.name, int(row[0]))


def _free(taken: Sequence[Taken]) -> None:
    """Free the slot. Never raises. A broken connection has already freed its locks."""
    try:
        with connection.cursor() as cursor:
            for name, slot in reversed(taken):
                cursor.execute(FREE, {"name": name, "slot": str(slot)})
    except DatabaseError as error:
        log.warning("a place was not freed, so its connection is closed", error=str(error))
        connection.close()
