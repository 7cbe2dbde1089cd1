"""The system before this one moves in: its rows are read, each one's fate is shown, and then each customer is stored.

What is shown is the move itself, undone: the same code decides in both. Amazon is read before, and nothing is written
to it: what should change there is the receipt rules' plan, which an operator approves.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime

from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from changes import services as changes
from domains.services import adopting
from inbound_admin.lib.errors import AwsProblem, Refused
from inbound_admin.lib.masking import masked_text
from operations.core.legacy_files import sections_in
from operations.core.moving_in import Fate, Given, Kind, made_ready, once_each
from operations.models import MovingIn, MovingInRow, MovingInState
from operations.services import drifting_identities
from operations.services.moving_in_customers import Move, Outcome, carry_out, stored_values, values_of
from operations.services.queue import move_in_soon
from operations.services.subjects import moving_in_subject
from tenants.models import User

RIGHT = "domains.adopt_identity"
AT_ONCE = 100  # domains that are read of Amazon together
AGAIN = (Fate.REFUSED, Fate.FAILED)


def take_in(*, files: Mapping[str, bytes], because: str, actor: User | None) -> MovingIn:
    """Store what is given, to be looked at by the worker. Raises Refused: NOT_ALLOWED, REASON_MISSING, FILE_..."""
    _require(actor)
    names = ", ".join(name.rpartition("/")[2] for name in files)
    return take_in_rows(name=names, rows=once_each(made_ready(sections_in(files))), because=because, actor=actor)


def take_in_rows(*, name: str, rows: Sequence[Given], because: str, actor: User | None) -> MovingIn:
    """As `take_in`, of what is made ready."""
    _require(actor)
    if not because.strip():
        raise Refused("Say what this is and why it moves in: it stands with every change.", code="REASON_MISSING")
    with transaction.atomic():
        why = masked_text(because.strip())
        moving = MovingIn.objects.create(region=settings.AWS_REGION, name=name[:200], because=why, by=actor)
        made = (_row(moving, number, given) for number, given in enumerate(rows, start=1))
        MovingInRow.objects.bulk_create(made, batch_size=1000)
        _record("moving_in.taken_in", moving, actor, after={"rows": len(rows)})
        move_in_soon()
    return moving


def _row(moving: MovingIn, number: int, given: Given) -> MovingInRow:
    return MovingInRow(
        moving_in=moving,
        number=number,
        kind=given.kind,
        owner=given.owner[:320],
        name=given.name[:400],
        values=stored_values(given),
        why_not=given.why_not,
    )


def begin(*, moving_in: MovingIn, actor: User | None) -> None:
    """As it was shown, or as it is by then: each customer by itself. Raises Refused."""
    _steer(moving_in, MovingInState.LOOKED, MovingInState.MOVING, "moving_in.begun", actor)


def cancel(*, moving_in: MovingIn, actor: User | None) -> None:
    """Whoever is stored stays so; nobody else is begun. Raises Refused when it is over."""
    states = (MovingInState.LOOKING, MovingInState.LOOKED, MovingInState.MOVING)
    if moving_in.state not in states:
        raise Refused("It is over already.", code="IS_OVER")
    _steer(moving_in, MovingInState(moving_in.state), MovingInState.CANCELLED, "moving_in.cancelled", actor)


def try_again(*, moving_in: MovingIn, actor: User | None) -> int:
    """What was refused or stopped by a problem, that alone; how many rows. Raises Refused."""
    _require(actor)
    with transaction.atomic():
        rows = moving_in.rows.filter(fate__in=AGAIN, done_at__isnull=False, why_not="")
        number = rows.update(done_at=None)
        if not number:
            raise Refused(
                "There is nothing to try again: what the file itself lacks has to be mended there.", code="NONE"
            )
        _steer(moving_in, MovingInState.DONE, MovingInState.MOVING, "moving_in.tried_again", actor)
    return number


def _steer(moving: MovingIn, before: MovingInState, after: MovingInState, what: str, actor: User | None) -> None:
    _require(actor)
    with transaction.atomic():
        # Whoever lets it begin is who changes what it changes, not who brought the files.
        begun = {"started_at": timezone.now(), "by": actor}
        times = begun if after == MovingInState.MOVING else {"ended_at": timezone.now()}
        same = MovingIn.objects.filter(pk=moving.pk, state=before)
        if not same.update(state=after, problem="", **times):
            raise Refused("It has just been changed by somebody else. Look at it again.", code="STATE_CHANGED")
        _record(what, moving, actor, before={"state": before.label}, after={"state": after.label})
        if after == MovingInState.MOVING:
            move_in_soon()
    moving.refresh_from_db()


def work(*, now: Callable[[], datetime] = timezone.now) -> None:
    """All that is to be looked at or stored. Raises AwsProblem where to wait, which is stored for the page."""
    with _alone() as am_alone:
        while am_alone and (moving := _next()):
            try:
                _look(moving) if moving.state == MovingInState.LOOKING else _move(moving, now)
            except AwsProblem as problem:
                MovingIn.objects.filter(pk=moving.pk).update(problem=str(problem))
                raise


def carry_on() -> None:
    """What has no job any more is queued again."""
    if _next():
        move_in_soon(unless_running=True)


def _next() -> MovingIn | None:
    states = (MovingInState.LOOKING, MovingInState.MOVING)
    return MovingIn.objects.filter(region=settings.AWS_REGION, state__in=states).order_by("created_at").first()


@contextmanager
def _alone() -> Iterator[bool]:
    """The command line and the worker do not both move in; whoever comes second leaves it to the first."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(hashtextextended('moving in', 0))")
        ((is_free,),) = cursor.fetchall()
        try:
            yield bool(is_free)
        finally:
            if is_free:
                cursor.execute("SELECT pg_advisory_unlock(hashtextextended('moving in', 0))")


