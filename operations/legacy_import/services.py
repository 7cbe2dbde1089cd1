"""Imports the legacy system: reads its rows, previews the result of each, then stores customer by customer.

The preview is the import itself, rolled back: the same code decides in both. SES is read before and never written: the
receipt rules' plan shows what should change there, and an operator approves it. `take_in_identities` gives unowned SES
identities to customers, many at once, as rows of an import.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime

from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from accounts.models.people import Customer, User
from audit import services as audit_services
from domains.adoption import services as adoption_services
from inbound_admin.lib.errors import AwsProblem, Refused
from inbound_admin.lib.redaction import masked_text
from operations.domain_actions.core import Named, named_in
from operations.drift.core import IDENTITIES_AREA, UNOWNED
from operations.drift.selectors import differences
from operations.identity_drift import services as identity_drift_services
from operations.jobs import move_in_soon, moving_in_subject
from operations.legacy_import.core import Given, ImportFate, RowKind, made_ready, once_each, sections_in
from operations.legacy_rows.services import CustomerImport, ImportOutcome, carry_out, stored_values, values_of
from operations.models import MovingIn, MovingInRow, MovingInState

RIGHT = "domains.adopt_identity"
AT_ONCE = 100  # domains that are read of Amazon together
AGAIN = (ImportFate.REFUSED, ImportFate.FAILED)


def take_in(*, files: Mapping[str, bytes], because: str, actor: User | None) -> MovingIn:
    """Store what is given, to be looked at by the worker. Raises Refused: NOT_ALLOWED, REASON_MISSING, FILE_..."""
    _require(actor)
    names = ", ".join(name.rpartition("/")[2] for name in files)
    return take_in_rows(name=names, rows=once_each(made_ready(sections_in(files))), because=because, actor=actor)


def take_in_rows(*, name: str, rows: Sequence[Given], because: str, actor: User | None) -> MovingIn:
    """As `take_in`, of what is made ready."""
    _require(actor)
    if not because.strip():
        raise Refused("Enter a reason. It is saved with every change.", code="REASON_MISSING")
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
    _transition(moving_in, MovingInState.LOOKED, MovingInState.MOVING, "moving_in.begun", actor)


def cancel(*, moving_in: MovingIn, actor: User | None) -> None:
    """Whoever is stored stays so; nobody else is begun. Raises Refused when it is over."""
    states = (MovingInState.LOOKING, MovingInState.LOOKED, MovingInState.MOVING)
    if moving_in.state not in states:
        raise Refused("The import is already finished.", code="IS_OVER")
    _transition(moving_in, MovingInState(moving_in.state), MovingInState.CANCELLED, "moving_in.cancelled", actor)


def try_again(*, moving_in: MovingIn, actor: User | None) -> int:
    """What was refused or stopped by a problem, that alone; how many rows. Raises Refused."""
    _require(actor)
    with transaction.atomic():
        rows = moving_in.rows.filter(fate__in=AGAIN, done_at__isnull=False, why_not="")
        number = rows.update(done_at=None)
        if not number:
            raise Refused("There is nothing to retry. Fix rejected rows in the file and import it again.", code="NONE")
        _transition(moving_in, MovingInState.DONE, MovingInState.MOVING, "moving_in.tried_again", actor)
    return number


def _transition(moving: MovingIn, before: MovingInState, after: MovingInState, what: str, actor: User | None) -> None:
    _require(actor)
    with transaction.atomic():
        # Whoever lets it begin is who changes what it changes, not who brought the files.
        begun = {"started_at": timezone.now(), "by": actor}
        times = begun if after == MovingInState.MOVING else {"ended_at": timezone.now()}
        same = MovingIn.objects.filter(pk=moving.pk, state=before)
        if not same.update(state=after, problem="", **times):
            raise Refused("Someone else just changed this import. Reload the page.", code="STATE_CHANGED")
        _record(what, moving, actor, before={"state": before.label}, after={"state": after.label})
        if after == MovingInState.MOVING:
            move_in_soon()
    moving.refresh_from_db()


def work(*, now: Callable[[], datetime] = timezone.now) -> None:
    """All that is to be looked at or stored. Raises AwsProblem where to wait, which is stored for the page."""
    with _alone() as am_alone:
        while am_alone and (moving := unfinished().first()):
            try:
                _look(moving) if moving.state == MovingInState.LOOKING else _move(moving, now)
            except AwsProblem as problem:
                MovingIn.objects.filter(pk=moving.pk).update(problem=str(problem))
                raise


def unfinished() -> QuerySet[MovingIn]:
    """What the worker has to look at or to store, the oldest first."""
    states = (MovingInState.LOOKING, MovingInState.MOVING)
    return MovingIn.objects.filter(region=settings.AWS_REGION, state__in=states).order_by("created_at")


@contextmanager
def _alone() -> Iterator[bool]:
    """The command line and the worker do not both move in; whoever comes second leaves it to the first."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(hashtextextended('legacy import', 0))")
        ((is_free,),) = cursor.fetchall()
        try:
            yield bool(is_free)
        finally:
            if is_free:
                cursor.execute("SELECT pg_advisory_unlock(hashtextextended('legacy import', 0))")


