"""Imports the legacy system: reads its rows, previews the result of each, then stores customer by customer.

The preview is the import itself, rolled back: the same code decides in both. SES is read before and never written: the
receipt rules' plan shows what should change there, and an operator approves it. `take_in_identities` gives unowned SES
identities to customers, many at once, as rows of an import.

What is started is a batch of `operations.batches` under the import's id, with an item for each customer:
`operations.legacy_rows` imports one. The engine pauses, resumes, stops and retries it and knows how far it is.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from django.conf import settings
from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from accounts.models.people import Customer, User
from audit import services as audit_services
from domains.adoption import services as adoption_services
from inbound_admin.lib.errors import AwsProblem, Refused
from inbound_admin.lib.redaction import masked_text
from operations.batches import services as batches_services
from operations.batches.core import BatchKind
from operations.domain_actions.core import Named, named_in
from operations.drift.core import IDENTITIES_AREA, UNOWNED
from operations.drift.selectors import differences
from operations.jobs import move_in_soon, moving_in_subject
from operations.legacy_import.core import Given, RowKind, made_ready, once_each, sections_in
from operations.legacy_import.selectors import TO_RETRY, import_batches
from operations.legacy_rows.services import (
    CustomerImport,
    ImportOutcome,
    carry_out,
    domain_names,
    note_outcomes,
    refuse_who_may_not,
    stored_values,
    values_of,
)
from operations.models import Batch, BatchItem, MovingIn, MovingInRow, MovingInState


def take_in(*, files: Mapping[str, bytes], because: str, actor: User | None) -> MovingIn:
    """Store the rows of the files; the worker previews them. Raises Refused: NOT_ALLOWED, REASON_MISSING, FILE_..."""
    _require(actor)
    names = ", ".join(name.rpartition("/")[2] for name in files)
    return take_in_rows(name=names, rows=once_each(made_ready(sections_in(files))), because=because, actor=actor)


def take_in_rows(*, name: str, rows: Sequence[Given], because: str, actor: User | None) -> MovingIn:
    """As `take_in`, of rows that were read already."""
    _require(actor)
    if not because.strip():
        raise Refused("Enter a reason. It is saved with every change.", code="REASON_MISSING")
    with transaction.atomic():
        why = masked_text(because.strip())
        moving = MovingIn.objects.create(region=settings.AWS_REGION, name=name[:200], because=why, by=actor)
        made = (_row(moving, number, given) for number, given in enumerate(rows, start=1))
        MovingInRow.objects.bulk_create(made, batch_size=1000)
        about, after = moving_in_subject(moving), {"rows": len(rows)}
        audit_services.record_bulk("moving_in.taken_in", about=about, actor=actor, because=why, after=after)
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


@transaction.atomic
def begin(*, moving_in: MovingIn, actor: User | None) -> None:
    """Start it. Raises Refused."""
    _transition(moving_in, MovingInState.LOOKED, MovingInState.MOVING, "moving_in.begun", actor)
    owners = list(dict.fromkeys(moving_in.rows.order_by("number").values_list("owner", flat=True)))
    items = [BatchItem(name=owner) for owner in owners]
    because = moving_in.because
    batches_services.start_as(batch_id=moving_in.pk, kind=BatchKind.MOVE_IN, items=items, because=because, actor=actor)


@transaction.atomic
def cancel(*, moving_in: MovingIn, actor: User | None) -> None:
    """Import no further customer; what is stored is kept. Raises Refused if it is finished."""
    states = (MovingInState.LOOKING, MovingInState.LOOKED, MovingInState.MOVING)
    if moving_in.state not in states:
        raise Refused("The import is already finished.", code="IS_OVER")
    begun = moving_in.state == MovingInState.MOVING
    _transition(moving_in, MovingInState(moving_in.state), MovingInState.CANCELLED, "moving_in.cancelled", actor)
    if begun:
        batches_services.stop_items(batch_of(moving_in))


@transaction.atomic
def try_again(*, moving_in: MovingIn, actor: User | None) -> int:
    """Retry the rows that were rejected or failed. Returns their number. Raises Refused if there are none."""
    _require(actor)
    number = moving_in.rows.filter(TO_RETRY).update(done_at=None)
    if not number:
        raise Refused("There is nothing to retry. Fix rejected rows in the file and import it again.", code="NONE")
    _transition(moving_in, MovingInState.DONE, MovingInState.MOVING, "moving_in.tried_again", actor)
    batch = batch_of(moving_in)
    Batch.objects.filter(pk=batch.pk).update(by=actor, words=batches_services.words_of(moving_in.because, actor))
    batches_services.retry(batch=batch, actor=actor)
    return number


def pause(*, moving_in: MovingIn, actor: User | None) -> None:
    """Import no further customer until it is resumed. Raises Refused unless it is running."""
    _require(actor)
    batches_services.pause(batch=batch_of(moving_in), actor=actor)


def resume(*, moving_in: MovingIn, actor: User | None) -> None:
    """Raises Refused if it was never started."""
    _require(actor)
    batches_services.resume(batch=batch_of(moving_in), actor=actor)


def batch_of(moving_in: MovingIn) -> Batch:
    """Raises Refused if it was not started."""
    found = Batch.objects.filter(pk=moving_in.pk).first()
    if found is None:
        raise Refused("The import was not started.", code="STATE_CHANGED")
    return found


def _transition(moving: MovingIn, before: MovingInState, after: MovingInState, what: str, actor: User | None) -> None:
    _require(actor)
    # Who starts it is who changes what it changes, not who uploaded the files.
    begun = {"started_at": timezone.now(), "by": actor}
    times = begun if after == MovingInState.MOVING else {"ended_at": timezone.now()}
    same = MovingIn.objects.filter(pk=moving.pk, state=before)
    if not same.update(state=after, problem="", **times):
        raise Refused("Someone else just changed this import. Reload the page.", code="STATE_CHANGED")
    audit_services.record_bulk(
        what,
        about=moving_in_subject(moving),
        actor=actor,
        because=moving.because,
        before={"state": before.label},
        after={"state": after.label},
    )
    moving.refresh_from_db()


def work() -> None:
    """Previews what was uploaded, then imports what was started. Raises AwsProblem where to wait, stored for the page.

    The command line and the worker do not do it at the same time; whoever comes second leaves it to the first.
    """
    with _alone() as am_alone:
        if am_alone:
            for moving in _to_preview():
                _preview(moving)
            batches_services.work_imports()


def is_unfinished() -> bool:
    """Whether the worker has something to preview or to import."""
    return _to_preview().exists() or import_batches().filter(ended_at=None, paused_at=None).exists()


def _to_preview() -> QuerySet[MovingIn]:
    found = MovingIn.objects.filter(region=settings.AWS_REGION, state=MovingInState.LOOKING)
    return found.order_by("created_at")


@contextmanager
def _alone() -> Iterator[bool]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(hashtextextended('legacy import', 0))")
        ((is_free,),) = cursor.fetchall()
        try:
            yield bool(is_free)
        finally:
            if is_free:
                cursor.execute("SELECT pg_advisory_unlock(hashtextextended('legacy import', 0))")


def _preview(moving: MovingIn) -> None:
    """The result of each row: everything is stored in one transaction, which is then undone."""
    groups: dict[str, list[MovingInRow]] = {}
    for row in moving.rows.all():
        groups.setdefault(row.owner, []).append(row)
    try:
        found = adoption_services.read_identities(domain_names(row for rows in groups.values() for row in rows))
    except AwsProblem as problem:
        MovingIn.objects.filter(pk=moving.pk).update(problem=str(problem))
        raise
    move = CustomerImport(moving.by, moving.because, moving.pk, found)
    outcomes: list[tuple[MovingInRow, ImportOutcome]] = []
    with transaction.atomic():
        for rows in groups.values():
            outcomes += zip(rows, carry_out(map(values_of, rows), move), strict=True)
        transaction.set_rollback(True)
    with transaction.atomic():
        looking = MovingIn.objects.filter(pk=moving.pk, state=MovingInState.LOOKING)
        if looking.update(state=MovingInState.LOOKED, problem=""):
            note_outcomes(outcomes, None)


def _require(actor: User | None) -> None:
    """None is the command line."""
    if actor is not None:
        refuse_who_may_not(actor)


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
