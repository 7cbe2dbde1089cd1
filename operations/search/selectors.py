"""Searches everything that the viewer may see: pages, actions, objects, people and open invitations."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from django.db.models import Q

from accounts.people.selectors import Viewer, find_customers, find_invitations, find_memberships, with_shared_names
from domains.domain_list.selectors import dns_form, domains_for, name_contains, names_in_unicode
from domains.models.domains import Domain
from inbound_admin.lib.filters import has_part_in_any_case
from operations.search.core import PAGES, ROUTES, SearchQuery, SitePage, read_query
from receipt_rules.addresses.selectors import addresses_for, endpoints_for, may_route
from receipt_rules.live.selectors import last_read
from receipt_rules.runs.selectors import may_see_rules
from receipt_rules.runs.selectors import runs as all_runs
from tenants.lifecycle.selectors import find_tenants, sees_tenants, tenants_for

FIRST_NAMES = 500
MOST = 8  # of each kind; its list has the rest


class HitKind(StrEnum):
    PAGE = "page"
    DOMAIN = "domain"
    ADDRESS = "address"
    ENDPOINT = "endpoint"
    CUSTOMER = "customer"
    PERSON = "person"
    INVITATION = "invitation"
    TENANT = "tenant"
    RULE = "rule"
    RUN = "run"


@dataclass(frozen=True)
class Hit:
    """`whose`: the customer's name; of a customer, the ID if another has its name. `exact`: equal, not only similar."""

    kind: HitKind
    id: str
    title: str
    whose: str = ""
    exact: bool = False


def search(*, viewer: Viewer, text: str) -> tuple[Hit, ...]:
    """Exact matches first; up to `MOST` of each kind."""
    query = read_query(text)
    if not query.text:
        return ()
    hits = [hit for find in SEARCHES for hit in find(query, viewer)]
    return tuple(sorted(hits, key=lambda hit: not hit.exact))


def single_hit(hits: tuple[Hit, ...]) -> Hit | None:
    """Return the hit to open directly: the only exact match, or the only match."""
    exact = [hit for hit in hits if hit.exact]
    if len(exact) == 1:
        return exact[0]
    return hits[0] if len(hits) == 1 else None


def _domains(query: SearchQuery, viewer: Viewer) -> Iterator[Hit]:
    if query.tenant or query.rule:
        return
    name = query.identity or query.text.rpartition("@")[2]
    meant = Q(name=name) if query.identity else Q(pk=name)
    if query.may_be_token:
        meant |= Q(dkim_tokens__contains=[name.lower()]) | Q(verification_token=name)
    # As separate queries, each uses its own index; with OR, every similar name would be read.
    keys = {*_first_keys(viewer, meant), *(() if query.identity else _first_named(viewer, name))}
    for domain in domains_for(viewer).filter(pk__in=keys).order_by("name")[:MOST]:
        yield Hit(HitKind.DOMAIN, domain.pk, str(domain), domain.customer.name, exact=_is(domain, name))


def _first_keys(viewer: Viewer, wanted: Q) -> list[str]:
    """Return keys of the first matches by name; only the shown rows are read."""
    return list(domains_for(viewer).filter(wanted).order_by("name").values_list("pk", flat=True)[:MOST])


def _first_named(viewer: Viewer, name: str) -> list[str]:
    """Search among the first names, where frequent parts of names occur. Only rarer ones are looked up in the index."""
    first = domains_for(viewer).order_by("name").values("pk")[:FIRST_NAMES]
    found = _first_keys(viewer, Q(name__contains=name.lower(), pk__in=first))
    return found if len(found) == MOST else _first_keys(viewer, name_contains(name))


def _is(domain: Domain, name: str) -> bool:
    return name.lower() in (domain.name, domain.parsed.unicode.lower(), domain.pk, *domain.dkim_tokens)


def _addresses(query: SearchQuery, viewer: Viewer) -> Iterator[Hit]:
    if query.is_arn:
        return
    local, at, name = query.text.lower().partition("@")
    text = f"{local}{at}{name if name.isascii() else dns_form(name)}"
    wanted = Q(pk=text) | Q(address__startswith=text if at else f"{text}@")
    if not name.isascii():
        wanted |= Q(domain__name__in=names_in_unicode(name), address__startswith=f"{local}@")
    for row in addresses_for(viewer).filter(wanted).order_by("address", "pk")[:MOST]:
        yield Hit(HitKind.ADDRESS, row.pk, row.address, row.domain.customer.name, exact=text in (row.address, row.pk))