def _look(moving: MovingIn) -> None:
    """Each row's fate: everything is stored in one transaction, which is then undone."""
    groups = _groups(moving.rows.all())
    found = adopting.read(_names(row for rows in groups for row in rows))
    fates: list[tuple[MovingInRow, Outcome]] = []
    with transaction.atomic():
        for rows in groups:
            fates += zip(rows, carry_out(map(values_of, rows), _move_of(moving, found)), strict=True)
        transaction.set_rollback(True)
    with transaction.atomic():
        if MovingIn.objects.filter(pk=moving.pk, state=MovingInState.LOOKING).update(
            state=MovingInState.LOOKED, problem=""
        ):
            _note(fates, None)


def _move(moving: MovingIn, now: Callable[[], datetime]) -> None:
    for groups in _together(_groups(moving.rows.all(), waiting=True)):
        found = adopting.read(_names(row for rows in groups for row in rows))
        for rows in groups:
            if not MovingIn.objects.filter(pk=moving.pk, state=MovingInState.MOVING).exists():
                return  # cancelled
            _store(moving, rows, found, now())
    drifting_identities.note_held(now=now())
    done = MovingIn.objects.filter(pk=moving.pk, state=MovingInState.MOVING)
    done.update(state=MovingInState.DONE, problem="", ended_at=now())


def _store(moving: MovingIn, rows: Sequence[MovingInRow], found: adopting.Read, now: datetime) -> None:
    """One customer, whole or not at all; what was done before is done again, and is the same."""
    waiting = [row.pk for row in rows if row.done_at is None]
    try:
        with transaction.atomic():
            outcomes = carry_out(map(values_of, rows), _move_of(moving, found))
            _note([each for each in zip(rows, outcomes, strict=True) if each[0].pk in waiting], now)
    except DatabaseError as error:
        words = f"The database refused it, and nothing of this customer was stored: {error}"
        MovingInRow.objects.filter(pk__in=waiting).update(fate=Fate.FAILED, words=words, done_at=now)


def _note(fates: Iterable[tuple[MovingInRow, Outcome]], now: datetime | None) -> None:
    rows = []
    for row, outcome in fates:
        row.fate, row.words, row.object_id, row.done_at = outcome.fate, outcome.words, outcome.object_id, now
        rows.append(row)
    MovingInRow.objects.bulk_update(rows, ("fate", "words", "object_id", "done_at"), batch_size=1000)


def _groups(rows: Iterable[MovingInRow], *, waiting: bool = False) -> list[list[MovingInRow]]:
    """By whose they are, in the order of the document; with `waiting`, those who have a row that is not done."""
    found: dict[str, list[MovingInRow]] = {}
    for row in rows:
        found.setdefault(row.owner, []).append(row)
    return [group for group in found.values() if not waiting or any(row.done_at is None for row in group)]


def _together(groups: Iterable[list[MovingInRow]]) -> Iterator[list[list[MovingInRow]]]:
    """As many owners as have a hundred domains: they are read with four calls."""
    some: list[list[MovingInRow]] = []
    number = 0
    for rows in groups:
        here = len(_names(rows))
        if some and number + here > AT_ONCE:
            yield some
            some, number = [], 0
        some.append(rows)
        number += here
    if some:
        yield some


def _names(rows: Iterable[MovingInRow]) -> list[str]:
    return [row.name for row in rows if row.kind == Kind.DOMAIN and not row.why_not]


def _move_of(moving: MovingIn, found: adopting.Read) -> Move:
    return Move(moving.by, moving.because, moving.pk, found)


def _require(actor: User | None) -> None:
    """None is the command line."""
    if actor is not None and not actor.has_perm(RIGHT):
        raise Refused("Operators move others in.", code="NOT_ALLOWED")


def _record(
    what: str,
    moving: MovingIn,
    actor: User | None,
    *,
    after: Mapping[str, object],
    before: Mapping[str, object] | None = None,
) -> None:
    changes.record(
        what,
        about=moving_in_subject(moving),
        actor=actor,
        because=moving.because,
        before=before,
        after=after,
        bulk_id=moving.pk,
        for_staff=True,
    )
