"""Whose a name is: the nearest domain at or above it that somebody has proven. What is unproven holds nothing."""

from collections.abc import Mapping

from django.db.models import Q

from domains.models import Domain, Stage
from domains.selectors.ownership import held_domains
from tenants.models import Customer


def names_above(name: str) -> tuple[str, ...]:
    """The name itself, then the names above it, down to two labels."""
    labels = name.split(".")
    return tuple(".".join(labels[at:]) for at in range(max(1, len(labels) - 1)))


def holder_of(name: str) -> Domain | None:
    """The held domain nearest to a name: at it, or above it."""
    found = held_domains().select_related("customer").filter(name__in=names_above(name))
    return max(found, key=lambda domain: len(domain.name), default=None)


def nearest_domain(name: str, customer: Customer) -> Domain | None:
    """At a name or above it: held by somebody, or the customer's own that is not proven yet."""
    own = Q(customer=customer) & ~Q(stage=Stage.CLAIM)
    rows = Domain.objects.filter(own | Q(pk__in=held_domains().values("pk")), name__in=names_above(name))
    found = rows.select_related("customer")
    return max(found, key=lambda domain: (len(domain.name), domain.proven_at is not None), default=None)


def shares_below(domain: Domain) -> bool:
    """Whether another customer holds a name below this domain."""
    return held_domains().filter(name__endswith=f".{domain.name}").exclude(customer=domain.customer_id).exists()


class Holders:
    """Who holds every name, read once: for plans, which ask for each of thousands of recipients."""

    def __init__(self, held: Mapping[str, str]) -> None:
        self._held = held
        self._foreign_below: dict[str, set[str]] = {}
        for name, customer in held.items():
            for above in names_above(name)[1:]:
                if above in held:
                    self._foreign_below.setdefault(above, set()).add(customer)

    @classmethod
    def read(cls) -> "Holders":
        return cls(dict(held_domains().values_list("name", "customer_id")))

    @classmethod
    def read_staying(cls) -> "Holders":
        """Without what is being deleted: nothing may be received there any more."""
        staying = held_domains().exclude(stage=Stage.DELETING)
        return cls(dict(staying.values_list("name", "customer_id")))

    def customer_of(self, name: str) -> str:
        """Its id, empty for a name that nobody holds."""
        return self._held.get(self.nearest(name), "")

    def nearest(self, name: str) -> str:
        """The held name at or above this one; empty where there is none."""
        return next((above for above in names_above(name) if above in self._held), "")

    def belongs(self, name: str, domain: str) -> bool:
        """Whether a name is this domain's or below it, and below no other held one. The domain need not be held."""
        return domain in names_above(name) and len(self.nearest(name)) <= len(domain)

    def shares_below(self, domain: str) -> bool:
        """Whether another customer holds a name below this domain."""
        return bool(self._foreign_below.get(domain, set()) - {self._held.get(domain, "")})
