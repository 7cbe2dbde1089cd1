"""Stores for every address, catch-all and name what the active rules do with its mail.

`record_live_rules` follows each read of SES, `record_step` each step of a run. `update_name_facts` follows each change
by a customer: a new address waits, and a name without addresses or catch-alls receives nothing.

`choose` changes a domain between receiving here and send only, in an order that loses no mail. To send only: the MX
record moves away first, then the rules are removed. To receive: the rules first, the MX record last. The rows of its
addresses are kept meanwhile.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from accounts.models.people import User
from domains.models.domains import Domain
from domains.ownership.selectors import Holders
from domains.receiving import services as receiving_services
from domains.receiving.core import DEFECTIVE, DELIVERED, RulesFact
from domains.settings import services as settings_services
from receipt_rules.alerts import services as alerts_services
from receipt_rules.jobs import queue_customer_change
from receipt_rules.live.core import IpFilter, reject_everybody
from receipt_rules.live.selectors import last_read
from receipt_rules.models.addresses import Address, CatchAll
from receipt_rules.models.runs import ActiveRuleSet, ReceivingStop
from receipt_rules.planner.core.recipient_index import RecipientIndex
from receipt_rules.planner.core.rules import Rule, RuleSet, domain_of, sample_address
from receipt_rules.planner.services import DesiredState, read_desired_state
from receipt_rules.receiving.core import (
    CatchAllsAbove,
    best_fact,
    delivery_of,
    dropped_fact,
    halted_fact,
    held_fact,
    rules_fact,
    serving_entry,
)
from receipt_rules.rollback.services import recipients_on_hold
from receipt_rules.route_lookup.selectors import Route
from receipt_rules.runs.selectors import steps_in_progress

HARMED = frozenset((RulesFact.ELSEWHERE, RulesFact.COPIED, RulesFact.BOUNCED, RulesFact.STOPPED))
# What staff are alerted of, by the facts of the recipients.
_ALERTS = {
    HARMED: alerts_services.update_harmed_mail_alert,
    frozenset((RulesFact.DROPPED,)): alerts_services.update_rejected_mail_alert,
    frozenset(DEFECTIVE): alerts_services.update_defective_rule_alert,
    frozenset((RulesFact.SPLIT,)): alerts_services.update_split_alert,
}
ROWS_AT_ONCE = 10_000


class _Recorded(Protocol):
    """What the facts of a name need of an address or a catch-all."""

    @property
    def pk(self) -> str: ...
    @property
    def is_active(self) -> bool: ...
    @property
    def mail_name(self) -> str: ...


@dataclass(frozen=True, slots=True)
class RecipientRow:
    """An address or catch-all without its model: a region may have a million of them in memory."""

    pk: str
    recipient: str
    is_active: bool
    rules: str
    domain_id: str
    customer_id: str

    @property
    def mail_name(self) -> str:
        """Same as in the models."""
        _, at, name = self.recipient.rpartition("@")
        return f"*{name}" if not at and name.startswith(".") else name


@transaction.atomic
def record_live_rules(active: RuleSet, *, is_ours: bool, customers: frozenset[str] | None = None) -> None:
    """Store the facts. `active`: the active rule set, empty if none is active. `customers`: only of these IDs."""
    addresses, catch_alls = list(_addresses(customers)), list(_catch_alls(customers))
    rows = addresses + catch_alls
    state = read_desired_state(customers=customers)
    known = LiveFacts(active, state, is_ours=is_ours)
    facts = {row.pk: known.of(row) for row in rows}
    _update_names(rows, facts, known, customers)  # first: domains are locked before their addresses
    _store(Address, addresses, facts)
    _store(CatchAll, catch_alls, facts)
    seen = {fact for row in rows for fact in (row.rules, facts[row.pk])}
    _update_alerts(RulesFact if customers is None else seen)


@transaction.atomic
def record_filters(filters: Sequence[IpFilter]) -> None:
    """Alert operators of IP filters that block many senders. If now none or all can send, update all facts.

    Raises ValueError for an invalid range.
    """
    alerts_services.update_filter_alert(filters)
    row = ActiveRuleSet.objects.select_for_update().filter(region=settings.AWS_REGION).first()
    if row is None or row.blocks_all == reject_everybody(filters):
        return
    row.blocks_all = not row.blocks_all
    row.save(update_fields=("blocks_all",))
    record_last_read()


def record_last_read(customers: frozenset[str] | None = None) -> None:
    """Store the facts by the rules as last read, without a call: after an import, or a change of the IP filters."""
    row = ActiveRuleSet.objects.filter(region=settings.AWS_REGION).first()
    if row is not None and (read := last_read()):
        record_live_rules(read.rule_set, is_ours=row.is_ours, customers=customers)


class LiveFacts:
    """What a rule set does with mail for each recipient and name. Every page, the API and the simulator ask here.

    `active` has been read from SES, `state` from the rows. `is_ours`: the active set is managed.
    """

    def __init__(self, active: RuleSet, state: DesiredState, *, is_ours: bool) -> None:
        self._state, self._is_ours, self._trace = state, is_ours, RecipientIndex(active)
        self._above = CatchAllsAbove(active, state.holders.customer_of)
        self._on_hold = recipients_on_hold(stopped=state.stopped)
        self._is_filtered = ActiveRuleSet.objects.filter(region=settings.AWS_REGION, blocks_all=True).exists()
        self._is_quiet = not steps_in_progress()  # between the steps of our run, no change of a rule is someone else's
        delivering_rules = [rule for rule in active.foreign if rule.enabled and rule.delivery.delivers]
        self._everybody = any(rule.is_for_everybody for rule in delivering_rules)
        self._names = {
            domain_of(recipient) for rule in delivering_rules for recipient in rule.recipient_set if recipient[0] != "."
        }

    def of_route(self, route: Route) -> RulesFact:
        """Return the fact of one recipient's mail; NOTHING if no address or catch-all that is on receives it."""
        row = route.row
        if row is None and self._is_filtered:
            return RulesFact.FILTERED
        if row is None or route.because == "off":
            return RulesFact.NOTHING
        asked = (row.pk, row.recipient, row.is_active, row.rules, row.domain_id, row.domain.customer_id)
        return self.of(RecipientRow(*asked), route.recipient)

    def of(self, row: RecipientRow, address: str = "") -> RulesFact:
        """Return the fact of a row. `address`: one that the row receives, if it isn't about the row itself."""
        found = self._of(row, address or sample_address(row.recipient))
        return RulesFact.NOT_SET_UP if found is RulesFact.WAITING and not self._is_ours else found

    def _of(self, row: RecipientRow, address: str) -> RulesFact:
        name = domain_of(address)
        is_own = self._state.holders.customer_of(name) == row.customer_id
        if row.is_active and row.customer_id in self._state.stopped:
            ours = [rule for rule in self._trace.delivering_rules(address) if isinstance(rule, Rule)]
            return halted_fact(ours, is_own=is_own, is_above=self._above.accept(name))
        if row.is_active and self._is_filtered:
            return RulesFact.FILTERED
        if not is_own:
            return RulesFact.WAITING  # at a claim: the mail of another customer, who may have the same address
        if not row.is_active:
            otherwise = self._above.is_received_otherwise(address, self._trace.delivering_rules(address))
            return RulesFact.CARRIED if otherwise else self._accepted(name) or RulesFact.WAITING
        if row.recipient in self._state.holders.shared and not serving_entry(row.recipient, self._state.desired):
            return RulesFact.CARRIED if self._trace.delivering_rules(address) else RulesFact.SPLIT
        return self._of_wanted(row, address)

    def _of_wanted(self, row: RecipientRow, address: str) -> RulesFact:
        desired, name = self._state.desired, domain_of(address)
        wanted, entry = delivery_of(row.recipient, desired), serving_entry(row.recipient, desired)
        if wanted is None:  # of a send-only domain
            entry = self._above.own_entry(name, desired)
            wanted = delivery_of(entry, desired)
        found = rules_fact(self._trace.covering_rules(address), wanted)
        if wanted is None:
            found = self._accepted(name) or found
        found = held_fact(found, is_held=entry in self._on_hold)
        if found is RulesFact.WAITING and wanted and (self._is_quiet or row.rules == RulesFact.DROPPED):
            arrives = bool(self._trace.delivering_rules(address))
            return dropped_fact(found, before=RulesFact(row.rules), is_delivered=arrives)
        return found

    def of_name(self, name: str) -> RulesFact:
        """Return what happens to mail for a name without addresses."""
        desired = self._state.desired
        if wanted := delivery_of(self._above.own_entry(name, desired), desired):
            found = rules_fact(self._trace.covering_rules(sample_address(name)), wanted)
            if found is not RulesFact.WAITING:
                return RulesFact.CAUGHT if found in DELIVERED else found
        if self._everybody or name in self._names:
            return RulesFact.FOREIGN
        return self._accepted(name) or RulesFact.NOTHING

    def _accepted(self, name: str) -> RulesFact | None:
        return RulesFact.ACCEPTED if self._above.accept(name) else None


