"""Reads what is known of the live rules, the capacity of the region, and which customers share a rule."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import Any, NamedTuple

from django.conf import settings
from django.db.models import QuerySet

from accounts.models.people import Customer
from accounts.people.selectors import Viewer
from domains.domain_list.selectors import domains_for
from domains.models.domains import Domain
from domains.ownership.selectors import MOST_NAMES, held_domains, name_and_parents
from inbound_admin.lib.filters import in_values
from inbound_admin.lib.fixed_query import FixedQuery
from inbound_admin.lib.lists import kept_count, kept_counts
from receipt_rules.models.addresses import Address, CatchAll
from receipt_rules.models.runs import (
    UNFINISHED,
    ActiveRuleSet,
    PendingChange,
    RulesAsRead,
    RulesCheck,
    Run,
    RunStep,
    Snapshot,
    StepState,
)
from receipt_rules.planner.core.plans import load
from receipt_rules.planner.core.rules import AnyRule, ForeignRule, RuleSet, covering_entries, domain_of, is_ours

RULES_PER_PAGE = 20
CONTENTS_KEPT = 2
LONGEST_FORECAST_DAYS = 1000
SOON = "It takes effect within a few seconds."

_ACTIVE_RULE_SET = FixedQuery(lambda: ActiveRuleSet.objects.filter(region=settings.AWS_REGION))
_RULES_AS_READ = FixedQuery(lambda: RulesAsRead.objects.filter(region=settings.AWS_REGION).defer("content"))
_LARGE = ("content", "known", "holders")  # may be megabytes, so they are read where they are asked for
_LAST_SNAPSHOT = FixedQuery(lambda: Snapshot.objects.filter(region=settings.AWS_REGION).defer(*_LARGE))


def last_known() -> Snapshot | None:
    return _LAST_SNAPSHOT.first()


def is_set_up() -> bool:
    """Whether a rule set of ours was active when we last read SES: until then no change of customers is applied."""
    last_check = RulesCheck.objects.filter(region=settings.AWS_REGION).first()
    kinds = {each["kind"] for each in last_check.differences} if last_check else set()
    return last_known() is not None and not kinds & {"none_active", "stranger_active"}


def applied_when(customer: Customer, *, more: int = 0) -> str:
    """Return the sentence that tells a customer when their change takes effect, with so many more addresses in it.

    What the customer changed before and SES doesn't have yet is decided with it.
    """
    change = PendingChange.objects.filter(customer=customer).only("recipients").first()
    return takes_effect(more + len(change.recipients or ()) if change else more)


def takes_effect(number: int) -> str:
    """For a change of so many addresses in all. Only what nothing delays takes effect within a few seconds."""
    if not is_set_up():
        once = "SES applies our receipt rules again" if last_known() else "inbound mail is set up in this region"
        return f"It takes effect once {once}. Our team has been notified."
    if number > settings.RECEIVING_SMALL_CHANGE:
        most = f"{settings.RECEIVING_SMALL_CHANGE:,} addresses"
        return f"Our team reviews changes of more than {most} first, unless a catch-all receives their mail already."
    unfinished = Run.objects.filter(region=settings.AWS_REGION, state__in=UNFINISHED)
    if unfinished.filter(tries__gt=0).exists():  # SES answered, and refused the bucket, function or topic
        return "SES doesn't accept changes right now. We retry; if that fails, our team reviews your change."
    if read_problem() or unfinished.exclude(problem="").exists():
        return "SES isn't answering right now. It takes effect automatically once SES answers."
    larger = list(unfinished.filter(customer=None).values_list("pk", "asked__compacting"))
    return _after_runs([run for run, _ in larger], any(compacting for _, compacting in larger)) if larger else SOON


def _after_runs(runs: Collection[str], is_compacting: bool) -> str:
    """Say what a small change waits for, and for how long at most: see `auto_apply` about what goes first."""
    steps = RunStep.objects.filter(run__in=runs)
    pace: float = settings.AWS_CALLS_PER_SECOND
    minutes = ceil(steps.filter(state=StepState.TO_DO).count() / (pace if pace > 0 else 1) / 60)
    left = f"in about {minutes:,} minutes" if minutes > 1 else "in about a minute"
    if is_compacting or steps.filter(step__type="Activate").exists():
        return f"It takes effect once the change of the receipt rules that is in progress ends, {left}."
    return (
        "A larger change of the receipt rules is in progress. This one goes first if the rules have room for both. "
        f"Otherwise it takes effect when that change ends, {left}."
    )


def known_rules() -> RuleSet | None:
    """The set as the last run, or a person who accepted it, left it; None while we never knew any."""
    latest = last_known()
    if latest is None:
        return None
    found: RuleSet = load(latest.known) if latest.known else content_of(latest)
    return found


def is_all_known(latest: Snapshot) -> bool:
    """Whether all of that state is accepted, so that none of it is drift."""
    return Snapshot.objects.filter(pk=latest.pk, known__isnull=True).exists()


_contents: dict[str, RuleSet] = {}


def content_of(row: Snapshot | RulesAsRead) -> RuleSet:
    """Equal content of a state and a read has one digest. It may be megabytes: a process keeps what it read last."""
    key = row.digest or str(row.pk)
    found: RuleSet | None = _contents.get(key)
    if found is None:
        if isinstance(row, RulesAsRead) and "content" in row.get_deferred_fields():
            row.refresh_from_db(fields=("content", "digest"))  # together, as one read stored them
            key = row.digest or str(row.pk)
        found = load(row.content)
        while len(_contents) >= CONTENTS_KEPT:
            _contents.pop(next(iter(_contents), ""), None)  # another thread may be at it too
        _contents[key] = found
    return found


@dataclass(frozen=True)
class LastRead:
    """The newest successful read of the active rules, whoever made it. `name` is "" where no set was active."""

    name: str
    at: datetime
    row: Snapshot | RulesAsRead

    @property
    def rule_set(self) -> RuleSet:
        return content_of(self.row)


def read_problem() -> str:
    """Why the newest read of the rules failed; "" where it succeeded."""
    return row.problem if (row := _RULES_AS_READ.first()) else ""


def last_read() -> LastRead | None:
    """None where the rules were never read. The state that a run or a person left was read too."""
    row, kept = _RULES_AS_READ.first(), last_known()
    if row is not None and (kept is None or kept.at <= row.read_at):
        return LastRead(row.name, row.read_at, row)
    return LastRead(kept.name, kept.at, kept) if kept else None


def unmanaged_rules_for(address: str) -> tuple[ForeignRule, ...]:
    """Return the enabled unmanaged rules that apply to mail for an address, as last read, in order.

    The content is read only where the region has unmanaged rules.
    """
    read = last_read()
    if read is None or read.row.rules == read.row.own_rules:
        return ()
    entries = frozenset(covering_entries(address))
    rules = (rule for rule in read.rule_set.foreign if rule.enabled and not is_ours(rule.name))
    return tuple(rule for rule in rules if rule.is_for_everybody or not entries.isdisjoint(rule.recipient_set))


@dataclass(frozen=True)
class ReceivingOutage:
    """SES does not apply our rules: no set is active (`active` is ""), or another program's is.

    `ours` is the set that we last knew; "" where receiving was never set up.
    """

    region: str
    active: str
    ours: str
    since: datetime
    read_at: datetime

    @property
    def title(self) -> str:
        if not self.active:
            return f"SES rejects all mail in {self.region}: no receipt rule set is active"
        return f"Another program activated the rule set {self.active} in {self.region}"

    @property
    def sentence(self) -> str:
        ours = f"Our rule set {self.ours} isn't active. " if self.ours else "None of our rule sets is active. "
        if not self.active:
            return f"{ours}Senders get bounces."
        return f"{ours}SES applies the rules of {self.active} to all mail."


def receiving_outage() -> ReceivingOutage | None:
    """By the last reading; None while our set is active, none was read, or nobody here wants mail."""
    row = _ACTIVE_RULE_SET.first()
    if row is None or row.is_ours:
        return None
    ours = known.name if (known := last_known()) else ""
    if not ours and not any(rows.exists() for rows in _wanted_mail()):
        return None
    return ReceivingOutage(row.region, row.name, ours, row.changed_at, row.read_at)


def domains_in_outage(viewer: Viewer) -> frozenset[str]:
    """Return the IDs of the viewer's domains with addresses or catch-alls while SES doesn't apply our rules."""
    if receiving_outage() is None:
        return frozenset()
    own = domains_for(viewer).values("pk")
    return frozenset(
        str(pk) for rows in _wanted_mail() for pk in rows.filter(domain__in=own).values_list("domain", flat=True)
    )


def _wanted_mail() -> tuple["QuerySet[Address]", "QuerySet[CatchAll]"]:
    here = {"domain__region": settings.AWS_REGION, "is_active": True}
    return Address.objects.filter(**here), CatchAll.objects.filter(**here)


@dataclass(frozen=True)
class Meter:
    """A quota: `used` of `limit`."""

    name: str
    used: int
    limit: int

    @property
    def percent(self) -> int:
        """Return the percentage, rounded up: 100 is full."""
        return min(100, ceil(100 * self.used / self.limit)) if self.limit else 100

    @property
    def left(self) -> int:
        return max(0, self.limit - self.used)


@dataclass(frozen=True)
class Capacity:
    """The region's capacity.

    `domains_each_prefix`: domains that fit if each has its own prefix, and so its own rule.
    """

    rules: Meter
    recipients: Meter
    identities: Meter
    foreign_rules: int
    has_shared_prefixes: bool
    domains_each_prefix: int

    @property
    def _unmanaged_note(self) -> str:
        """Return why the limit is lower than that of all rules; "" if it isn't."""
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
    """Return the capacity of a rule set."""
    named = sum(len(rule.recipients) for rule in live.ours)
    return _capacity(len(live.rules), len(live.ours), named, kept_count(Domain.objects.all()))