def _endpoints(query: SearchQuery, viewer: Viewer) -> Iterator[Hit]:
    if query.is_arn:
        return
    for row in (
        endpoints_for(viewer)
        .filter(Q(pk=query.text) | has_part_in_any_case("name", query.text))
        .order_by("name")[:MOST]
    ):
        yield Hit(HitKind.ENDPOINT, row.pk, row.name, row.customer.name, exact=query.text in (row.pk, row.name))


def _customers(query: SearchQuery, viewer: Viewer) -> Iterator[Hit]:
    if query.is_arn:
        return
    found = list(find_customers(viewer=viewer, text=query.text)[:MOST])
    shared = with_shared_names(found, viewer=viewer)
    for customer in found:
        told_apart = customer.pk if customer.pk in shared else ""
        exact = query.text in (customer.pk, customer.name)
        yield Hit(HitKind.CUSTOMER, customer.pk, customer.name, told_apart, exact=exact)


def _tenants(query: SearchQuery, viewer: Viewer) -> Iterator[Hit]:
    """For staff only: customers have no tenant page."""
    if query.identity or query.rule or not sees_tenants(viewer):
        return
    text = query.tenant or query.text
    keys = list(find_tenants(viewer=viewer, text=text).values_list("pk", flat=True)[:MOST])
    for tenant in sorted(tenants_for(viewer).filter(pk__in=keys), key=lambda each: keys.index(each.pk)):
        exact = text in (tenant.pk, tenant.name, tenant.ses_id, tenant.arn)
        yield Hit(HitKind.TENANT, tenant.pk, tenant.name, tenant.customer.name, exact=exact)


def _rules(query: SearchQuery, viewer: Viewer) -> Iterator[Hit]:
    """Search the rules as last read. A rule's ID is its position in the set."""
    latest = last_read() if may_see_rules(viewer) else None
    if latest is None or query.identity or query.tenant:
        return
    text = query.rule or query.text
    names = [name for name in latest.rule_set.names if text.lower() in name.lower()]
    for name in names[:MOST]:
        yield Hit(HitKind.RULE, name, name, exact=name == text)


def _runs(query: SearchQuery, viewer: Viewer) -> Iterator[Hit]:
    if may_see_rules(viewer) and query.text.startswith("run_"):
        for run in all_runs().filter(pk=query.text):
            yield Hit(HitKind.RUN, run.pk, str(run), exact=True)


def _pages(query: SearchQuery, viewer: Viewer) -> Iterator[Hit]:
    """Never exact, so a page doesn't hide an object of the same name."""
    found = [page for page in PAGES if page.matches(query.text) and _may_open(page, viewer)]
    for page in found[:MOST]:
        yield Hit(HitKind.PAGE, page.view, page.title)


def _may_open(page: SitePage, viewer: Viewer) -> bool:
    return may_route(viewer) if page.needs == ROUTES else not page.needs or viewer.has_perm(page.needs)


def _people(query: SearchQuery, viewer: Viewer) -> Iterator[Hit]:
    """Link to the customer's page, where members are managed."""
    if query.is_arn:
        return
    text = query.text.lower()
    for membership in find_memberships(viewer=viewer, text=text)[:MOST]:
        person, customer = membership.user, membership.customer
        yield Hit(HitKind.PERSON, customer.pk, person.email, customer.name, exact=text == person.email.lower())
    for invitation in find_invitations(viewer=viewer, text=text)[:MOST]:
        email, customer = invitation.email, invitation.customer
        yield Hit(HitKind.INVITATION, customer.pk, email, customer.name, exact=text == email.lower())


SEARCHES: tuple[Callable[[SearchQuery, Viewer], Iterator[Hit]], ...] = (
    _domains,
    _addresses,
    _tenants,
    _customers,
    _people,
    _endpoints,
    _rules,
    _runs,
    _pages,
)
