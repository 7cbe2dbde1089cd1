"""Simulates mail for recipients: the MX host, each rule with its reason, and the endpoint."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from django.conf import settings
from django.db import transaction

from accounts.models.people import User
from accounts.people.selectors import Viewer, customer_names
from audit import services as audit_services
from domains.dns.core import Answer, LookupStatus, Question
from domains.dns.services import look_up
from domains.domain_list.selectors import domains_for
from domains.ownership.selectors import holder_of
from domains.receiving.core import MxFact, Receiving, ReceivingFacts, RulesFact, is_mail_manager, judge, mx_fact
from domains.records.core import can_receive, inbound_host
from inbound_admin.lib.errors import Refused
from receipt_rules.addresses.core import read_recipient
from receipt_rules.addresses.selectors import endpoints_of
from receipt_rules.live.selectors import is_set_up, last_read
from receipt_rules.mail_path.core import Hop, HopState
from receipt_rules.mail_path.selectors import path_of_route
from receipt_rules.models.endpoints import Endpoint
from receipt_rules.models.expectations import Expectation, Expected
from receipt_rules.planner.core import matching
from receipt_rules.planner.core.matching import RoutingResult
from receipt_rules.planner.core.rules import S3, RuleSet, domain_of
from receipt_rules.planner.selectors import expectation_subject, stopped_customers
from receipt_rules.planner.services import read_desired_state
from receipt_rules.receiving.services import LiveFacts
from receipt_rules.route_lookup.selectors import Route, route_lookup
from receipt_rules.simulator.core import accepted_by, kept_fact, undelivered
from tenants.lifecycle.selectors import tenants_in_region

MOST_RECIPIENTS = 100


@dataclass(frozen=True)
class MailHost:
    """Where DNS sends a domain's mail. `is_amazon=None`: the lookup failed, which proves nothing."""

    domain: str
    hosts: tuple[str, ...]
    is_amazon: bool | None

    @property
    def sentence(self) -> str:
        if self.is_amazon is None:
            return f"We couldn't look up the MX records of {self.domain}."
        if not self.hosts:
            return f"{self.domain} has no MX record, so most senders can't deliver mail."
        winner = f"{self.hosts[0]} receives mail for {self.domain}"
        if is_mail_manager(self.hosts[0]):
            return f"{winner}. It is an ingress endpoint of SES Mail Manager, so receipt rules never see the mail."
        return f"{winner}." if self.is_amazon else f"{winner}, not SES, so receipt rules never see the mail."


@dataclass(frozen=True)
class Holder:
    """The customer who owns the mail, with their tenant's name and status; "" without a tenant in this region.

    `is_stopped`: staff have stopped their receiving, so no rule should receive it.
    """

    customer: str
    tenant: str = ""
    status: str = ""
    is_stopped: bool = False

    @property
    def sentence(self) -> str:
        sends = f"the tenant {self.tenant}, {self.status}" if self.tenant else "no tenant yet"
        stopped = "; receiving stopped by staff" if self.is_stopped else ""
        return f"{self.customer}: {sends}{stopped}"


@dataclass(frozen=True)
class Simulation:
    """`stored_at`: for each rule that runs, where it stores the message, as bucket and prefix."""

    routing: RoutingResult
    mail_hosts: tuple[MailHost, ...]
    routes: tuple[Route, ...]
    stored_at: tuple[tuple[str, str], ...]
    holders: tuple[Holder, ...] = ()


def simulate(*, envelope: Sequence[str], live: RuleSet) -> Simulation:
    """Simulate one message with all its recipients, against the given rules and live DNS. Raises Refused."""
    recipients = [read_recipient(text).address for text in envelope if text.strip()]
    if not 1 <= len(recipients) <= MOST_RECIPIENTS:
        raise Refused(f"Enter between 1 and {MOST_RECIPIENTS} addresses.", code="TOO_MANY")
    routing = matching.route(live.rules, recipients)
    stored = [
        (outcome.rule.name, f"{action.bucket}/{action.prefix}")
        for outcome in routing.fired
        for action in outcome.rule.delivery.effective_actions
        if isinstance(action, S3)
    ]
    names = dict.fromkeys(domain_of(recipient) for recipient in routing.envelope)
    routes = route_lookup(routing.envelope)
    return Simulation(routing, mail_hosts(list(names)), routes, tuple(stored), holders_of(routes))


def holders_of(routes: Sequence[Route]) -> tuple[Holder, ...]:
    """Return each customer once, in the order of the recipients."""
    keys = list(dict.fromkeys(route.customer for route in routes if route.customer))
    tenants = {tenant.customer_id: tenant for tenant in tenants_in_region().filter(customer__in=keys)}
    names = customer_names(keys)
    stopped = stopped_customers()
    return tuple(
        Holder(
            names[key],
            tenants[key].name if key in tenants else "",
            str(tenants[key].standing) if key in tenants else "",
            key in stopped,
        )
        for key in keys
        if key in names
    )


def mail_hosts(domains: Sequence[str]) -> tuple[MailHost, ...]:
    """Return each domain's MX hosts from live DNS, by priority.

    One resolver's answer is enough; failures don't count.
    """
    best: dict[str, Answer] = {}
    for answer in look_up([Question(name, "MX") for name in domains]):
        known = best.get(answer.question.name)
        if known is None or known.status is LookupStatus.FAILED:
            best[answer.question.name] = answer
    return tuple(_host(name, best.get(name)) for name in domains)