def _update_alerts(seen: Iterable[str]) -> None:
    """Update the alerts of these facts. The recipients of all customers that have one are read once."""
    due = {facts: update for facts, update in _ALERTS.items() if not facts.isdisjoint(seen)}
    if not due:
        return
    here = {"rules__in": frozenset().union(*due), "is_active": True, "domain__region": settings.AWS_REGION}
    found = list(Address.objects.filter(**here).order_by().values_list("rules", "address", "domain__customer_id"))
    catch_alls = CatchAll.objects.filter(**here).select_related("domain").order_by()
    found += [(each.rules, each.recipient, each.domain.customer_id) for each in catch_alls]
    for facts, update in due.items():
        some = [(recipient, customer) for fact, recipient, customer in found if fact in facts]
        update([recipient for recipient, _ in some], {customer for _, customer in some})


def record_step(active: RuleSet, recipients: Collection[str]) -> None:
    """Store the facts of the customers whose recipients a step has changed in the active managed rule set."""
    names = {domain_of(recipient) for recipient in recipients}
    holders = Holders.at(names)
    if customers := frozenset(filter(None, map(holders.customer_of, names))):
        below = {domain_of(recipient) for recipient in recipients if recipient[0] == "."}
        others = Holders.read(customers).customers_below(below) if below else frozenset[str]()
        record_live_rules(active, is_ours=True, customers=customers | others)


