"""Imports the previous system: reads its rows, previews the result of each, then stores customer by customer.

The preview is the import itself, rolled back, so both run the same code. SES is read first and never written: the
receipt rules' plan shows what should change there, and an operator approves it. `store_identity_import` assigns many
unowned SES identities to customers, as rows of an import.

A started import is a batch of `operations.batches` with the import's id and one item for each customer.
`operations.legacy_rows` imports one customer. The batch engine pauses, resumes, stops, retries and tracks progress.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial

from django.conf import settings
from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from accounts.models.people import Customer, User
from accounts.people.selectors import customers_called
from audit import services as audit_services
from domains.adoption import services as adoption_services
from inbound_admin.lib import isolation
from inbound_admin.lib.errors import AwsProblem, Refused
from inbound_admin.lib.redaction import masked_text
from operations.batches import services as batches_services
from operations.domain_actions.core import DomainLine, parse_names
from operations.drift.selectors import unowned_identities
from operations.jobs import legacy_import_subject, queue_legacy_import
from operations.legacy_import.core import ParsedRow, RowKind, parse_rows, read_sections
from operations.legacy_import.selectors import TO_RETRY, import_batches
from operations.legacy_rows.core import mark_duplicates, plain_name
from operations.legacy_rows.services import (
    ImportContext,
    RowOutcome,
    domain_names,
    not_previewed,
    preview_rows,
    record_outcomes,
    require_permission,
    stored_values,
)
from operations.models import Batch, BatchItem, BatchKind, LegacyImport, LegacyImportRow, LegacyImportState

PREVIEW_FAILED = "An internal error prevents the preview (see the worker’s log)."


def store_import(*, files: Mapping[str, bytes], because: str, actor: User | None) -> LegacyImport:
    """Store the rows of the files; the worker previews them. Raises Refused: NOT_ALLOWED, REASON_MISSING, FILE_..."""
    _require(actor)
    names = ", ".join(name.rpartition("/")[2] for name in files)
    return store_import_rows(
        name=names, rows=mark_duplicates(parse_rows(read_sections(files))), because=because, actor=actor
    )


def store_import_rows(*, name: str, rows: Sequence[ParsedRow], because: str, actor: User | None) -> LegacyImport:
    """Store rows that are already parsed. Raises Refused: NOT_ALLOWED, REASON_MISSING."""
    _require(actor)
    if not because.strip():
        raise Refused("Enter a reason. It is saved with every change.", code="REASON_MISSING")
    with transaction.atomic():
        why = masked_text(because.strip())
        legacy_import = LegacyImport.objects.create(region=settings.AWS_REGION, name=name[:200], because=why, by=actor)
        made = (_row(legacy_import, number, given) for number, given in enumerate(rows, start=1))
        LegacyImportRow.objects.bulk_create(made, batch_size=1000)
        about, after = legacy_import_subject(legacy_import), {"rows": len(rows)}
        audit_services.record_bulk("moving_in.taken_in", about=about, actor=actor, because=why, after=after)
        queue_legacy_import()
    return legacy_import


def _row(legacy_import: LegacyImport, number: int, given: ParsedRow) -> LegacyImportRow:
    return LegacyImportRow(
        legacy_import=legacy_import,
        number=number,
        kind=given.kind,
        owner=given.owner[:320],
        name=given.name[:400],
        values=stored_values(given),
        why_not=given.why_not,
    )


@transaction.atomic
def start(*, legacy_import: LegacyImport, actor: User | None) -> None:
    """Start the import. Raises Refused."""
    _transition(legacy_import, LegacyImportState.READY, LegacyImportState.IMPORTING, "moving_in.begun", actor)
    owners = list(dict.fromkeys(legacy_import.rows.order_by("number").values_list("owner", flat=True)))
    items = [BatchItem(name=owner) for owner in owners]
    because = legacy_import.because
    batches_services.start_with_id(
        batch_id=legacy_import.pk, kind=BatchKind.LEGACY_IMPORT, items=items, because=because, actor=actor
    )


@transaction.atomic
def cancel(*, legacy_import: LegacyImport, actor: User | None) -> None:
    """Import no further customer; what is stored is kept. Raises Refused if it is finished."""
    states = (LegacyImportState.CHECKING, LegacyImportState.READY, LegacyImportState.IMPORTING)
    if legacy_import.state not in states:
        raise Refused("The import is already finished.", code="IS_OVER")
    begun = legacy_import.state == LegacyImportState.IMPORTING
    _transition(
        legacy_import, LegacyImportState(legacy_import.state), LegacyImportState.CANCELLED, "moving_in.cancelled", actor
    )
    if begun:
        batches_services.stop_items(batch_of(legacy_import))


@transaction.atomic
def retry(*, legacy_import: LegacyImport, actor: User | None) -> int:
    """Retry the rows that were rejected or failed. Returns their number. Raises Refused if there are none."""
    _require(actor)
    number = legacy_import.rows.filter(TO_RETRY).update(done_at=None)
    if not number:
        raise Refused("There is nothing to retry. Fix rejected rows in the file and import it again.", code="NONE")
    _transition(legacy_import, LegacyImportState.DONE, LegacyImportState.IMPORTING, "moving_in.tried_again", actor)
    batch = batch_of(legacy_import)
    Batch.objects.filter(pk=batch.pk).update(by=actor, words=batches_services.words_of(legacy_import.because, actor))
    batches_services.retry(batch=batch, actor=actor)
    return number


def pause(*, legacy_import: LegacyImport, actor: User | None) -> None:
    """Import no further customer until `resume`. Raises Refused unless the import is running."""
    _require(actor)
    batches_services.pause(batch=batch_of(legacy_import), actor=actor)


def resume(*, legacy_import: LegacyImport, actor: User | None) -> None:
    """Continue a paused import. Raises Refused if it was never started."""
    _require(actor)
    batches_services.resume(batch=batch_of(legacy_import), actor=actor)


def batch_of(legacy_import: LegacyImport) -> Batch:
    """Return the batch of the import. Raises Refused if the import was not started."""
    found = Batch.objects.filter(pk=legacy_import.pk).first()
    if found is None:
        raise Refused("The import was not started.", code="STATE_CHANGED")
    return found


def _transition(
    legacy_import: LegacyImport, before: LegacyImportState, after: LegacyImportState, what: str, actor: User | None
) -> None:
    _require(actor)
    # The person who starts the import is the actor of its changes, not the person who uploaded the files.
    begun = {"started_at": timezone.now(), "by": actor}
    times = begun if after == LegacyImportState.IMPORTING else {"ended_at": timezone.now()}
    same = LegacyImport.objects.filter(pk=legacy_import.pk, state=before)
    if not same.update(state=after, problem="", **times):
        raise Refused("Someone else just changed this import. Reload the page.", code="STATE_CHANGED")
    audit_services.record_bulk(
        what,
        about=legacy_import_subject(legacy_import),
        actor=actor,
        because=legacy_import.because,
        before={"state": before.label},
        after={"state": after.label},
    )
    legacy_import.refresh_from_db()


def work() -> None:
    """Preview uploaded imports, then run started ones. Raises AwsProblem if SES can't be read; the page shows it.

    The command line and the worker never do this at the same time: the second returns at once.
    """
    with _import_lock() as is_locked:
        if is_locked:
            isolation.each_alone("import previews", _to_preview(), _preview, postpone=_store_failure)
            batches_services.work_imports()


def is_unfinished() -> bool:
    """Whether the worker has something to preview or to import."""
    return _to_preview().exists() or import_batches().filter(ended_at=None, paused_at=None).exists()


def _to_preview() -> QuerySet[LegacyImport]:
    found = LegacyImport.objects.filter(region=settings.AWS_REGION, state=LegacyImportState.CHECKING)
    return found.order_by("created_at")


@contextmanager
def _import_lock() -> Iterator[bool]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(hashtextextended('legacy import', 0))")
        ((is_free,),) = cursor.fetchall()
        try:
            yield bool(is_free)
        finally:
            if is_free:
                cursor.execute("SELECT pg_advisory_unlock(hashtextextended('legacy import', 0))")


def _preview(legacy_import: LegacyImport) -> None:
    """Record the result of each row: store everything in one transaction, then roll it back."""
    groups: dict[str, list[LegacyImportRow]] = {}
    for row in legacy_import.rows.all():
        groups.setdefault(row.owner, []).append(row)
    try:
        found = adoption_services.read_identities(domain_names(row for rows in groups.values() for row in rows))
    except AwsProblem as problem:
        LegacyImport.objects.filter(pk=legacy_import.pk).update(problem=str(problem))
        raise
    context = ImportContext(legacy_import.by, legacy_import.because, legacy_import.pk, found, is_preview=True)
    outcomes: list[tuple[LegacyImportRow, RowOutcome]] = []
    with transaction.atomic():
        for rows in groups.values():
            preview = partial(preview_rows, rows, context)
            found_of = isolation.or_else("previewed customers", legacy_import, preview, partial(not_previewed, rows))
            outcomes += zip(rows, found_of, strict=True)
        transaction.set_rollback(True)
    with transaction.atomic():
        looking = LegacyImport.objects.filter(pk=legacy_import.pk, state=LegacyImportState.CHECKING)
        if looking.update(state=LegacyImportState.READY, problem=""):
            record_outcomes(outcomes, None)


def _store_failure(legacy_import: LegacyImport) -> None:
    LegacyImport.objects.filter(pk=legacy_import.pk).update(problem=PREVIEW_FAILED)


def _require(actor: User | None) -> None:
    """Raise Refused unless the actor may import. None is the command line, which may."""
    if actor is not None:
        require_permission(actor)


VALUES: Mapping[str, object] = {"mail_from": "", "receives": None, "reports": False, "only_at_amazon": True}


def store_identity_import(
    *, text: str, everything: bool, customer: Customer | None, because: str, actor: User
) -> LegacyImport:
    """Store an import that assigns SES identities to customers. Raises Refused.

    `text`: one line for each domain, optionally with a comma and the customer's ID or full name. `customer` gets the
    domains without one. `everything`: also every unowned identity that the last drift check found.
    """
    named = list(parse_names(text, with_customers=True))
    if everything:
        named += _unowned_identities(besides={plain_name(each.name) for each in named})
    if not named:
        raise Refused("Enter at least one domain, or choose all.", code="NOTHING_CHOSEN")
    whose = customers_called({each.customer for each in named if each.customer}, Customer.objects.all())
    rows = mark_duplicates(_parsed_row(each, whose[each.customer] if each.customer else customer) for each in named)
    return store_import_rows(name=f"{len(rows):,} identities", rows=rows, because=because, actor=actor)


def _unowned_identities(*, besides: set[str]) -> list[DomainLine]:
    rows = unowned_identities().exclude(subject__in=besides)
    return [DomainLine(name) for name in rows.values_list("subject", flat=True)]


def _parsed_row(named: DomainLine, customer: Customer | None) -> ParsedRow:
    stranger = (
        f"there isn’t exactly one customer called {named.customer}" if named.customer else "no customer was given"
    )
    why_not = "" if customer else f"Customer not found: {stranger}."
    return ParsedRow(RowKind.DOMAIN, customer.pk if customer else "", named.name, VALUES, why_not)