def _host(domain: str, answer: Answer | None) -> MailHost:
    if answer is None or answer.status is LookupStatus.FAILED:
        return MailHost(domain, (), None)
    ordered = sorted(value.split() for value in answer.values)
    hosts = tuple(host for _, host in sorted((int(number), host) for number, host in ordered))
    return MailHost(domain, hosts, bool(hosts) and hosts[0] == f"inbound-smtp.{settings.AWS_REGION}.amazonaws.com")


NOT_YOURS = "This isn't an address at one of your domains."


@dataclass(frozen=True)
class OwnSimulation:
    """`refused` says why an address can't be simulated; otherwise `receiving` and `route` are the result."""

    asked: str
    refused: str = ""
    receiving: Receiving | None = None
    route: Route | None = None
    hops: tuple[Hop, ...] = ()

    @property
    def is_delivered(self) -> bool:
        """Return whether mail comes as far as an endpoint, and the endpoint accepts it."""
        return any(hop.key == "end" and hop.state is HopState.OK for hop in self.hops)


def own_simulations(*, viewer: Viewer, asked: Sequence[str]) -> tuple[OwnSimulation, ...]:
    """Simulate with live DNS and the rules as last read. Another customer's address counts as nobody's."""
    known = _Known()
    return tuple(_own_simulation(text, viewer, known) for text in asked)


class _Known:
    """The rules as last read, and the rows, for all simulated addresses."""

    def __init__(self) -> None:
        read = last_read()
        self.state, self.rules = read_desired_state(), read.rule_set if read else RuleSet("")
        self.facts = LiveFacts(self.rules, self.state, is_ours=is_set_up())


def _own_simulation(text: str, viewer: Viewer, known: _Known) -> OwnSimulation:
    try:
        recipient = read_recipient(text).address
    except Refused as refused:
        return OwnSimulation(text, str(refused))
    named = domains_for(viewer).filter(name=known.state.holders.nearest(domain_of(recipient)))
    domain = next((each for each in named if each.is_proven), None)  # a claim may have the same name
    if domain is None:
        return OwnSimulation(recipient, NOT_YOURS)
    (route,) = route_lookup([recipient])
    facts = replace(
        domain.receiving_facts(domain_of(recipient)),
        recipient=recipient,
        mx=_current_mx(domain_of(recipient), domain.region),
        rules=known.facts.of_route(route),
    )
    if facts.rules is RulesFact.NOTHING:
        return _of_nobody(facts, route, domain.customer_id, known)
    found = judge(facts)
    return OwnSimulation(recipient, receiving=found, route=route, hops=path_of_route(facts, found, route))


def _of_nobody(facts: ReceivingFacts, route: Route, customer: str, known: _Known) -> OwnSimulation:
    """Return what SES does with mail for an address that is off, or that none of the customer's rows receives."""
    recipient, holder = facts.recipient, known.state.holders.customer_of
    routing = matching.route(known.rules.rules, [recipient])
    by = accepted_by(routing, recipient, is_own=lambda entry: holder(domain_of(entry)) == customer)
    is_off = route.because == "off"
    facts = replace(facts, rules=kept_fact(routing, recipient), kept_by=by, is_off=is_off)
    found = undelivered(facts, routing, by=by, is_off=is_off) or judge(facts)
    return OwnSimulation(recipient, receiving=found, route=route, hops=path_of_route(facts, found, route))


def _current_mx(name: str, region: str) -> MxFact:
    if not can_receive(region):
        return MxFact.NOT_CHECKED
    answers = [None if a.status is LookupStatus.FAILED else a.values for a in look_up([Question(name, "MX")])]
    return mx_fact(answers, inbound_host(region), MxFact.NOT_CHECKED)


# Saves what must be true of an address, and removes it. A plan that breaks it is refused.


@transaction.atomic
def save_expectation(*, text: str, expected: Expected, actor: User, endpoint: str = "") -> Expectation:
    """Save what must be true of an address; a plan that breaks it is refused. `endpoint` is its name.

    Raises Refused.
    """
    _refuse(actor)
    address = read_recipient(text).address
    to = _endpoint_of(address, endpoint) if expected == Expected.ENDPOINT else None
    row, _ = Expectation.objects.update_or_create(
        address=address, defaults={"expected": expected, "endpoint": to, "by": actor}
    )
    about = expectation_subject(row)
    audit_services.record(
        "expectation.saved", about=about, actor=actor, after={"expected": str(expected)}, for_staff=True
    )
    return row


def _endpoint_of(address: str, name: str) -> Endpoint:
    holder = holder_of(domain_of(address))
    found = endpoints_of(holder.customer).filter(name__iexact=name.strip()).first() if holder and name.strip() else None
    if found is None:
        whose = f"{holder.customer} has no endpoint with this name" if holder else f"No customer has {address}"
        raise Refused(f"{whose}. Enter the endpoint's name as shown on its page.", code="ENDPOINT_MISSING")
    return found


@transaction.atomic
def delete_expectation(*, expectation: Expectation, actor: User) -> None:
    """Delete it; no effect if it is already deleted. Raises Refused."""
    _refuse(actor)
    about, before = expectation_subject(expectation), {"expected": str(expectation.expected)}
    if Expectation.objects.filter(pk=expectation.pk).delete()[0]:
        audit_services.record("expectation.removed", about=about, actor=actor, before=before, for_staff=True)


def _refuse(actor: User) -> None:
    if not actor.has_perm("receipt_rules.operate_rules"):
        raise Refused("Only operators can change expectations.", code="NOT_ALLOWED")