def capacity_as_read(read: LastRead, *, now: datetime) -> tuple[Capacity, str]:
    """Return the capacity of the rules as last read, from the stored counts, and when it runs out, as `demand` does."""
    row = read.row
    identities, *added = kept_counts(Domain.objects.all(), *_added_lately(now))
    if row.own_rules is None or row.own_recipients is None:  # from before they were kept
        full = capacity(read.rule_set)
    else:
        full = _capacity(row.rules, row.own_rules, row.own_recipients, identities)
    return full, _forecast(sum(added), left=full.recipients.left, now=now)


def _capacity(rules: int, own_rules: int, named: int, identities: int) -> Capacity:
    foreign = rules - own_rules
    ours = max(0, settings.SES_RULES_PER_SET - foreign)
    return Capacity(
        rules=Meter("Rules", rules, settings.SES_RULES_PER_SET),
        recipients=Meter("Recipients", named, ours * settings.SES_RECIPIENTS_PER_RULE),
        identities=Meter("Identities", identities, settings.SES_IDENTITIES),
        foreign_rules=foreign,
        has_shared_prefixes=not settings.RECEIVING_PREFIX_EACH_DOMAIN,
        domains_each_prefix=ours,
    )


class SharingCustomer(NamedTuple):
    """Sorted by name. A tuple, not a model: a page has thousands."""

    name: str
    pk: str


