"""The rows from which a plan is made, and what its page shows beside its steps."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cache

from django.conf import settings
from django.db.models import Exists, F, OuterRef, Q, Value
from django.db.models.functions import Concat

from accounts.models.people import Customer
from audit.models import Change
from receipt_rules.addresses.selectors import Holders
from receipt_rules.models.addresses import Address, CatchAll
from receipt_rules.models.runs import Run, RunKind
from receipt_rules.planner.core.consequences import Consequence, Fate
from receipt_rules.planner.core.groups import AddressGroup, grouped_addresses
from receipt_rules.planner.core.rules import domain_of

READ_AT_ONCE = 10_000  # rows
MOST_EXAMPLES = 5
MOST_PLACES = 3
MOST_CUSTOMERS = 4
WISHES = ("address.", "catch_all.", "endpoint.")


@dataclass(frozen=True)
class GroupShown:
    """`named` are customers, each with the number of their addresses, the most first; "" is nobody's."""

    fate: Fate
    number: int
    examples: tuple[str, ...]
    befores: tuple[str, ...]
    more_befores: int
    afters: tuple[str, ...]
    more_afters: int
    named: tuple[tuple[str, int], ...]
    more_customers: int

    @property
    def more(self) -> int:
        return self.number - len(self.examples)


def groups_shown(found: tuple[Consequence, ...]) -> list[GroupShown]:
    """For staff: with the names of the customers."""
    if not found:
        return []
    owner = cache(Holders.read().customer_of)
    names = dict(Customer.objects.values_list("pk", "name"))
    return [_shown(group, owner, names) for group in grouped_addresses(found)]


def _shown(group: AddressGroup, owner: Callable[[str], str], names: dict[str, str]) -> GroupShown:
    customers = _customers((owner(domain_of(each.address)) for each in group.members), names)
    return GroupShown(
        fate=group.fate,
        number=len(group.members),
        examples=tuple(each.who for each in group.members[:MOST_EXAMPLES]),
        befores=group.befores[:MOST_PLACES],
        more_befores=max(0, len(group.befores) - MOST_PLACES),
        afters=group.after[:MOST_PLACES],
        more_afters=max(0, len(group.after) - MOST_PLACES),
        named=customers[:MOST_CUSTOMERS],
        more_customers=max(0, len(customers) - MOST_CUSTOMERS),
    )


def _customers(owners: Iterable[str], names: dict[str, str]) -> tuple[tuple[str, int], ...]:
    return tuple((names.get(owner, ""), number) for owner, number in Counter(owners).most_common())


def last_approval() -> Run | None:
    rows = Run.objects.filter(region=settings.AWS_REGION, kind__in=(RunKind.APPROVED, RunKind.ROLLBACK))
    return rows.select_related("approved_by").order_by("-created_at").first()


def wishes_since(run: Run) -> int:
    """How many changes of addresses, catch-alls and endpoints the log has since a run was approved."""
    rows = Change.objects.filter(at__gt=run.created_at)
    return sum(rows.filter(what__startswith=kind).count() for kind in WISHES)


# The rows from which what is wanted is made

# Recipient, customer, domain, endpoint, customer of the endpoint.
WishRow = tuple[str, str, str, str | None, str | None]
_IN_FORCE = Q(domain__receives=True, is_active=True)
_ROW = ("domain__customer_id", "domain__name", "endpoint_id", "endpoint__customer_id")


def _receiving(customers: frozenset[str] | None) -> Q:
    """Of a domain that only sends nothing is wanted; its addresses are kept."""
    here = _IN_FORCE & Q(domain__region=settings.AWS_REGION, refused_because="")
    return here if customers is None else here & Q(domain__customer__in=customers)


def refused_rows() -> Iterator[WishRow]:
    """Of all customers: what SES refuses of one holds up the rule that another shares."""
    here = _IN_FORCE & Q(domain__region=settings.AWS_REGION) & ~Q(refused_because="")
    yield from Address.objects.filter(here).values_list("address", *_ROW)
    for subdomains, owner, domain, *rest in CatchAll.objects.filter(here).values_list("subdomains", *_ROW):
        yield CatchAll.recipient_of(domain, subdomains=subdomains), owner, domain, *rest


def address_rows(customers: frozenset[str] | None) -> Iterator[WishRow]:
    """In no order: for a stream of ordered rows PostgreSQL steps through the index, a look-up for each of a million."""
    rows = Address.objects.filter(_receiving(customers)).order_by().values_list("address", *_ROW)
    return rows.iterator(chunk_size=READ_AT_ONCE)


def address_rows_apart(special: Collection[str]) -> Iterator[WishRow]:
    """Without those that their own domain's catch-all serves the same way: of a million addresses few are left.

    `special` are ids of the endpoints with a delivery of their own. A label (`a+b@`) is left in: the address without it
    may serve it.
    """
    every = CatchAll.objects.filter(_receiving(None), subdomains=False, domain=OuterRef("domain"))
    every = every.filter(Q(endpoint=None) | ~Q(endpoint__in=special)).order_by()
    at_the_domain = Q(address__endswith=Concat(Value("@"), F("domain__name"))) & ~Q(address__contains="+")
    as_usual = Q(endpoint=None) | ~Q(endpoint__in=special)
    rows = Address.objects.filter(_receiving(None)).exclude(at_the_domain & as_usual & Exists(every)).order_by()
    return rows.values_list("address", *_ROW).iterator(chunk_size=READ_AT_ONCE)


def catch_all_rows(holders: Holders, customers: frozenset[str] | None) -> Iterator[WishRow]:
    """One for all sub-domains is not wanted as soon as another customer holds one of them."""
    rows = CatchAll.objects.filter(_receiving(customers)).order_by()
    for subdomains, owner, domain, endpoint, of in rows.values_list("subdomains", *_ROW).iterator(READ_AT_ONCE):
        if not (subdomains and holders.shares_below(domain)):
            yield CatchAll.recipient_of(domain, subdomains=subdomains), owner, domain, endpoint, of
