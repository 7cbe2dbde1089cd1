"""Reads the rows from which a plan is made, and what its page shows besides the steps."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from django.conf import settings
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Concat

from accounts.models.people import Customer
from accounts.people.selectors import customer_names
from audit.models import Change
from audit.services import Subject
from domains.ownership.selectors import Holders
from receipt_rules.models.addresses import Address, CatchAll
from receipt_rules.models.endpoints import Endpoint
from receipt_rules.models.expectations import Expectation, Expected
from receipt_rules.models.runs import ActiveRuleSet, ReceivingStop, Run, RunKind
from receipt_rules.planner.core import matching
from receipt_rules.planner.core.consequences import Consequence, ConsequenceKind
from receipt_rules.planner.core.groups import AddressGroup, grouped_addresses
from receipt_rules.planner.core.plans import Plan
from receipt_rules.planner.core.rules import S3, AnyRule, Rule, RuleSet, deliveries_of, domain_of, is_ours
from receipt_rules.route_lookup.selectors import Route, route_lookup

READ_AT_ONCE = 10_000  # rows
MOST_EXAMPLES = 5
MOST_PLACES = 3
MOST_CUSTOMERS = 4
REQUESTED_CHANGES = ("address.", "catch_all.", "endpoint.")


@dataclass(frozen=True)
class GroupShown:
    """`named` are customer names, each with their number of addresses, most first; "" is no customer."""

    kind: ConsequenceKind
    number: int
    examples: tuple[str, ...]
    befores: tuple[str, ...]
    more_befores: int
    afters: tuple[str, ...]
    more_afters: int
    named: tuple[tuple[str, int], ...]
    more_customers: int

    @property
    def more(self) -> int:
        return self.number - len(self.examples)


def groups_shown(found: tuple[Consequence, ...]) -> list[GroupShown]:
    """Return the groups with customer names, for staff."""
    if not found:
        return []
    owner = cache(Holders.read().customer_of)
    names = dict(Customer.objects.values_list("pk", "name"))
    return [_shown(group, owner, names) for group in grouped_addresses(found)]


def _shown(group: AddressGroup, owner: Callable[[str], str], names: dict[str, str]) -> GroupShown:
    customers = _customers((owner(domain_of(each.address)) for each in group.members), names)
    return GroupShown(
        kind=group.kind,
        number=len(group.members),
        examples=tuple(each.who for each in group.members[:MOST_EXAMPLES]),
        befores=group.befores[:MOST_PLACES],
        more_befores=max(0, len(group.befores) - MOST_PLACES),
        afters=group.after[:MOST_PLACES],
        more_afters=max(0, len(group.after) - MOST_PLACES),
        named=customers[:MOST_CUSTOMERS],
        more_customers=max(0, len(customers) - MOST_CUSTOMERS),
    )


def _customers(owners: Iterable[str], names: dict[str, str]) -> tuple[tuple[str, int], ...]:
    return tuple((names.get(owner, ""), number) for owner, number in Counter(owners).most_common())


def last_approval() -> Run | None:
    rows = Run.objects.filter(region=settings.AWS_REGION, kind__in=(RunKind.APPROVED, RunKind.ROLLBACK))
    return rows.select_related("approved_by").order_by("-created_at").first()


def requested_changes_since(run: Run) -> int:
    """Return how many changes of addresses, catch-alls and endpoints were logged since the run was approved."""
    rows = Change.objects.filter(at__gt=run.created_at)
    return sum(rows.filter(what__startswith=kind).count() for kind in REQUESTED_CHANGES)


# The rows of the desired state

# Recipient, customer, domain, endpoint, customer of the endpoint.
RecipientRow = tuple[str, str, str, str | None, str | None]
_IN_FORCE = Q(domain__receives=True, is_active=True)
_ROW = ("domain__customer_id", "domain__name", "endpoint_id", "endpoint__customer_id")


def _receiving(customers: frozenset[str] | None) -> Q:
    """Select rows of domains that receive mail.

    Rows of a send-only domain are kept but not part of the desired state.
    """
    here = _IN_FORCE & Q(domain__region=settings.AWS_REGION, refused_because="")
    return here if customers is None else here & Q(domain__customer__in=customers)


def refused_rows() -> Iterator[RecipientRow]:
    """Return refused rows of all customers: a recipient that SES refuses blocks a rule that several customers share."""
    here = _IN_FORCE & Q(domain__region=settings.AWS_REGION) & ~Q(refused_because="")
    yield from Address.objects.filter(here).values_list("address", *_ROW)
    for subdomains, owner, domain, *rest in CatchAll.objects.filter(here).values_list("subdomains", *_ROW):
        yield CatchAll.recipient_of(domain, subdomains=subdomains), owner, domain, *rest


def address_rows(customers: frozenset[str] | None) -> Iterator[RecipientRow]:
    """Unordered: to stream ordered rows, PostgreSQL would walk the index, with a lookup for each of a million rows."""
    rows = Address.objects.filter(_receiving(customers)).order_by().values_list("address", *_ROW)
    return rows.iterator(chunk_size=READ_AT_ONCE)


def address_rows_beyond_catch_alls(special: Collection[str]) -> Iterator[RecipientRow]:
    """Return addresses that their domain's catch-all doesn't serve the same way: few of a million.

    `special` are IDs of endpoints with SES options of their own. Addresses with a label (`a+b@`) are included: the
    address without the label may serve them.
    """
    every = CatchAll.objects.filter(_receiving(None), subdomains=False, domain=OuterRef("domain"))
    every = every.filter(Q(endpoint=None) | ~Q(endpoint__in=special)).order_by()
    at_the_domain = Q(address__endswith=Concat(Value("@"), F("domain__name"))) & ~Q(address__contains="+")
    as_usual = Q(endpoint=None) | ~Q(endpoint__in=special)
    rows = Address.objects.filter(_receiving(None)).exclude(at_the_domain & as_usual & Exists(every)).order_by()
    return rows.values_list("address", *_ROW).iterator(chunk_size=READ_AT_ONCE)


def catch_all_rows(
    holders: Holders, customers: frozenset[str] | None, special: Collection[str], *, has_one_destination: bool
) -> Iterator[RecipientRow]:
    """Skip a subdomain catch-all above another customer's name, unless all mail has one destination there.

    A receipt rule can't leave out that name. With one destination the function asks whose each message is, and its
    owner gets it once. `special` are IDs of endpoints with SES options of their own, and `has_one_destination` is
    about all others.
    """
    claims_mail = cache(_claims_mail)
    rows = CatchAll.objects.filter(_receiving(customers)).order_by()
    for subdomains, owner, domain, endpoint, of in rows.values_list("subdomains", *_ROW).iterator(READ_AT_ONCE):
        if subdomains and holders.shares_below(domain):
            is_special = endpoint in special and of == owner
            may_share = has_one_destination and not is_special and claims_mail()
            if not may_share or _has_special_below(domain, owner, special):
                continue
        yield CatchAll.recipient_of(domain, subdomains=subdomains), owner, domain, endpoint, of


def _claims_mail() -> bool:
    """Return whether the function brings each message to its owner once, although two rules invoke it."""
    return ActiveRuleSet.objects.filter(region=settings.AWS_REGION, claims_mail=True).exists()


def _has_special_below(domain: str, owner: str, special: Collection[str]) -> bool:
    """Return whether mail of another customer below the domain must not come to the usual destination."""
    if not special:
        return False
    below = f".{domain}"
    addresses = Address.objects.filter(_IN_FORCE, endpoint__in=special, address__endswith=below)
    catch_alls = CatchAll.objects.filter(_IN_FORCE, endpoint__in=special, domain__name__endswith=below)
    return any(rows.exclude(domain__customer=owner).exists() for rows in (addresses, catch_alls))


# Reads whose receiving Trust & Safety stopped. A stop wins over every plan and run: only its end brings mail back.
# Plans leave these customers' recipients out, and a run stops before a step that would let one receive again.


MOST_NAMED = 3


def stopped_customers() -> frozenset[str]:
    """Return the IDs of the customers whose receiving is stopped."""
    return frozenset(ReceivingStop.objects.filter(is_stopped=True).values_list("customer_id", flat=True))


def recipients_of(stopped: frozenset[str], recipients: Collection[str]) -> dict[str, str]:
    """Return those of the recipients whose name one of these customers (IDs) holds, each with its customer."""
    if not stopped or not recipients:
        return {}
    holders = Holders.read(stopped)
    owners = {each: holders.customer_of(domain_of(each)) for each in recipients}
    return {each: owner for each, owner in owners.items() if owner in stopped}


def starting(before: RuleSet, after: RuleSet) -> frozenset[str]:
    """Return the recipients that an enabled managed rule has only in the second set."""
    known = before.by_name
    changed = [rule for rule in after.ours if rule.enabled and known.get(rule.name) != rule]
    found = {each for rule in changed for each in rule.recipients}
    if not found:
        return frozenset()
    own = (rule for rule in before.rules if rule.enabled and is_ours(rule.name))
    return frozenset(found.difference(*(rule.recipient_set for rule in own)))


def stop_sentences(stays_out: dict[str, str]) -> Iterator[str]:
    """Yield a sentence for each customer: which of the recipients a plan leaves out, and why."""
    names = customer_names(stays_out.values())
    for customer, name in sorted(names.items(), key=lambda each: each[1]):
        own = sorted(each for each, owner in stays_out.items() if owner == customer)
        more = f" and {len(own) - MOST_NAMED:,} more" if len(own) > MOST_NAMED else ""
        stays = "recipient stays" if len(own) == 1 else "recipients stay"
        yield (
            f"Trust & Safety stopped receiving for {name}, so {len(own):,} of its {stays} out of the rules: "
            f"{', '.join(own[:MOST_NAMED])}{more}. Only Trust & Safety can resume it."
        )


# Finds saved expectations that fail: now, after a plan, and because of a plan.


_MUST = {
    Expected.TAKEN: "must be received",
    Expected.ONCE: "must be received exactly once",
    Expected.BY_US: "must be received by managed rules only",
    Expected.ENDPOINT: "must be delivered to the endpoint {endpoint}",
    Expected.NOT_TAKEN: "must not be received",
}


@dataclass(frozen=True)
class BrokenExpectation:
    """`by_rules`: the rules break it. Otherwise the rules keep it, but the address has another endpoint."""

    expectation_id: str
    sentence: str
    by_rules: bool


def broken_expectations(rule_set: RuleSet) -> tuple[BrokenExpectation, ...]:
    """Return each saved expectation that fails in this rule set."""
    rows = list(Expectation.objects.select_related("endpoint"))
    routes = dict(zip((row.address for row in rows), route_lookup(row.address for row in rows), strict=True))
    found = ((row, matching.delivering_rules(rule_set.rules, row.address)) for row in rows)
    return tuple(
        _broken(row, rules, by_rules=not _kept(row, rules))
        for row, rules in found
        if not (_kept(row, rules) and _is_wanted(row, routes))
    )


def newly_broken(made: Plan) -> tuple[str, ...]:
    """Return expectations that hold before the plan and not after it. Only these block the plan."""
    return tuple(each.sentence for each, is_new in _after(made) if is_new)


def still_broken(made: Plan) -> tuple[str, ...]:
    """Return expectations that fail before and after the plan. They are shown and don't block it."""
    return tuple(each.sentence for each, is_new in _after(made) if not is_new)