@dataclass(frozen=True)
class Sharing:
    """One rule, and the customers whose recipients it names. `unowned` are recipients at nobody's domain."""

    rule: AnyRule
    customers: tuple[SharingCustomer, ...]
    unowned: int


def sharing_by_rule(rules: Sequence[AnyRule]) -> tuple[Sharing, ...]:
    """Return the customers of each rule, by name. Two queries, however many recipients."""
    domains = [[domain_of(each) for each in rule.recipient_set] for rule in rules]
    owners = _owners({name for some in domains for name in some})
    customers = _customers(set(owners.values()))
    return tuple(
        Sharing(
            rule,
            tuple(sorted(customers[key] for key in {owners.get(name, "") for name in some} & customers.keys())),
            sum(name not in owners for name in some),
        )
        for rule, some in zip(rules, domains, strict=True)
    )


@dataclass(frozen=True)
class RuleRecipient:
    """A recipient of a rule and the customer who holds its domain; None at a domain of no customer."""

    recipient: str
    customer: SharingCustomer | None

    @property
    def covers(self) -> str:
        """Return what the recipient condition matches (ses.md B, matching)."""
        if self.recipient.startswith("."):
            return "Every address at every subdomain"
        return "One address, and with any +label" if "@" in self.recipient else "Every address at the domain"


def recipients_with_customers(rule: AnyRule) -> tuple[RuleRecipient, ...]:
    """Return the recipients of a rule, sorted. Two queries, however many."""
    domains = {each: domain_of(each) for each in sorted(rule.recipient_set)}
    owners = _owners(set(domains.values()))
    customers = _customers(set(owners.values()))
    return tuple(RuleRecipient(each, customers.get(owners.get(name, ""))) for each, name in domains.items())


def _customers(keys: Collection[str]) -> dict[str, SharingCustomer]:
    rows = Customer.objects.filter(in_values("pk", keys)).order_by().values_list("pk", "name")
    return {key: SharingCustomer(name, key) for key, name in rows}


def _owners(names: set[str]) -> dict[str, str]:
    """Return the holder of each name, or of the nearest name above it; names without a holder are left out."""
    found = _held_at(names)
    others = {name: name_and_parents(name)[1:] for name in names - found.keys()}
    above = _held_at({each for some in others.values() for each in some}) if others else {}
    nearest = {name: next((above[each] for each in some if each in above), None) for name, some in others.items()}
    return found | {name: owner for name, owner in nearest.items() if owner}


def _held_at(names: Collection[str]) -> dict[str, str]:
    """Return the holders of these names; of all names if there are too many to filter by."""
    held = held_domains().order_by()
    held = held if len(names) > MOST_NAMES else held.filter(in_values("name", names))
    return dict(held.values_list("name", "customer_id"))


def demand(*, left: int, now: datetime) -> tuple[int, str]:
    """Return how many addresses and catch-alls are on, and when they fill it at the rate of the last 30 days."""
    active = [model.objects.filter(is_active=True) for model in (Address, CatchAll)]
    addresses, catch_alls, *added = kept_counts(*active, *_added_lately(now))
    return addresses + catch_alls, _forecast(sum(added), left=left, now=now)


def _added_lately(now: datetime) -> list[QuerySet[Any]]:
    since = now.replace(minute=0, second=0, microsecond=0) - timedelta(days=30)  # the same for an hour
    return [model.objects.filter(created_at__gte=since) for model in (Address, CatchAll)]


def _forecast(added: int, *, left: int, now: datetime) -> str:
    if not added:
        return ""
    many = f"{added:,} {'address or catch-all' if added == 1 else 'addresses and catch-alls'}"
    lately = f"{many} added in the last 30 days, including those that are off or not in the rules."
    days = 30 * left // added
    if days > LONGEST_FORECAST_DAYS:
        return f"{lately} At this rate, capacity lasts for years."
    return f"{lately} At this rate, full by about {now + timedelta(days=days):%-d %B %Y}."
