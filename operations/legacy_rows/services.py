"""Stores all imported rows of one owner: the person, the customer, endpoints, domains, catch-alls and addresses.

A rejected row rejects only the rows that need it. `import_rows` makes no call: SES is read before.

An import is a batch: `import_customers` imports its next customers. Their domains are read from SES together.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any

from django.db import DatabaseError, transaction
from django.db.models import Count
from django.utils import timezone

from accounts.models.people import Customer, User
from accounts.people.services import import_customer, import_person
from domains.adoption import services as adoption_services
from domains.adoption.services import import_domain
from domains.checking.core.judgement import SesStatus
from domains.models.domains import Domain, Stage
from domains.names.core import parse_existing_domain
from domains.ownership import services as ownership_services
from domains.ownership.selectors import Holders
from inbound_admin.lib import bulk, isolation, sealed
from inbound_admin.lib.errors import Problem, Refused
from operations.identity_drift import services as identity_drift_services
from operations.legacy_import.core import RETRYABLE, ImportResult, ParsedRow, RowKind
from operations.legacy_import.selectors import may_import
from operations.legacy_rows.core import DUPLICATE, plain_name, row_key
from operations.models import Batch, BatchItem, BatchItemState, LegacyImport, LegacyImportRow, LegacyImportState
from receipt_rules.legacy_import import services as legacy_import_services
from receipt_rules.legacy_import.services import Import, StoredImport
from receipt_rules.models.endpoints import Endpoint
from receipt_rules.receiving import services as receiving_services

AT_ONCE = 100  # domains read from SES together
REJECTED_ROWS = "{number:,} of its rows could not be imported."
ROLLED_BACK = "The database rejected this row; nothing was stored for this customer: {error}"
NOT_PREVIEWED = "An internal error prevents a preview of this customer (see the worker’s log)."
ORDER = {kind: number for number, kind in enumerate(RowKind)}


@dataclass(frozen=True)
class RowOutcome:
    result: ImportResult
    words: str = ""
    object_id: str = ""


@dataclass(frozen=True)
class ImportContext:
    """Actor, reason, the ID that all its changes carry, and the domains as read from SES.

    A preview locks no customer: it lasts as long as all of them together.
    """

    actor: User | None
    because: str
    bulk_id: str
    found: adoption_services.SesIdentities
    is_preview: bool = False


def import_rows(rows: Iterable[ParsedRow], context: ImportContext) -> list[RowOutcome]:
    """Store one owner's rows and return their outcomes, in the order given. Run it in a transaction.

    `owner` of a row may also be the ID of an existing customer.
    """
    numbered = sorted(enumerate(rows), key=lambda each: ORDER[each[1].kind])
    owner = _Owner(context, Customer.objects.filter(pk=numbered[0][1].owner).first() if numbered else None)
    owner.lock()
    receiving = [given for _, given in numbered if given.kind in (RowKind.ADDRESS, RowKind.CATCH_ALL)]
    outcomes = {}
    for number, given in numbered:
        if receiving and given is receiving[0]:
            owner.lock_domains([each.name for each in receiving])
        outcomes[number] = owner.outcome_of(given)
    return [outcomes[number] for number in sorted(outcomes)]


def preview_rows(rows: Sequence[LegacyImportRow], context: ImportContext) -> list[RowOutcome]:
    """Return the outcomes of one owner's rows, as `import_customers` would store them. Run it to be rolled back."""
    try:
        with transaction.atomic():
            return import_rows(map(parsed_row, rows), context)
    except DatabaseError as error:
        isolation.log_or_raise("previewed customers", rows[0].owner, error)
        return [RowOutcome(ImportResult.FAILED, ROLLED_BACK.format(error=error))] * len(rows)


def not_previewed(rows: Sequence[LegacyImportRow]) -> list[RowOutcome]:
    """Return the outcomes of rows whose preview failed unexpectedly."""
    return [RowOutcome(ImportResult.FAILED, NOT_PREVIEWED)] * len(rows)