def _after(made: Plan) -> list[tuple[BrokenExpectation, bool]]:
    before = {each.expectation_id for each in broken_expectations(made.before) if each.by_rules}
    return [(each, each.by_rules and each.expectation_id not in before) for each in broken_expectations(made.after)]


def _is_wanted(row: Expectation, routes: Mapping[str, Route]) -> bool:
    """Return whether route lookup chooses the expected endpoint."""
    chosen = routes[row.address].endpoint
    return row.expected != Expected.ENDPOINT or (chosen is not None and chosen.pk == row.endpoint_id)


def _kept(row: Expectation, rules: tuple[AnyRule, ...]) -> bool:
    match Expected(row.expected):
        case Expected.TAKEN:
            return bool(rules)
        case Expected.ONCE:
            return len(deliveries_of(rules, row.address)) == 1
        case Expected.BY_US:
            return bool(rules) and all(isinstance(rule, Rule) for rule in rules)
        case Expected.ENDPOINT:
            return row.endpoint is not None and _reaches(row.endpoint, rules)
        case Expected.NOT_TAKEN:
            return not rules


def _reaches(endpoint: Endpoint, rules: tuple[AnyRule, ...]) -> bool:
    """Return whether a managed rule stores it where the endpoint's mail is read."""
    store = endpoint.s3_bucket or settings.RECEIVING_BUCKET
    actions = [action for rule in rules if isinstance(rule, Rule) for action in rule.delivery.effective_actions]
    return any(isinstance(action, S3) and action.bucket == store for action in actions)


def _broken(row: Expectation, rules: tuple[AnyRule, ...], *, by_rules: bool) -> BrokenExpectation:
    by = ", ".join(rule.name if isinstance(rule, Rule) else f"{rule.name} (unmanaged)" for rule in rules)
    must = _MUST[Expected(row.expected)].format(endpoint=row.endpoint)
    if not by_rules:
        return BrokenExpectation(row.pk, f"Mail for {row.address} {must}; its address has another endpoint.", by_rules)
    found = (
        f"{len(rules)} rule{'s' if len(rules) > 1 else ''} would receive it: {by}"
        if rules
        else "no rule would receive it"
    )
    return BrokenExpectation(row.pk, f"Mail for {row.address} {must}; {found}.", by_rules)


def expectation_subject(expectation: Expectation) -> Subject:
    return Subject("expectation", expectation.id, expectation.address)


def expectations() -> QuerySet[Expectation]:
    return Expectation.objects.select_related("by", "endpoint").all()
