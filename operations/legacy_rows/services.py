"""Stores all imported rows of one owner: the person, the customer, endpoints, domains, catch-alls and addresses.

SES has been read before: nothing here calls AWS. A refused row is refused alone, with the rows that need it.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from django.db import transaction

from accounts.models.people import Customer, User
from accounts.people.services import import_customer, import_person
from domains.adoption import services as adoption_services
from domains.adoption.services import import_domain
from domains.checking.core.judgement import SesStatus
from domains.models.domains import Domain, Stage
from domains.names.core import existing_name
from inbound_admin.lib import bulk, sealed
from inbound_admin.lib.errors import Refused
from operations.legacy_import.core import TWICE, Given, ImportFate, RowKind
from receipt_rules.legacy_import import services as legacy_import_services
from receipt_rules.legacy_import.services import Import, StoredImport
from receipt_rules.models.endpoints import Endpoint

ORDER = {kind: number for number, kind in enumerate(RowKind)}


@dataclass(frozen=True)
class ImportOutcome:
    fate: ImportFate
    words: str = ""
    object_id: str = ""


@dataclass(frozen=True)
class CustomerImport:
    """By whom and why, the id of all its changes, and what Amazon was read to have of the domains."""

    actor: User | None
    because: str
    bulk_id: str
    found: adoption_services.Read


def carry_out(rows: Iterable[Given], move: CustomerImport) -> list[ImportOutcome]:
    """Each row's, in the order in which they came. Inside of a transaction, which makes the customer one thing.

    An owner who is named by the id of a customer is that customer.
    """
    numbered = sorted(enumerate(rows), key=lambda each: ORDER[each[1].kind])
    owner = _Owner(move, Customer.objects.filter(pk=numbered[0][1].owner).first() if numbered else None)
    outcomes = {number: owner.outcome_of(given) for number, given in numbered}
    return [outcomes[number] for number in sorted(outcomes)]


class _Owner:
    def __init__(self, move: CustomerImport, customer: Customer | None) -> None:
        self.move = move
        self.customer = customer
        self.why_not = "Its owner was rejected."
        self.endpoints: dict[str, Endpoint] = {}
        self.records: dict[str, frozenset[tuple[str, str, str]]] = {}
        self.has_mail = False
        self.taken: set[tuple[RowKind, str]] = set()  # one that was refused takes nothing from the next
        self.doing: Mapping[RowKind, Callable[[Given], ImportOutcome]] = {
            RowKind.PERSON: self._person,
            RowKind.ENDPOINT: self._endpoint,
            RowKind.DOMAIN: self._domain,
            RowKind.CATCH_ALL: self._catch_all,
            RowKind.ADDRESS: self._address,
            RowKind.RECORD: self._record,
        }

    def outcome_of(self, given: Given) -> ImportOutcome:
        if given.why_not:
            return ImportOutcome(ImportFate.REFUSED, given.why_not)
        key = (given.kind, given.name.casefold())
        if key in self.taken:
            return ImportOutcome(ImportFate.REFUSED, TWICE)
        try:
            with transaction.atomic(), bulk.within(self.move.bulk_id):
                outcome = self.doing[given.kind](given)
        except Refused as refused:
            if given.kind is RowKind.PERSON:
                self.why_not = f"Its owner was rejected: {refused}"
            return ImportOutcome(ImportFate.REFUSED, str(refused))
        if given.kind in (RowKind.ADDRESS, RowKind.CATCH_ALL):
            self.taken.add(key)
        return outcome

    @cached_property
    def importing(self) -> Import:
        if self.customer is None:
            raise Refused(self.why_not)
        return Import(self.customer, self.move.actor, self.move.because, self.move.bulk_id)

    def _person(self, given: Given) -> ImportOutcome:
        words: dict[str, Any] = {"actor": self.move.actor, "because": self.move.because, "bulk_id": self.move.bulk_id}
        person, is_new = import_person(email=given.owner, name=given.values["name"], **words)
        self.customer, has_new = import_customer(owner=person, **words)
        sentence = f"{'New' if has_new else 'Existing'} customer: {self.customer}."
        if not person.is_active:
            sentence += " They can’t sign in: their account is disabled here."
        return ImportOutcome(ImportFate.NEW if is_new or has_new else ImportFate.SAME, sentence, self.customer.pk)

    def _endpoint(self, given: Given) -> ImportOutcome:
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
        return ImportOutcome(ImportFate(stored.value), "", made.pk)

    def _domain(self, given: Given) -> ImportOutcome:
        wish = adoption_services.AdoptionWish(
            self.importing.customer, self.move.actor, self.move.because, bulk_id=self.move.bulk_id
        )
        if given.values.get("only_at_amazon"):
            self._refuse_absent(given.name)
        outcome = import_domain(
            name=given.name,
            wish=replace(wish, receives=given.values["receives"] is not False),
            found=self.move.found,
            mail_from=given.values["mail_from"],
            reports=given.values["reports"],
        )
        fate, words = _DOMAINS[outcome.fate]
        if outcome.fate is adoption_services.AdoptionFate.ADOPT:
            words += self._difference(outcome.name, given.values["mail_from"])
        return ImportOutcome(fate, words, outcome.domain_id)

    def _refuse_absent(self, name: str) -> None:
        fate = adoption_services.fate_of(name, customer=self.importing.customer, at_amazon=self.move.found.identities)
        if fate is adoption_services.AdoptionFate.NOT_AT_AMAZON:
            raise Refused("SES has no identity with this name in this region.")

    def _difference(self, name: str, mail_from: str) -> str:
        identity, _ = self.move.found.identities[name]
        said = " Verified in SES." if identity.identity_status is SesStatus.SUCCESS else " Not verified in SES."
        if mail_from and mail_from != identity.mail_from:
            said += (
                f" MAIL FROM in SES is {identity.mail_from or 'the default'}, not {mail_from}. The SES value is kept."
            )
        return said

    def _catch_all(self, given: Given) -> ImportOutcome:
        stored = legacy_import_services.import_catch_all(
            name=existing_name(given.name),
            endpoint=self._chosen(given.values["endpoint"]),
            is_active=given.values["is_active"],
            of=self.importing,
        )
        is_nothing = stored is StoredImport.SAME and not given.values["is_active"]
        return ImportOutcome(ImportFate(stored.value), "Inactive and not present here." if is_nothing else "")

    def _address(self, given: Given) -> ImportOutcome:
        made, stored = legacy_import_services.import_address(
            text=given.name,
            endpoint=self._chosen(given.values["endpoint"]),
            is_active=given.values["is_active"],
            of=self.importing,
        )
        waits = made.domain.stage == Stage.CLAIM
        return ImportOutcome(
            ImportFate(stored.value), "Receives no mail until its domain is verified." if waits else "", made.pk
        )

    def _chosen(self, name: str) -> Endpoint | None:
        if not name:
            return None
        if name.casefold() not in self.endpoints:
            raise Refused(
                f"Endpoint {name} was rejected or belongs to another customer, so mail would not be delivered."
            )
        return self.endpoints[name.casefold()]

    def _record(self, given: Given) -> ImportOutcome:
        """Nothing is stored of it: which records are needed follows from what Amazon says of the identity."""
        name = existing_name(given.values["domain"])
        if name not in self.records:
            row = Domain.objects.filter(customer=self.importing.customer, name=name, stage=Stage.READY).first()
            self.records[name] = frozenset(_plain(r.type, r.name, r.value) for r in row.records) if row else frozenset()
        if _plain(given.values["type"], given.name, given.values["value"]) in self.records[name]:
            return ImportOutcome(ImportFate.SAME, "The same record is required here.")
        return ImportOutcome(ImportFate.UNNEEDED, "Not required here. The domain’s page lists the required records.")


_DOMAINS = {
    adoption_services.AdoptionFate.ADOPT: (ImportFate.NEW, "Imported with its SES settings."),
    adoption_services.AdoptionFate.NOT_AT_AMAZON: (
        ImportFate.CLAIM,
        "Not found in SES. The customer must prove ownership first.",
    ),
    adoption_services.AdoptionFate.THEIRS: (ImportFate.SAME, ""),
    adoption_services.AdoptionFate.TAKEN: (ImportFate.REFUSED, "This domain belongs to another customer."),
}


def _plain(kind: str, name: str, value: str) -> tuple[str, str, str]:
    """As records are compared: without quotes, a priority before the value, or the dot at the end."""
    kind, words = kind.upper(), value.strip().strip('"').split()
    plain = " ".join(words[1:] if kind == "MX" and len(words) == 2 else words)
    return kind, name.rstrip(".").lower(), plain if kind == "TXT" else plain.rstrip(".").lower()


def stored_values(given: Given) -> dict[str, Any]:
    """As its row holds them: an endpoint's settings are encrypted, since they hold secrets."""
    if given.kind is not RowKind.ENDPOINT:
        return dict(given.values)
    return {**given.values, "config": sealed.seal_values(given.values["config"])}


def values_of(row: Any) -> Given:
    """A stored row as it was made ready. Raises `sealed.Unreadable`."""
    values = row.values
    if row.kind == RowKind.ENDPOINT:
        values = {**values, "config": sealed.unseal_values(values["config"])}
    return Given(RowKind(row.kind), row.owner, row.name, values, row.why_not)