class _Owner:
    def __init__(self, context: ImportContext, customer: Customer | None) -> None:
        self.context = context
        self.customer = customer
        self.why_not = "Its owner was rejected."
        self.endpoints: dict[str, Endpoint] = {}
        self.records: dict[str, frozenset[tuple[str, str, str]]] = {}
        self.has_mail = False
        self.taken: set[tuple[RowKind, str]] = set()  # a rejected row doesn't make the next a duplicate
        self.importers: Mapping[RowKind, Callable[[ParsedRow], RowOutcome]] = {
            RowKind.PERSON: self._person,
            RowKind.ENDPOINT: self._endpoint,
            RowKind.DOMAIN: self._domain,
            RowKind.CATCH_ALL: self._catch_all,
            RowKind.ADDRESS: self._address,
            RowKind.RECORD: self._record,
        }

    def lock(self) -> None:
        """Lock an existing customer before their domains, as a paste does: both lock several."""
        if self.customer is not None and not self.context.is_preview:
            Customer.locked(self.customer.pk)

    def lock_domains(self, names: Sequence[str]) -> None:
        """Lock those domains of the customer at which the rows add addresses, after the zones of new domains."""
        if self.customer is not None and not self.context.is_preview:
            ownership_services.lock_domains(of=names, customer=self.customer)

    def outcome_of(self, given: ParsedRow) -> RowOutcome:
        if given.why_not:
            return RowOutcome(ImportResult.REFUSED, given.why_not)
        key = row_key(given)
        if key in self.taken:
            return RowOutcome(ImportResult.REFUSED, DUPLICATE)
        try:
            with transaction.atomic(), bulk.within(self.context.bulk_id):
                outcome = self.importers[given.kind](given)
        except Refused as refused:
            if given.kind is RowKind.PERSON:
                self.why_not = f"Its owner was rejected: {refused}"
            return RowOutcome(ImportResult.REFUSED, str(refused))
        if given.kind in (RowKind.ADDRESS, RowKind.CATCH_ALL):
            self.taken.add(key)
        return outcome

    @cached_property
    def importing(self) -> Import:
        if self.customer is None:
            raise Refused(self.why_not)
        return Import(self.customer, self.context.actor, self.context.because, self.context.bulk_id)

    def _person(self, given: ParsedRow) -> RowOutcome:
        words: dict[str, Any] = {
            "actor": self.context.actor,
            "because": self.context.because,
            "bulk_id": self.context.bulk_id,
        }
        person, is_new = import_person(email=given.owner, name=given.values["name"], **words)
        self.customer, has_new = import_customer(owner=person, **words)
        self.lock()
        sentence = f"{'New' if has_new else 'Existing'} customer: {self.customer}."
        if not person.is_active:
            sentence += " They can’t sign in: their account is disabled here."
        return RowOutcome(ImportResult.NEW if is_new or has_new else ImportResult.SAME, sentence, self.customer.pk)

    def _endpoint(self, given: ParsedRow) -> RowOutcome:
        values = given.values
        made, stored = legacy_import_services.import_endpoint(
            name=given.name,
            kind=values["type"],
            config=values["config"],
            is_active=values["is_active"],
            description=values["description"],
            of=self.importing,
        )
        self.endpoints[given.name.casefold()] = made
        return RowOutcome(ImportResult(stored.value), "", made.pk)

    def _domain(self, given: ParsedRow) -> RowOutcome:
        request = adoption_services.AdoptionRequest(
            self.importing.customer, self.context.actor, self.context.because, bulk_id=self.context.bulk_id
        )
        if given.values.get("only_at_amazon"):
            self._refuse_absent(given.name)
        outcome = import_domain(
            name=given.name,
            request=replace(request, receives=given.values["receives"] is not False),
            found=self.context.found,
            mail_from=given.values["mail_from"],
            reports=given.values["reports"],
        )
        result, words = _DOMAINS[outcome.status]
        if outcome.status is adoption_services.AdoptionStatus.ADOPT:
            words += self._difference(outcome.name, given.values["mail_from"])
        return RowOutcome(result, words, outcome.domain_id)

    def _refuse_absent(self, name: str) -> None:
        fate = adoption_services.adoption_status(
            name, customer=self.importing.customer, in_ses=self.context.found.identities
        )
        if fate is adoption_services.AdoptionStatus.NOT_AT_AMAZON:
            raise Refused("SES has no identity with this name in this region.")

    def _difference(self, name: str, mail_from: str) -> str:
        identity, _ = self.context.found.identities[name]
        sentence = " Verified in SES." if identity.identity_status is SesStatus.SUCCESS else " Not verified in SES."
        if mail_from and plain_name(mail_from) != identity.mail_from:
            sentence += (
                f" MAIL FROM in SES is {identity.mail_from or 'the default'}, not {mail_from}. The SES value is kept."
            )
        return sentence

    def _catch_all(self, given: ParsedRow) -> RowOutcome:
        stored = legacy_import_services.import_catch_all(
            name=parse_existing_domain(given.name),
            endpoint=self._endpoint_named(given.values["endpoint"]),
            is_active=given.values["is_active"],
            of=self.importing,
        )
        is_nothing = stored is StoredImport.SAME and not given.values["is_active"]
        return RowOutcome(ImportResult(stored.value), "Inactive and not present here." if is_nothing else "")

    def _address(self, given: ParsedRow) -> RowOutcome:
        made, stored = legacy_import_services.import_address(
            text=given.name,
            endpoint=self._endpoint_named(given.values["endpoint"]),
            is_active=given.values["is_active"],
            of=self.importing,
        )
        waits = made.domain.stage == Stage.CLAIM
        return RowOutcome(
            ImportResult(stored.value), "Receives no mail until its domain is verified." if waits else "", made.pk
        )

    def _endpoint_named(self, name: str) -> Endpoint | None:
        if not name:
            return None
        if name.casefold() not in self.endpoints:
            raise Refused(
                f"Endpoint {name} was rejected or belongs to another customer, so mail would not be delivered."
            )
        return self.endpoints[name.casefold()]

    def _record(self, given: ParsedRow) -> RowOutcome:
        """Compare only. Nothing is stored, since the required records follow from the identity in SES."""
        name = parse_existing_domain(given.values["domain"])
        if name not in self.records:
            row = Domain.objects.filter(customer=self.importing.customer, name=name, stage=Stage.READY).first()
            self.records[name] = frozenset(_plain(r.type, r.name, r.value) for r in row.records) if row else frozenset()
        if _plain(given.values["type"], given.name, given.values["value"]) in self.records[name]:
            return RowOutcome(ImportResult.SAME, "The same record is required here.")
        return RowOutcome(ImportResult.UNNEEDED, "Not required here. The domain’s page lists the required records.")


