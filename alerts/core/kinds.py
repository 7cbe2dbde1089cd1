"""The conditions that raise alerts: each with words, and with what it takes until somebody is told."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from inbound_admin.lib.tables import keyed


class Severity(StrEnum):
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


@dataclass(frozen=True)
class Kind:
    """`looks` in a row must have seen it, the first and the last at least `minimum_age` apart; then it is raised.

    `looks_clear` in a row must have seen that it is over. `for_customers`: their people are told as well. Who is told
    of a kind that is not `optional` cannot switch it off.
    """

    name: str
    words: str
    over: str
    looks: int = 1
    minimum_age: timedelta = timedelta(0)
    looks_clear: int = 1
    for_customers: bool = False
    optional: bool = True


_KINDS = (
    # Two vantage points are the resolvers, which must agree before a domain is at risk; two checks are counted here.
    Kind(
        "domain.at_risk",
        "A verified domain has lost a record",
        "The domain is in order again",
        looks=2,
        minimum_age=timedelta(minutes=1),
        for_customers=True,
    ),
    Kind(
        "domain.displaced",
        "Ownership was proven from another account",
        "Ownership of the domain is proven",
        for_customers=True,
    ),
    Kind(
        "domain.expiring",
        "An unproven domain will be removed",
        "The domain will not be removed",
        for_customers=True,
    ),
    Kind("domain.stuck", "A domain is stuck", "The domain moves again"),
    Kind("domain.removal_held_up", "A domain cannot be deleted yet", "The deletion of the domain goes on"),
    Kind("rule.drift", "The rules at Amazon were changed elsewhere", "The rules at Amazon are as we left them again"),
    Kind("drift.found", "Amazon is not as our rows say", "Amazon is as our rows say again"),
    Kind("run.failed", "A run of changes failed", "The run was carried out"),
    Kind("quota.80", "A quota is used to 80 % or more", "The quota is below 80 % again"),
    Kind(
        "tenant.suspended", "Amazon stopped a tenant's sending", "Amazon lets the tenant send again", for_customers=True
    ),
    Kind("tenant.high_finding", "Amazon found a serious problem with a tenant", "Amazon's finding is resolved"),
    Kind("tenant.bounces", "Too much of a tenant's mail bounces", "Fewer messages bounce again", looks=2),
    Kind("tenant.complaints", "Too many recipients complain of a tenant", "Fewer recipients complain again", looks=2),
    Kind("tenant.paused", "A tenant's sending is paused", "The tenant sends again", for_customers=True),
    Kind("account.reputation", "Amazon watches our whole account", "Our account is in good standing again"),
    Kind(
        "account.rates",
        "Too many bounces or complaints over our whole account",
        "Our account's rates are fine",
        looks=2,
    ),
    Kind("receiving.lost", "Inbound mail was lost", "No more inbound mail is lost"),
    Kind("receiving.failing", "Inbound mail could not be handed over", "Inbound mail is handed over again", looks=2),
    Kind("function.failing", "The function that takes inbound mail fails", "The function works again", looks=2),
    Kind(
        "amazon.unreachable",
        "Amazon does not answer",
        "Amazon answers again",
        minimum_age=timedelta(minutes=10),
        looks=2,
    ),
    Kind(
        "webhook.off",
        "A webhook was switched off, since it failed for days",
        "The webhook is on again",
        for_customers=True,
    ),
    Kind(
        "staff.acted",
        "Our staff changed something of yours",
        "A change by our staff, followed by another",
        for_customers=True,
        optional=False,
    ),
)
KINDS = keyed((kind.name, kind) for kind in _KINDS)


def kind_named(name: str) -> Kind:
    """One that is not in the table is raised at the first look and shown by its name."""
    return KINDS.get(name) or Kind(name, name, f"{name} is over")


def kinds_for(*, staff: bool) -> tuple[Kind, ...]:
    """What a person can be told of; whoever is no staff hears of their own customer's things alone."""
    return tuple(kind for kind in _KINDS if kind.optional and (staff or kind.for_customers))
