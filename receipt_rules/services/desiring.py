"""What is wanted of Amazon's rules, from the rows: which recipients, and with which delivery each."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from django.conf import settings

from inbound_admin.lib import aws
from receipt_rules.core.desired import Desired, reduced
from receipt_rules.core.recipients import domain_of
from receipt_rules.core.rules import S3, Action, Delivery, Lambda, Limits, RuleSet
from receipt_rules.models import Address, CatchAll, Endpoint, ReceivingStop
from receipt_rules.selectors.owning import Holders


@dataclass(frozen=True)
class Wanted:
    desired: Desired
    holders: Holders


def limits() -> Limits:
    return Limits(rules=settings.SES_RULES_PER_SET, recipients=settings.SES_RECIPIENTS_PER_RULE)


def wanted(*, stopped: frozenset[str] | None = None) -> Wanted:
    """All active addresses and catch-alls of this region. Raises AwsProblem where the account cannot be found out.

    `stopped` are ids of customers of whom no mail is taken; None: those whose receiving our staff have stopped.
    """
    holders = Holders.read()
    deliver = _deliveries()
    silent = _stopped() if stopped is None else stopped
    entries: dict[str, Delivery] = {}
    for recipient, owner, domain, endpoint, of in (*_addresses(), *_catch_alls(holders)):
        if owner not in silent and holders.customer_of(domain_of(recipient)) == owner:
            entries[recipient] = deliver(endpoint if of == owner else None, domain)
    return Wanted(reduced(entries), holders)


def scope_of(customers: frozenset[str], wanted_now: Wanted, live: RuleSet) -> frozenset[str]:
    """Every recipient, wanted or live, at names that these customers hold, by their ids."""
    desired, holders = wanted_now.desired, wanted_now.holders
    named = {recipient for rule in live.ours for recipient in rule.recipients}
    owner = cache(holders.customer_of)
    return frozenset(
        recipient
        for recipient in (*desired.entries, *desired.covered, *named)
        if owner(domain_of(recipient)) in customers
    )


def _stopped() -> frozenset[str]:
    return frozenset(ReceivingStop.objects.filter(is_stopped=True).values_list("customer_id", flat=True))


_Row = tuple[str, str, str, str | None, str | None]  # recipient, customer, domain, endpoint, customer of the endpoint


def _addresses() -> list[_Row]:
    rows = Address.objects.filter(is_active=True, domain__region=settings.AWS_REGION).order_by("address")
    return list(
        rows.values_list("address", "domain__customer_id", "domain__name", "endpoint_id", "endpoint__customer_id")
    )


def _catch_alls(holders: Holders) -> list[_Row]:
    """One for all sub-domains is not wanted as soon as another customer holds one of them."""
    rows = CatchAll.objects.filter(is_active=True, domain__region=settings.AWS_REGION).order_by("domain__name")
    found = rows.select_related("domain", "endpoint")
    return [
        (
            row.recipient,
            row.domain.customer_id,
            row.domain.name,
            row.endpoint_id,
            row.endpoint.customer_id if row.endpoint else None,
        )
        for row in found
        if not (row.subdomains and holders.shares_below(row.domain.name))
    ]


def _deliveries() -> Callable[[str | None, str], Delivery]:
    """Each delivery is made once: a plan compares them once a recipient."""
    special = {endpoint.id: endpoint for endpoint in Endpoint.objects.all()}
    each_domain = settings.RECEIVING_PREFIX_EACH_DOMAIN

    @cache
    def made(endpoint: str | None, domain: str) -> Delivery:
        return _delivery(special.get(endpoint or "", Endpoint()), domain)

    return lambda endpoint, domain: made(endpoint, domain if each_domain else "")


def _delivery(endpoint: Endpoint, domain: str) -> Delivery:
    prefix = endpoint.s3_prefix or settings.RECEIVING_PREFIX
    if settings.RECEIVING_PREFIX_EACH_DOMAIN and domain and not endpoint.s3_prefix:
        prefix = f"{prefix}{domain}/"
    topic = endpoint.sns_topic or settings.RECEIVING_TOPIC
    actions: list[Action] = [S3(endpoint.s3_bucket or settings.RECEIVING_BUCKET, prefix, topic)]
    if arn := endpoint.lambda_arn or function_arn():
        actions.append(Lambda(arn))
    tls, scan = endpoint.tls_required, endpoint.scan
    return Delivery(
        tuple(actions),
        tls_required=settings.RECEIVING_TLS_REQUIRED if tls is None else tls,
        scan=settings.RECEIVING_SCAN if scan is None else scan,
    )


def function_arn() -> str:
    """The default function's, in the account, region and partition of our own credentials; "" for none."""
    name: str = settings.RECEIVING_FUNCTION
    if not name or name.startswith("arn:"):
        return name
    _, partition, _, region, account, _ = aws.identity_arn("any").split(":", 5)
    return f"arn:{partition}:lambda:{region}:{account}:function:{name}"


def recipients_at(name: str, wanted_now: Wanted, live: RuleSet) -> frozenset[str]:
    """Recipients, wanted or live, at a name and below it, save at names below it that are domains of their own.

    The name need not be held by anybody: what rules still name of a domain that is gone is found as well.
    """
    live_ones = {recipient for rule in live.ours for recipient in rule.recipients}
    everything = (*wanted_now.desired.entries, *wanted_now.desired.covered, *live_ones)
    return frozenset(each for each in everything if wanted_now.holders.belongs(domain_of(each), name))
