"""What the page of a plan shows beside its steps: whose addresses they are, and what has happened before."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from django.conf import settings

from accounts.models.people import Customer
from audit.models import Change
from receipt_rules.addresses.selectors import Holders
from receipt_rules.models.runs import Run, RunKind
from receipt_rules.planner.core.consequences import Consequence
from receipt_rules.planner.core.groups import AddressGroup, grouped_addresses
from receipt_rules.planner.core.rules import domain_of

MOST_EXAMPLES = 5
MOST_PLACES = 3
MOST_CUSTOMERS = 4
WISHES = ("address.", "catch_all.", "endpoint.")


@dataclass(frozen=True)
class GroupShown:
    """`customers` are names, each with the number of their addresses, the most first; "" is nobody's."""

    group: AddressGroup
    customers: tuple[tuple[str, int], ...]

    @property
    def number(self) -> int:
        return len(self.group.members)

    @property
    def examples(self) -> list[str]:
        return [each.who for each in self.group.members[:MOST_EXAMPLES]]

    @property
    def more(self) -> int:
        return max(0, self.number - MOST_EXAMPLES)

    @property
    def befores(self) -> tuple[str, ...]:
        return self.group.befores[:MOST_PLACES]

    @property
    def more_befores(self) -> int:
        return max(0, len(self.group.befores) - MOST_PLACES)

    @property
    def afters(self) -> tuple[str, ...]:
        return self.group.after[:MOST_PLACES]

    @property
    def more_afters(self) -> int:
        return max(0, len(self.group.after) - MOST_PLACES)

    @property
    def named(self) -> tuple[tuple[str, int], ...]:
        return self.customers[:MOST_CUSTOMERS]

    @property
    def more_customers(self) -> int:
        return max(0, len(self.customers) - MOST_CUSTOMERS)


def groups_shown(found: tuple[Consequence, ...]) -> list[GroupShown]:
    """For staff: with the names of the customers."""
    if not found:
        return []
    owner = cache(Holders.read().customer_of)
    names = dict(Customer.objects.values_list("pk", "name"))
    return [
        GroupShown(group, _customers((owner(domain_of(each.address)) for each in group.members), names))
        for group in grouped_addresses(found)
    ]


def _customers(owners: Iterable[str], names: dict[str, str]) -> tuple[tuple[str, int], ...]:
    return tuple((names.get(owner, ""), number) for owner, number in Counter(owners).most_common())


def last_approval() -> Run | None:
    rows = Run.objects.filter(region=settings.AWS_REGION, kind__in=(RunKind.APPROVED, RunKind.ROLLBACK))
    return rows.select_related("approved_by").order_by("-created_at").first()


def wishes_since(run: Run) -> int:
    """How many changes of addresses, catch-alls and endpoints the log has since a run was approved."""
    rows = Change.objects.filter(at__gt=run.created_at)
    return sum(rows.filter(what__startswith=kind).count() for kind in WISHES)
