"""Finds who holds a name: the customer whose domain at or above it is proven, the nearest if there are several.

An unproven row, in any stage, holds nothing.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from functools import cached_property

from django.conf import settings
from django.db import connection
from django.db.models import Q, QuerySet

from accounts.models.people import Customer, User
from accounts.people.selectors import supports_everyone
from domains.checking.core.judgement import SesStatus, State
from domains.models.domains import Domain, Stage
from domains.names.core import DomainName, ParsedDomain, parse_domain
from domains.ownership.core import OUR_REASONS
from inbound_admin.lib.errors import ChangedMeanwhile, Refused
from inbound_admin.lib.filters import in_values


def held_domains() -> QuerySet[Domain]:
    return Domain.objects.exclude(stage=Stage.CLAIM).filter(proven_at__isnull=False)


def refuse_moved(locked: Domain, domain: Domain) -> None:
    """Raise ChangedMeanwhile if it belongs to another customer than when it was found for its viewer."""
    if locked.customer_id != domain.customer_id:
        raise ChangedMeanwhile


def unproven_domains() -> QuerySet[Domain]:
    return Domain.objects.filter(Q(stage=Stage.CLAIM) | Q(proven_at__isnull=True))


def expiring_domains() -> QuerySet[Domain]:
    """Return unproven domains that expire and that count toward the customer's limit.

    Domains created by staff, or verified once, do not expire. Nor do those that SES has verified: as long as our own
    lookups fail, their proof is unknown.
    """
    rows = unproven_domains().filter(verified_at=None).exclude(claim_reason__in=OUR_REASONS)
    rows = rows.exclude(stage=Stage.READY, identity_status=SesStatus.SUCCESS)
    return rows.exclude(stage=Stage.DELETING)


def is_found_unproven(domain: Domain, *, since: datetime) -> bool:
    """Return whether DNS and, unless it is a claim, SES have answered since then without a proof.

    A lookup that failed shows nothing, nor does a domain whose records are published and that SES hasn't verified yet.
    """
    checks = list(domain.record_checks.values_list("state", "checked_at"))
    if not checks or any(state == State.COULD_NOT_CHECK or at < since for state, at in checks):
        return False
    if domain.stage == Stage.CLAIM:
        return True
    is_read = domain.last_ses_check is not None and domain.last_ses_check >= since
    is_answered = is_read and (not domain.ses_problem or domain.is_gone)
    return is_answered and domain.state not in (State.COULD_NOT_CHECK, State.SPREADING)


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


# The holder of any name, also below a domain: of one name by a query, of thousands by `Holders`


def name_and_parents(name: str) -> tuple[str, ...]:
    """Return the name itself, then the names above it, down to two labels."""
    labels = name.split(".")
    return tuple(".".join(labels[at:]) for at in range(max(1, len(labels) - 1)))


def holder_of(name: str) -> Domain | None:
    """Return the held domain at a name, or the nearest above it."""
    found = held_domains().select_related("customer").filter(name__in=name_and_parents(name))
    return max(found, key=lambda domain: len(domain.name), default=None)


def moved_since(names: Iterable[str], since: datetime) -> str:
    """Return the first of these names that has got its holder since then; "" if none has."""
    moved = set(held_domains().filter(proven_at__gt=since).values_list("name", flat=True))
    asked = sorted(set(names)) if moved else []
    holders = Holders.at(asked)
    return next((each for each in asked if holders.nearest(each) in moved), "")


def nearest_domain(name: str, customer: Customer) -> Domain | None:
    """Return the nearest domain at or above a name: a held one, or the customer's own that isn't proven yet."""
    return nearest_domains([name], customer)[name]


def nearest_domains(names: Iterable[str], customer: Customer) -> dict[str, Domain | None]:
    """Return `nearest_domain` of each name, in one query."""
    above = {name: name_and_parents(name) for name in names}
    own = Q(customer=customer) & ~Q(stage=Stage.CLAIM)
    at = in_values("name", {each for several in above.values() for each in several})
    rows = Domain.objects.filter(own | Q(pk__in=held_domains().values("pk")), at).select_related("customer")
    # Of two rows of a name, the proven one is last.
    found = {domain.name: domain for domain in sorted(rows, key=lambda domain: domain.proven_at is not None)}
    return {name: next((found[each] for each in several if each in found), None) for name, several in above.items()}


def shares_below(domain: Domain) -> bool:
    """Return whether another customer holds a subdomain of this domain."""
    return held_domains().filter(name__endswith=f".{domain.name}").exclude(customer=domain.customer_id).exists()


MOST_NAMES = 20_000  # to filter a query by; for more, all held domains are read


class Holders:
    """The held domains and their customers, read once: a plan needs the holder of each of thousands of recipients.

    `read` reads all or those of some customers, `at` those for some names, `read_staying` those that may receive mail.
    """

    def __init__(self, held: Mapping[str, str]) -> None:
        self._held = held
        self._foreign_below: dict[str, set[str]] = {}
        for name, customer in held.items():
            above = name.partition(".")[2]
            while "." in above:  # same as `name_and_parents`, inlined for 100,000 names
                if above in held:
                    self._foreign_below.setdefault(above, set()).add(customer)
                above = above.partition(".")[2]

    @classmethod
    def read(cls, customers: Collection[str] | None = None) -> "Holders":
        """Read the holders. With customers (IDs), read only domains at and below the names they hold."""
        return cls(
            dict(held_domains().values_list("name", "customer_id") if customers is None else held_names_near(customers))
        )

    @classmethod
    def at(cls, names: Collection[str]) -> "Holders":
        """Read the holders of these names only. With more than 20,000 names, read all."""
        if len(names) > MOST_NAMES:
            return cls.read()
        above = {each for name in names for each in name_and_parents(name)}
        return cls(dict(held_domains().filter(in_values("name", above)).order_by().values_list("name", "customer_id")))

    @classmethod
    def read_staying(cls, names: Collection[str] | None = None) -> "Holders":
        """Read the holders without domains that are being deleted, which may not receive mail. `names`: as in `at`."""
        staying = held_domains().exclude(stage=Stage.DELETING)
        if names is not None and len(names) <= MOST_NAMES:
            staying = staying.filter(in_values("name", {each for name in names for each in name_and_parents(name)}))
        return cls(dict(staying.values_list("name", "customer_id")))

    def names_of(self, customers: Collection[str]) -> frozenset[str]:
        return frozenset(name for name, customer in self._held.items() if customer in customers)

    def customer_of(self, name: str) -> str:
        """Return the ID of the customer who holds a name; "" if nobody does."""
        return self._held.get(self.nearest(name), "")

    def nearest(self, name: str) -> str:
        """Return the held name at or above this one; "" if there is none."""
        return next((above for above in name_and_parents(name) if above in self._held), "")

    def belongs(self, name: str, domain: str) -> bool:
        """Return whether a name is at or below this domain, and below no other held one.

        The domain need not be held.
        """
        return domain in name_and_parents(name) and len(self.nearest(name)) <= len(domain)

    def shares_below(self, domain: str) -> bool:
        """Return whether another customer holds a subdomain of this domain."""
        return bool(self._foreign_below.get(domain, set()) - {self._held.get(domain, "")})

    def customers_below(self, domains: Collection[str]) -> frozenset[str]:
        """Return the customers (IDs) who hold names below one of these."""
        return frozenset(customer for domain in domains for customer in self._foreign_below.get(domain, ()))

    @cached_property
    def shared(self) -> frozenset[str]:
        """Return the recipients of all subdomain catch-alls that cover a name of another customer, wanted or not."""
        return frozenset(f".{name}" for name in self._foreign_below if self.shares_below(name))


# Decides whether a customer may add a name: it is a domain name, and nobody has proven it.


# Mailbox providers: only the provider can publish records there.
MAIL_PROVIDERS = frozenset(
    "gmail.com googlemail.com outlook.com hotmail.com live.com msn.com yahoo.com ymail.com aol.com icloud.com me.com"
    " mac.com proton.me protonmail.com gmx.com gmx.net gmx.de web.de mail.com zoho.com yandex.com yandex.ru mail.ru"
    " fastmail.com hey.com tutanota.com qq.com 163.com 126.com outlook.de hotmail.co.uk yahoo.co.uk".split()
)
TAKEN = "This domain is already in use. If you own it, contact support."


def parse_new_domain(text: str, customer: Customer) -> ParsedDomain:
    """Return the parsed name. Raises Refused: DOMAIN_ALREADY_REGISTERED, or a code of `parse_domain`."""
    parsed = parse_domain(text)
    name = parsed.domain.ascii
    if parsed.domain.zone in MAIL_PROVIDERS:
        sentence = f"{parsed.domain} is a mail provider's domain, so you can't add it. Add a domain that you own."
        raise Refused(sentence, code="MAIL_PROVIDER")
    if own := Domain.objects.filter(name=name, customer=customer).only("stage").first():
        sentence = f"{parsed.domain} is already in your list."
        if own.stage == Stage.DELETING:
            sentence = f"{parsed.domain} is being deleted. Add it again once it has left your list."
        raise Refused(sentence, code="DOMAIN_ALREADY_REGISTERED")
    bounces = mail_from_of(parsed.domain)
    if bounces is not None and bounces.customer_id == customer.pk:
        raise Refused(
            f"{parsed.domain} is the MAIL FROM domain of {bounces}, so you can't add it as a domain. "
            f"Add another name, or change the MAIL FROM domain in the settings of {bounces} first.",
            code="MAIL_FROM_NAME",
        )
    if bounces is not None or held_domains().filter(name=name).exists():
        raise Refused(TAKEN, code="DOMAIN_ALREADY_REGISTERED")
    return parsed
