"""Who holds a name: the customer who has proven it. An unproven row, in any stage, holds nothing."""

from collections.abc import Collection, Sequence

from django.conf import settings
from django.db import connection
from django.db.models import Q, QuerySet

from accounts.models.people import Customer, User
from accounts.people.selectors import supports_everyone
from domains.models.domains import Domain, Stage
from domains.names.core import DomainName
from domains.ownership.core import OUR_REASONS


def held_domains() -> QuerySet[Domain]:
    return Domain.objects.exclude(stage=Stage.CLAIM).filter(proven_at__isnull=False)


def unproven_domains() -> QuerySet[Domain]:
    return Domain.objects.filter(Q(stage=Stage.CLAIM) | Q(proven_at__isnull=True))


def expiring_domains() -> QuerySet[Domain]:
    """Return unproven domains that expire and that count toward the customer's limit.

    Domains created by staff, or verified once, do not expire.
    """
    rows = unproven_domains().filter(verified_at=None).exclude(claim_reason__in=OUR_REASONS)
    return rows.exclude(stage=Stage.DELETING)


def unproven_domains_left(customer: Customer, actor: User | None) -> int | None:
    """Return how many more the actor may add for the customer; None means no limit, as for staff."""
    most: int = settings.UNPROVEN_DOMAINS_PER_CUSTOMER
    if not most or (actor is not None and supports_everyone(actor)):
        return None
    return max(0, most - expiring_domains().filter(customer=customer).count())


def unproven_limit_text() -> str:
    """Return why no more can be added."""
    return (
        f"You can have at most {settings.UNPROVEN_DOMAINS_PER_CUSTOMER:,} unverified domains at a time. "
        "Verify or delete some first, or ask support to add this one."
    )


def below_or_above(name: DomainName) -> Q:
    return Q(name__endswith=f".{name.ascii}") | Q(name__in=name.parents)


def related_domains(name: DomainName) -> QuerySet[Domain]:
    """Return held domains below or above this name, of any customer. Use them for decisions and never show them.

    Unproven rows are left out: the person who adds a domain must not learn what others add, nor be blocked by it.
    """
    return held_domains().filter(below_or_above(name))


def mail_from_of(name: DomainName) -> Domain | None:
    """Return the domain of any customer that has this name as MAIL FROM domain, which must not receive other mail."""
    above = held_domains().filter(name__in=name.parents)
    return next((each for each in above if name.ascii in (each.mail_from, each.ses_mail_from)), None)


def names_in_use(names: Sequence[str], customer: Customer) -> frozenset[str]:
    """Return the names that are domains of the customer, or proven ones of anybody."""
    own = Q(customer=customer) | (Q(proven_at__isnull=False) & ~Q(stage=Stage.CLAIM))
    return frozenset(Domain.objects.filter(own, name__in=names).values_list("name", flat=True))


def holds_above(name: DomainName, customer: Customer) -> bool:
    """Return True if the customer has proven a parent domain of this name."""
    return held_domains().filter(customer=customer, name__in=name.parents).exists()


AT_ONCE = 200  # names per statement; each value becomes one range scan of the index of reversed names
_IS_BELOW = """(reverse(name) COLLATE "C" > %s AND reverse(name) COLLATE "C" < %s)"""
_BELOW = "SELECT name, customer_id FROM domains_domain WHERE stage <> 'claim' AND proven_at IS NOT NULL AND ({})"


def held_names_near(customers: Collection[str]) -> list[tuple[str, str]]:
    """Return (name, customer id) of these customers' held names, and of all held names below them."""
    own = list(held_domains().filter(customer__in=customers).values_list("name", "customer_id"))
    names = [name for name, _ in own]
    parts = (names[at : at + AT_ONCE] for at in range(0, len(names), AT_ONCE))
    return [*own, *(row for some in parts for row in _held_below(some))]


def _held_below(names: Sequence[str]) -> list[tuple[str, str]]:
    """Reversed, a subdomain begins with the reversed name and a dot; "/" is the character after the dot."""
    edges = [name[::-1] + end for name in names for end in "./"]
    with connection.cursor() as cursor:
        cursor.execute(_BELOW.format(" OR ".join([_IS_BELOW] * len(names))), edges)
        return list(cursor.fetchall())
