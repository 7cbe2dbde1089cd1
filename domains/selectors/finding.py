"""Domains to be read. What a customer can reach takes the viewer and shows their own rows alone."""

from dataclasses import dataclass, fields
from datetime import datetime

from django.db.models import Count, Q, QuerySet
from django.http import QueryDict

from domains.core.checking import State
from domains.core.names import DomainName, understand
from domains.models import Domain, Stage
from inbound_admin.lib.errors import Refused
from tenants.models import Customer
from tenants.selectors import Viewer, customers_for, supports_everyone


def domains_for(viewer: Viewer) -> QuerySet[Domain]:
    """Domains of the viewer's customers, or of all for staff who support them."""
    domains = Domain.objects.select_related("customer")
    return domains if supports_everyone(viewer) else domains.filter(customer__in=customers_for(viewer))


def related_domains(name: DomainName) -> QuerySet[Domain]:
    """Domains under or over this name, whoever's they are: for decisions, never to be shown."""
    return Domain.objects.filter(Q(name__endswith=f".{name.ascii}") | Q(name__in=name.parents))


def verified_parent(name: DomainName, customer: Customer) -> Domain | None:
    """The nearest domain above this one that the same customer has verified."""
    own = Domain.objects.filter(customer=customer, name__in=name.parents, verified_at__isnull=False)
    return max(own, key=lambda domain: len(domain.name), default=None)


def domains_due(now: datetime) -> QuerySet[Domain]:
    """What the worker has to look at now: never what is held or being deleted."""
    due = Domain.objects.filter(next_check_at__lte=now, held_at__isnull=True, stage__in=(Stage.CLAIM, Stage.READY))
    return due.order_by("next_check_at")


ATTENTION = {
    "attention": ("Needs attention", (State.AT_RISK, State.WRONG)),
    "waiting": ("Waiting", (State.NOT_CHECKED, State.WAITING, State.SPREADING)),
    "verified": ("Verified", (State.VERIFIED,)),
    "unclear": ("Could not check", (State.COULD_NOT_CHECK,)),
}


@dataclass(frozen=True)
class Filters:
    """What the URL of the list says; nonsense in it filters nothing."""

    q: str = ""
    show: str = ""
    state: str = ""
    customer: str = ""
    provider: str = ""

    @classmethod
    def read(cls, query: QueryDict) -> "Filters":
        given = {field.name: query.get(field.name, "").replace("\x00", "").strip()[:300] for field in fields(cls)}
        return cls(**given)

    @property
    def active(self) -> bool:
        return any(getattr(self, field.name) for field in fields(self))


def search(*, viewer: Viewer, filters: Filters) -> QuerySet[Domain]:
    """By part of the name (as typed, or as DNS writes it), and by the filters."""
    found = _narrowed(domains_for(viewer), filters)
    if filters.show in ATTENTION:
        found = found.filter(state__in=ATTENTION[filters.show][1])
    return found.order_by("name")


def attention_counts(*, viewer: Viewer, filters: Filters) -> dict[str, int]:
    """How many domains each of `ATTENTION` shows under the other filters, in one query."""
    counted = {key: Count("pk", filter=Q(state__in=states)) for key, (_, states) in ATTENTION.items()}
    return _narrowed(domains_for(viewer), filters).order_by().aggregate(**counted)


def _narrowed(domains: QuerySet[Domain], filters: Filters) -> QuerySet[Domain]:
    if filters.q:
        domains = domains.filter(Q(name__icontains=filters.q) | Q(name__icontains=_in_dns(filters.q)))
    for column in ("state", "customer", "provider"):
        if value := getattr(filters, column):
            domains = domains.filter(**{column: value})
    return domains


def _in_dns(text: str) -> str:
    try:
        return understand(text).domain.ascii
    except Refused:
        return text