_DOMAINS = {
    adoption_services.AdoptionStatus.ADOPT: (ImportResult.NEW, "Imported with its SES settings."),
    adoption_services.AdoptionStatus.NOT_AT_AMAZON: (
        ImportResult.CLAIM,
        "Not found in SES. The customer must prove ownership first.",
    ),
    adoption_services.AdoptionStatus.THEIRS: (ImportResult.SAME, ""),
    adoption_services.AdoptionStatus.TAKEN: (ImportResult.REFUSED, "This domain belongs to another customer."),
}


def _plain(kind: str, name: str, value: str) -> tuple[str, str, str]:
    """Return a record in the form that is compared: without quotes, priority and trailing dot."""
    kind, words = kind.upper(), value.strip().strip('"').split()
    plain = " ".join(words[1:] if kind == "MX" and len(words) == 2 else words)
    return kind, name.rstrip(".").lower(), plain if kind == "TXT" else plain.rstrip(".").lower()


def stored_values(given: ParsedRow) -> dict[str, Any]:
    """Return the values to store. The settings of an endpoint contain secrets, so they are encrypted."""
    if given.kind is not RowKind.ENDPOINT:
        return dict(given.values)
    return {**given.values, "config": sealed.seal_values(given.values["config"])}


def parsed_row(row: Any) -> ParsedRow:
    """Return the parsed row of a stored one, decrypted. Raises `sealed.Unreadable`."""
    values = row.values
    if row.kind == RowKind.ENDPOINT:
        values = {**values, "config": sealed.unseal_values(values["config"])}
    return ParsedRow(RowKind(row.kind), row.owner, row.name, values, row.why_not)


def require_permission(actor: User) -> None:
    if not may_import(actor):
        raise Refused("Only operators can import.", code="NOT_ALLOWED")


def items_read_together(item: BatchItem) -> Sequence[BatchItem]:
    """Return the item and the next ones of its batch that have up to `AT_ONCE` domains, to read those together."""
    next_ones = item.batch.items.filter(state=BatchItemState.WAITING, number__gt=item.number).order_by("number")
    items = [item, *next_ones.select_related("batch")[: AT_ONCE - 1]]
    rows = LegacyImportRow.objects.filter(legacy_import=item.batch_id, kind=RowKind.DOMAIN, why_not="")
    counted = rows.filter(owner__in=[each.name for each in items]).order_by().values_list("owner")
    domains = dict(counted.annotate(number=Count("pk")))
    number, together = 0, list[BatchItem]()
    for each in items:
        number += domains.get(each.name, 0)
        if together and number > AT_ONCE:
            break
        together.append(each)
    return together