def update_name_facts(domain: Domain) -> None:
    """Update the facts of the domain's names. Runs in the transaction of a change; a new recipient waits."""
    rows: list[Address | CatchAll] = list(Address.objects.filter(domain=domain))
    rows += CatchAll.objects.filter(domain=domain)
    for row in rows:
        row.domain = domain
    _store_covered(domain, rows)
    facts = {row.pk: RulesFact(row.rules) for row in rows}
    rules = _by_name(rows, facts)
    if (above := domain.mail_rules.get(domain.name)) in (RulesFact.ACCEPTED, RulesFact.CAUGHT):
        rules.setdefault(domain.name, RulesFact(above))  # by a catch-all above, whatever the domain has
    receiving_services.record_rules(domain_id=domain.pk, rules=rules)


def _store_covered(domain: Domain, rows: Sequence[Address | CatchAll]) -> None:
    """A live subdomain catch-all above receives the mail of a new address before its own rule does, whoever has it."""
    new = [row for row in rows if isinstance(row, Address) and row.is_active and row.rules == RulesFact.WAITING]
    parents = domain.parsed.parents if new and domain.is_proven and domain.receives else ()
    live = CatchAll.objects.filter(subdomains=True, is_active=True, rules__in=DELIVERED, domain__region=domain.region)
    if parents and live.filter(domain__name__in=parents).exists():
        is_stopped = ReceivingStop.objects.filter(customer=domain.customer_id, is_stopped=True).exists()
        found = RulesFact.MUTED if is_stopped else RulesFact.CARRIED
        Address.objects.filter(pk__in=[row.pk for row in new]).update(rules=found)
        for row in new:
            row.rules = found


