"""How full the region is: rules, recipients, identities; and who shares a rule, and so its fate."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import NamedTuple

from django.conf import settings

from domains.models.domains import Domain
from domains.ownership.selectors import held_domains
from inbound_admin.lib.database import in_values
from inbound_admin.lib.lists import kept_count
from receipt_rules.addresses.selectors import MOST_ASKED, names_above
from receipt_rules.live.selectors import LastRead
from receipt_rules.models.addresses import Address, CatchAll
from receipt_rules.planner.core.rules import AnyRule, RuleSet, domain_of

LONGEST_FORECAST_DAYS = 1000


@dataclass(frozen=True)
class Meter:
    """`used` of `limit`."""

    name: str
    used: int
    limit: int

    @property
    def percent(self) -> int:
        """Rounded up: 100 is full."""
        return min(100, ceil(100 * self.used / self.limit)) if self.limit else 100

    @property
    def left(self) -> int:
        return max(0, self.limit - self.used)


@dataclass(frozen=True)
class Capacity:
    """`domains_each_prefix`: what the region would hold if each domain had a prefix, and so a rule, of its own."""

    rules: Meter
    recipients: Meter
    identities: Meter
    foreign_rules: int
    has_shared_prefixes: bool
    domains_each_prefix: int

    @property
    def _unmanaged_note(self) -> str:
        """Why the limit is not that of all rules."""
        if not self.foreign_rules:
            return ""
        rules = "unmanaged rule lowers" if self.foreign_rules == 1 else "unmanaged rules lower"
        each = settings.SES_RECIPIENTS_PER_RULE
        return f" ({self.foreign_rules:,} {rules} the limit by {self.foreign_rules * each:,})"

    @property
    def sentence(self) -> str:
        if self.has_shared_prefixes:
            return (
                f"{self.recipients.used:,} of {self.recipients.limit:,} recipients used{self._unmanaged_note}. "
                f"With a prefix and so a rule for each domain, {self.domains_each_prefix:,} domains would fit."
            )
        return (
            f"Each domain has its own prefix and rule, so the region holds {self.domains_each_prefix:,} "
            f"domains. With shared prefixes, {self.recipients.limit:,} recipients would fit."
        )


def capacity(live: RuleSet) -> Capacity:
    """Of a rule set as it was read."""
    return _capacity(len(live.rules), len(live.ours), sum(len(rule.recipients) for rule in live.ours))


def capacity_as_read(read: LastRead) -> Capacity:
    """Of the rules as we last read them: from the numbers that stand with them."""
    row = read.row
    if row.own_rules is None or row.own_recipients is None:  # from before they were kept
        return capacity(read.rule_set)
    return _capacity(row.rules, row.own_rules, row.own_recipients)


def _capacity(rules: int, own_rules: int, named: int) -> Capacity:
    foreign = rules - own_rules
    ours = max(0, settings.SES_RULES_PER_SET - foreign)
    return Capacity(
        rules=Meter("Rules", rules, settings.SES_RULES_PER_SET),
        recipients=Meter("Recipients", named, ours * settings.SES_RECIPIENTS_PER_RULE),
        identities=Meter("Identities", kept_count(Domain.objects.all()), settings.SES_IDENTITIES),
        foreign_rules=foreign,
        has_shared_prefixes=not settings.RECEIVING_PREFIX_EACH_DOMAIN,
        domains_each_prefix=ours,
    )


class SharingCustomer(NamedTuple):
    """In the order of the name, not as a model: a page has thousands."""

    name: str
    pk: str


@dataclass(frozen=True)
class Sharing:
    """One rule, and the customers whose recipients it names. `unowned` are recipients at nobody's domain."""

    rule: AnyRule
    customers: tuple[SharingCustomer, ...]
    unowned: int


def sharing_by_rule(rules: Sequence[AnyRule]) -> tuple[Sharing, ...]:
    """Of each rule in its order, the customers by name. In two queries, of however many recipients."""
    domains = [[domain_of(each) for each in rule.recipient_set] for rule in rules]
    owners = _owners({name for some in domains for name in some})
    return tuple(
        Sharing(
            rule,
            tuple(sorted({owners[name] for name in some if name in owners})),
            sum(name not in owners for name in some),
        )
        for rule, some in zip(rules, domains, strict=True)
    )


def _owners(names: set[str]) -> dict[str, SharingCustomer]:
    """Who holds each name or, of the names above it, the nearest; without those that nobody holds."""
    found = _held_at(names)
    others = {name: names_above(name)[1:] for name in names - found.keys()}
    above = _held_at({each for some in others.values() for each in some}) if others else {}
    nearest = {name: next((above[each] for each in some if each in above), None) for name, some in others.items()}
    return found | {name: owner for name, owner in nearest.items() if owner}


def _held_at(names: Collection[str]) -> dict[str, SharingCustomer]:
    """With more than these, where they are too many to ask for."""
    held = held_domains().order_by()
    rows = held if len(names) > MOST_ASKED else held.filter(in_values("name", names))
    found = rows.values_list("name", "customer__name", "customer_id")
    return {name: SharingCustomer(customer, key) for name, customer, key in found}


def forecast(*, left: int, now: datetime) -> str:
    """When the room for recipients ends at the pace of the last 30 days; empty where nothing was added."""
    since = now.replace(minute=0, second=0, microsecond=0) - timedelta(days=30)  # the same for an hour
    added = sum(kept_count(model.objects.filter(created_at__gte=since)) for model in (Address, CatchAll))
    if not added:
        return ""
    many = f"{added:,} {'address or catch-all' if added == 1 else 'addresses and catch-alls'}"
    lately = f"{many} added in the last 30 days, including those that are off or not in the rules."
    days = 30 * left // added
    if days > LONGEST_FORECAST_DAYS:
        return f"{lately} At this rate, capacity lasts for years."
    until = (now + timedelta(days=days)).date()
    return f"{lately} At this rate, full by about {until:%-d %B %Y}."


def count_active_rows() -> int:
    """How many addresses and catch-alls are switched on: what the meter will come to."""
    return sum(kept_count(model.objects.filter(is_active=True)) for model in (Address, CatchAll))