def import_customers(items: Sequence[BatchItem], actor: User | None) -> None:
    """Import each customer completely or not at all. Raises AwsProblem if SES can't be read; then nothing is stored."""
    legacy_import = LegacyImport.objects.get(pk=items[0].batch_id)
    rows = legacy_import.rows.filter(owner__in=[item.name for item in items])
    context = ImportContext(
        actor, legacy_import.because, legacy_import.pk, adoption_services.read_identities(domain_names(rows))
    )
    for item in items:
        _import_customer(item, context)
    receiving_services.record_last_read(_customers_of(rows))


def _customers_of(rows: Iterable[LegacyImportRow]) -> frozenset[str]:
    """Return the IDs of the customers of the domains and addresses in the rows."""
    names = {plain_name(row.name.rpartition("@")[2]) for row in rows if row.kind in _WITH_MAIL and not row.why_not}
    return frozenset(filter(None, map(Holders.at(names).customer_of, names)))


_WITH_MAIL = (RowKind.DOMAIN, RowKind.CATCH_ALL, RowKind.ADDRESS)


def domain_names(rows: Iterable[LegacyImportRow]) -> list[str]:
    return [row.name for row in rows if row.kind == RowKind.DOMAIN and not row.why_not]


def record_outcomes(outcomes: Iterable[tuple[LegacyImportRow, RowOutcome]], now: datetime | None) -> None:
    rows = []
    for row, outcome in outcomes:
        row.result, row.words, row.object_id, row.done_at = outcome.result, outcome.words, outcome.object_id, now
        rows.append(row)
    LegacyImportRow.objects.bulk_update(rows, ("result", "words", "object_id", "done_at"), batch_size=1000)


def _import_customer(item: BatchItem, context: ImportContext) -> None:
    """Import one customer, or store why not; repeating it changes nothing. Raises only if the database is down.

    It is skipped if the batch was paused or stopped meanwhile.
    """
    rows = list(LegacyImportRow.objects.filter(legacy_import=item.batch_id, owner=item.name).order_by("number"))
    pending, now = [row.pk for row in rows if row.done_at is None], timezone.now()
    try:
        with transaction.atomic():
            found = BatchItem.objects.select_for_update(of=("self",)).filter(batch__paused_at=None, pk=item.pk)
            locked = found.filter(state=BatchItemState.WAITING).first()
            if locked is None:
                return
            outcomes = list(zip(rows, import_rows(map(parsed_row, rows), context), strict=True))
            record_outcomes([each for each in outcomes if each[0].pk in pending], now)
            locked.settle(now=now)
            _refuse_if_rejected(locked)
    except Exception as error:  # noqa: BLE001  # logged, or raised again
        isolation.log_or_raise("imported customers", item.pk, error)
        words = _why_failed(error)
        with transaction.atomic():
            LegacyImportRow.objects.filter(pk__in=pending).update(result=ImportResult.FAILED, words=words, done_at=now)
            BatchItem.objects.filter(pk=item.pk).update(state=BatchItemState.REFUSED, problem=words)


def _why_failed(error: Exception) -> str:
    """Return why nothing was stored for a customer, which concerns no other."""
    if isinstance(error, DatabaseError):
        return ROLLED_BACK.format(error=error)
    return str(error) if isinstance(error, Problem) else isolation.INTERNAL_ERROR


def _refuse_if_rejected(item: BatchItem) -> None:
    """Mark the item as failed if rows were rejected that can be retried. Rows with a fault in the file can't."""
    rows = LegacyImportRow.objects.filter(
        legacy_import=item.batch_id, owner=item.name, result__in=RETRYABLE, why_not=""
    )
    if number := rows.count():
        problem = REJECTED_ROWS.format(number=number)
        BatchItem.objects.filter(pk=item.pk).update(state=BatchItemState.REFUSED, problem=problem)


def finish_import(batch: Batch) -> None:
    identity_drift_services.close_owned(now=timezone.now())
    done = LegacyImport.objects.filter(pk=batch.pk, state=LegacyImportState.IMPORTING)
    done.update(state=LegacyImportState.DONE, problem="", ended_at=timezone.now())