def _addresses(customers: frozenset[str] | None) -> Iterator[RecipientRow]:
    return (RecipientRow(key, recipient, *rest) for key, recipient, *rest in _rows(Address, "address", customers))


def _catch_alls(customers: frozenset[str] | None) -> Iterator[RecipientRow]:
    for key, subdomains, *rest, name in _rows(CatchAll, "subdomains", customers, "domain__name"):
        yield RecipientRow(key, CatchAll.recipient_of(name, subdomains=subdomains), *rest)


def _rows(
    model: type[Address] | type[CatchAll], own: str, customers: frozenset[str] | None, *more: str
) -> Iterator[Any]:
    """Yield rows; each domain ID and customer ID is one object in memory, however many rows have it."""
    rows: QuerySet[Any] = model.objects.order_by().filter(domain__region=settings.AWS_REGION)
    mine = rows if customers is None else rows.filter(domain__customer__in=customers)
    kept: dict[str, str] = {}
    columns = ("pk", own, "is_active", "rules", "domain_id", "domain__customer_id", *more)
    for key, named, is_active, rules, domain, customer, *others in mine.values_list(*columns).iterator(ROWS_AT_ONCE):
        once = (kept.setdefault(each, each) for each in (rules, domain, customer))
        yield key, named, is_active, *once, *others


def _store(model: type[Address] | type[CatchAll], rows: Sequence[RecipientRow], facts: Mapping[str, RulesFact]) -> None:
    changed: dict[RulesFact, list[str]] = defaultdict(list)
    for row in rows:
        if row.rules != facts[row.pk]:
            changed[facts[row.pk]].append(row.pk)
    stored: QuerySet[Any] = model.objects.order_by("pk")
    for fact, keys in changed.items():
        # Skip locked rows: waiting for several could deadlock, and the change that holds one causes another run.
        free = stored.filter(pk__in=keys).select_for_update(of=("self",), skip_locked=True).values_list("pk", flat=True)
        stored.filter(pk__in=list(free)).update(rules=fact)


def _update_names(
    rows: Sequence[RecipientRow], facts: Mapping[str, RulesFact], known: LiveFacts, customers: frozenset[str] | None
) -> None:
    """Update only names whose facts differ, so that few rows are locked."""
    at: dict[str, list[RecipientRow]] = defaultdict(list)
    for row in rows:
        at[row.domain_id].append(row)
    domains = Domain.objects.filter(region=settings.AWS_REGION).order_by("pk")
    if customers is not None:
        domains = domains.filter(customer__in=customers)
    for domain_id, name, noted in domains.values_list("pk", "name", "mail_rules"):
        rules = _by_name(at.get(domain_id, ()), facts)
        if name not in rules and (fact := known.of_name(name)) is not RulesFact.NOTHING:
            rules[name] = fact
        if rules != noted:
            receiving_services.record_rules(domain_id=domain_id, rules=rules)


def _by_name(rows: Iterable[_Recorded], facts: Mapping[str, RulesFact]) -> dict[str, RulesFact]:
    found: dict[str, list[RulesFact]] = defaultdict(list)
    for row in rows:
        if row.is_active:
            found[row.mail_name].append(facts[row.pk])
    return {name: best_fact(all_) for name, all_ in found.items()}


def choose(*, domain: Domain, receives: bool, actor: User) -> None:
    """Change what the domain receives. Idempotent.

    Raises Refused: MX_LEADS_HERE, MX_UNKNOWN, or before it is set up.
    """
    with transaction.atomic():
        if settings_services.set_receives(domain=domain, receives=receives, actor=actor):
            queue_customer_change(domain.customer, actor, domains=[domain.pk])
