"""Notes for every address, catch-all and name what the active rules do with its mail, as just read or as just wanted.

`note_live` follows each reading of SES, `note_wished` each change of a customer's: an address that is new waits, and a
name at which nothing is wanted any more takes nothing.

`choose` changes a domain between receiving here and send only, in the order in which no mail is lost. To send only:
first the MX record leads away, then the rules go. To receive: the rules first, the MX record last. Its addresses are
kept as rows meanwhile.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from accounts.models.people import User
from domains.models.domains import Domain
from domains.receiving import services as receiving_services
from domains.receiving.core import RulesFact
from domains.settings import services as settings_services
from receipt_rules.alerts import services as alerts_services
from receipt_rules.jobs import customer_changed
from receipt_rules.models.addresses import Address, CatchAll
from receipt_rules.planner.core.recipient_index import Trace
from receipt_rules.planner.core.rules import RuleSet, domain_of, sample_address
from receipt_rules.planner.services import held, stopped_customers, wanted
from receipt_rules.receiving.core import best, delivery_of, fate, held_fact, serving

HARMED = (RulesFact.ELSEWHERE, RulesFact.COPIED, RulesFact.BOUNCED, RulesFact.STOPPED)
ROWS_AT_ONCE = 10_000


class _Noted(Protocol):
    """What the facts of a name need of an address or a catch-all."""

    @property
    def pk(self) -> str: ...
    @property
    def is_active(self) -> bool: ...
    @property
    def mail_name(self) -> str: ...


@dataclass(frozen=True, slots=True)
class _Wish:
    """A row of either kind, without its model: a region may have a million of them at once in memory."""

    pk: str
    recipient: str
    is_active: bool
    rules: str
    domain_id: str
    customer_id: str

    @property
    def mail_name(self) -> str:
        """As the models have it."""
        _, at, name = self.recipient.rpartition("@")
        return f"*{name}" if not at and name.startswith(".") else name


@transaction.atomic
def note_live(active: RuleSet, *, is_ours: bool, customer_id: str = "") -> None:
    """`active` is what SES has, an empty set where none is active. Of one customer where one is named."""
    addresses, catch_alls = list(_addresses(customer_id)), list(_catch_alls(customer_id))
    wishes = addresses + catch_alls
    customers = frozenset([customer_id]) if customer_id else None
    trace, wanted_now, halted = Trace(active), wanted(customers=customers), stopped_customers()
    desired, on_hold = wanted_now.desired, held(wanted_now)
    facts: dict[str, RulesFact] = {}
    for wish in wishes:
        address = sample_address(wish.recipient)
        if not wish.is_active:
            found = RulesFact.CARRIED if trace.taking(address) else RulesFact.WAITING
        elif wish.customer_id in halted:
            found = RulesFact.HALTED
        else:
            found = fate(trace.covering(address), delivery_of(wish.recipient, desired))
            found = held_fact(found, is_held=serving(wish.recipient, desired) in on_hold)
        facts[wish.pk] = RulesFact.NOT_SET_UP if found is RulesFact.WAITING and not is_ours else found
    _store(Address, addresses, facts)
    _store(CatchAll, catch_alls, facts)
    _note_names(wishes, facts, _Foreign(active), customer_id)
    harmed = [wish for wish in wishes if facts[wish.pk] in HARMED]
    harmed.sort(key=lambda wish: ("@" not in wish.recipient, wish.recipient))
    if harmed or not customer_id:
        alerts_services.tell_of_harm([wish.recipient for wish in harmed], {wish.customer_id for wish in harmed})


def note_wished(domain: Domain) -> None:
    """Inside the transaction of a change. What the rules do is as it was last read; what is new waits."""
    wishes: list[Address | CatchAll] = list(Address.objects.filter(domain=domain))
    wishes += CatchAll.objects.filter(domain=domain)
    for wish in wishes:
        wish.domain = domain
    facts = {wish.pk: RulesFact(wish.rules) for wish in wishes}
    receiving_services.record_rules(domain_id=domain.pk, rules=_by_name(wishes, facts))


def _addresses(customer_id: str) -> Iterator[_Wish]:
    return (_Wish(key, recipient, *rest) for key, recipient, *rest in _rows(Address, "address", customer_id))


def _catch_alls(customer_id: str) -> Iterator[_Wish]:
    for key, subdomains, *rest, name in _rows(CatchAll, "subdomains", customer_id, "domain__name"):
        yield _Wish(key, CatchAll.recipient_of(name, subdomains=subdomains), *rest)


def _rows(model: type[Address] | type[CatchAll], own: str, customer_id: str, *more: str) -> Iterator[Any]:
    """Each domain's and customer's key once in memory, as many rows as there may be."""
    rows: QuerySet[Any] = model.objects.order_by().filter(domain__region=settings.AWS_REGION)
    mine = rows.filter(domain__customer=customer_id) if customer_id else rows
    kept: dict[str, str] = {}
    columns = ("pk", own, "is_active", "rules", "domain_id", "domain__customer_id", *more)
    for key, named, is_active, rules, domain, customer, *others in mine.values_list(*columns).iterator(ROWS_AT_ONCE):
        once = (kept.setdefault(each, each) for each in (rules, domain, customer))
        yield key, named, is_active, *once, *others


def _store(model: type[Address] | type[CatchAll], wishes: Sequence[_Wish], facts: Mapping[str, RulesFact]) -> None:
    changed: dict[RulesFact, list[str]] = defaultdict(list)
    for wish in wishes:
        if wish.rules != facts[wish.pk]:
            changed[facts[wish.pk]].append(wish.pk)
    rows: QuerySet[Any] = model.objects.order_by("pk")
    for fact, keys in changed.items():
        # A row that somebody is changing is left out: to wait for several could be for ever, and it has a run to come.
        free = rows.filter(pk__in=keys).select_for_update(of=("self",), skip_locked=True).values_list("pk", flat=True)
        rows.filter(pk__in=list(free)).update(rules=fact)


class _Foreign:
    """The names whose mail rules that are not ours take, bounce or not."""

    def __init__(self, active: RuleSet) -> None:
        taking = [rule for rule in active.foreign if rule.enabled and rule.delivery.delivers]
        self._everybody = any(rule.is_for_everybody for rule in taking)
        self._names = {
            domain_of(recipient) for rule in taking for recipient in rule.recipient_set if recipient[0] != "."
        }

    def takes(self, name: str) -> bool:
        return self._everybody or name in self._names


def _note_names(wishes: Sequence[_Wish], facts: Mapping[str, RulesFact], foreign: _Foreign, customer_id: str) -> None:
    """Only where something differs, so that few rows are locked."""
    at: dict[str, list[_Wish]] = defaultdict(list)
    for wish in wishes:
        at[wish.domain_id].append(wish)
    domains = Domain.objects.filter(region=settings.AWS_REGION).order_by("pk")
    if customer_id:
        domains = domains.filter(customer=customer_id)
    for domain_id, name, noted in domains.values_list("pk", "name", "mail_rules"):
        rules = _by_name(at.get(domain_id, ()), facts)
        if name not in rules and foreign.takes(name):
            rules[name] = RulesFact.FOREIGN
        if rules != noted:
            receiving_services.record_rules(domain_id=domain_id, rules=rules)


def _by_name(wishes: Iterable[_Noted], facts: Mapping[str, RulesFact]) -> dict[str, RulesFact]:
    found: dict[str, list[RulesFact]] = defaultdict(list)
    for wish in wishes:
        if wish.is_active:
            found[wish.mail_name].append(facts[wish.pk])
    return {name: best(all_) for name, all_ in found.items()}


def choose(*, domain: Domain, receives: bool, actor: User) -> None:
    """Choosing twice is choosing once. Raises Refused: MX_LEADS_HERE, MX_UNKNOWN, or before the domain is set up."""
    with transaction.atomic():
        if settings_services.set_receives(domain=domain, receives=receives, actor=actor):
            customer_changed(domain.customer, actor, domains=[domain.pk])