def _look(moving: MovingIn) -> None:
    """Each row's fate: everything is stored in one transaction, which is then undone."""
    groups = _groups(moving.rows.all())
    found = adoption_services.read(_names(row for rows in groups for row in rows))
    fates: list[tuple[MovingInRow, ImportOutcome]] = []
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
        found = adoption_services.read(_names(row for rows in groups for row in rows))
        for rows in groups:
            if not MovingIn.objects.filter(pk=moving.pk, state=MovingInState.MOVING).exists():
                return  # cancelled
            _store(moving, rows, found, now())
    identity_drift_services.note_held(now=now())
    done = MovingIn.objects.filter(pk=moving.pk, state=MovingInState.MOVING)
    done.update(state=MovingInState.DONE, problem="", ended_at=now())


def _store(moving: MovingIn, rows: Sequence[MovingInRow], found: adoption_services.Read, now: datetime) -> None:
    """One customer, whole or not at all; what was done before is done again, and is the same."""
    waiting = [row.pk for row in rows if row.done_at is None]
    try:
        with transaction.atomic():
            outcomes = carry_out(map(values_of, rows), _move_of(moving, found))
            _note([each for each in zip(rows, outcomes, strict=True) if each[0].pk in waiting], now)
    except DatabaseError as error:
        words = f"The database rejected this row; nothing was stored for this customer: {error}"
        MovingInRow.objects.filter(pk__in=waiting).update(fate=ImportFate.FAILED, words=words, done_at=now)


def _note(fates: Iterable[tuple[MovingInRow, ImportOutcome]], now: datetime | None) -> None:
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
    return [row.name for row in rows if row.kind == RowKind.DOMAIN and not row.why_not]


def _move_of(moving: MovingIn, found: adoption_services.Read) -> CustomerImport:
    return CustomerImport(moving.by, moving.because, moving.pk, found)


def _require(actor: User | None) -> None:
    """None is the command line."""
    if actor is not None and not actor.has_perm(RIGHT):
        raise Refused("Only operators can import.", code="NOT_ALLOWED")


def _record(
    what: str,
    moving: MovingIn,
    actor: User | None,
    *,
    after: Mapping[str, object],
    before: Mapping[str, object] | None = None,
) -> None:
    audit_services.record(
        what,
        about=moving_in_subject(moving),
        actor=actor,
        because=moving.because,
        before=before,
        after=after,
        bulk_id=moving.pk,
        for_staff=True,
    )


VALUES: Mapping[str, object] = {"mail_from": "", "receives": None, "reports": False, "only_at_amazon": True}


def take_in_identities(
    *, text: str, everything: bool, customer: Customer | None, because: str, actor: User
) -> MovingIn:
    """`text`: a domain a line and, behind a comma, whose it is, by id or whole name; `customer` has the others.

    `everything`: all that the last look found to be nobody's. Raises Refused.
    """
    named = list(named_in(text, with_customers=True))
    if everything:
        named += _found(besides={each.name.lower() for each in named})
    if not named:
        raise Refused("Enter at least one domain, or choose all.", code="NOTHING_CHOSEN")
    whose = _customers(each.customer for each in named)
    rows = once_each(_given(each, whose[each.customer.casefold()] if each.customer else customer) for each in named)
    return take_in_rows(name=f"{len(rows):,} identities", rows=rows, because=because, actor=actor)


def _found(*, besides: set[str]) -> list[Named]:
    rows = differences().filter(area=IDENTITIES_AREA, kind=UNOWNED, decision="").exclude(subject__in=besides)
    return [Named(name) for name in rows.values_list("subject", flat=True)]


def _given(named: Named, customer: Customer | None) -> Given:
    stranger = (
        f"there isn’t exactly one customer called {named.customer}" if named.customer else "no customer was given"
    )
    why_not = "" if customer else f"Customer not found: {stranger}."
    return Given(RowKind.DOMAIN, customer.pk if customer else "", named.name, VALUES, why_not)


def _customers(texts: Iterable[str]) -> dict[str, Customer | None]:
    """By id, or by the whole name where exactly one customer has it."""
    wanted = {text.casefold() for text in texts if text}
    found: dict[str, Customer | None] = dict.fromkeys(wanted)
    for customer in Customer.objects.all():
        name = customer.name.casefold()
        if name in wanted:
            found[name] = None if found[name] else customer
    for customer in Customer.objects.filter(pk__in=wanted):
        found[customer.pk] = customer
    return found
