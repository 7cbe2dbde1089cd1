"""Receiving as the published API contract has it: what a page of domains or endpoints needs, in few queries."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from django.conf import settings
from django.db import connection
from django.db.models import Count, Q, QuerySet

from changes.selectors import last_changed
from domains.models import Domain
from receipt_rules.models import Address, CatchAll, Endpoint, PendingChange
from receipt_rules.selectors import finding
from tenants.selectors import Viewer

# The first rule of the last state that we read which names the recipient. Its rows are those of the newest snapshot.
RULE_NAMES = """
    SELECT DISTINCT ON (recipient.name) recipient.name, one.rule->>'name'
    FROM (SELECT content FROM receipt_rules_snapshot WHERE region = %s ORDER BY at DESC, id DESC LIMIT 1) AS latest,
        jsonb_array_elements(latest.content->'rules') WITH ORDINALITY AS one(rule, place),
        jsonb_array_elements_text(one.rule->'recipients') AS recipient(name)
    WHERE recipient.name = ANY(%s)
    ORDER BY recipient.name, one.place
"""


@dataclass(frozen=True)
class Receiving:
    """What a domain takes: its addresses, counted, and its catch-all, on or off."""

    addresses: int = 0
    active: int = 0
    configured: int = 0
    catch_all: CatchAll | None = None


@dataclass(frozen=True)
class Uses:
    """What points to an endpoint; at most so many as a page names."""

    addresses: tuple[Address, ...] = ()
    domains: tuple[Domain, ...] = ()


@dataclass(frozen=True)
class AddressesWanted:
    domain_id: str | None = None
    is_active: bool | None = None
    is_live: bool | None = None


@dataclass
class _Collected:
    addresses: list[Address] = field(default_factory=list)
    domains: list[Domain] = field(default_factory=list)


def receiving_of(domains: Collection[Domain]) -> dict[str, Receiving]:
    """Of each domain, in two queries."""
    ids = [domain.pk for domain in domains]
    counts = Address.objects.filter(domain__in=ids).order_by().values("domain")
    counted = counts.annotate(
        addresses=Count("pk"),
        active=Count("pk", filter=Q(is_active=True)),
        configured=Count("pk", filter=Q(is_live=True)),
    )
    by_domain = {each[0]: each[1:] for each in counted.values_list("domain", "addresses", "active", "configured")}
    found = CatchAll.objects.select_related("endpoint", "domain").filter(domain__in=ids, subdomains=False)
    catch_alls = {row.domain_id: row for row in found}
    return {key: Receiving(*by_domain.get(key, (0, 0, 0)), catch_all=catch_alls.get(key)) for key in ids}


def addresses_found(*, viewer: Viewer, wanted: AddressesWanted) -> QuerySet[Address]:
    """With `changed_at`; in the order of the address itself."""
    rows = finding.addresses_for(viewer).annotate(changed_at=last_changed("address"))
    asked = {"domain": wanted.domain_id, "is_active": wanted.is_active, "is_live": wanted.is_live}
    return rows.filter(**{name: value for name, value in asked.items() if value is not None}).order_by("address")


def endpoints_found(
    *, viewer: Viewer, kind: str | None = None, is_active: bool | None = None, name: str | None = None
) -> QuerySet[Endpoint]:
    """With `changed_at`; `name` is a part of it."""
    rows = finding.endpoints_for(viewer).annotate(changed_at=last_changed("endpoint"))
    if name:
        rows = rows.filter(name__icontains=name)
    asked = {"type": kind, "is_active": is_active}
    return rows.filter(**{name: value for name, value in asked.items() if value is not None}).order_by("name", "pk")


def uses_of(endpoints: Iterable[Endpoint], *, at_most: int) -> dict[str, Uses]:
    """What points to each, in two queries; of each kind at most so many are read."""
    found = {endpoint.pk: _Collected() for endpoint in endpoints}
    for address in Address.objects.select_related("domain").filter(endpoint__in=found).order_by("address")[:at_most]:
        found[str(address.endpoint_id)].addresses.append(address)
    catch_alls = CatchAll.objects.select_related("domain").filter(endpoint__in=found, is_active=True)
    for catch_all in catch_alls.order_by("domain__name")[:at_most]:
        found[str(catch_all.endpoint_id)].domains.append(catch_all.domain)
    return {key: Uses(tuple(some.addresses), tuple(some.domains)) for key, some in found.items()}


def rule_names(recipients: Collection[str]) -> Mapping[str, str]:
    """The name of Amazon's rule that holds each, as last read; one that no rule names is not in it."""
    if not recipients:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(RULE_NAMES, [settings.AWS_REGION, list(recipients)])
        return dict(cursor.fetchall())


def pending_of(customer_ids: Iterable[str]) -> dict[str, str]:
    """Customers with a change that Amazon's rules do not show yet, and why it waits for an operator, if it does."""
    waiting = PendingChange.objects.filter(customer__in=set(customer_ids))
    return dict(waiting.values_list("customer_id", "waits_because"))
