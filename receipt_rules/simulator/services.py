"""Simulates mail for recipients: the MX host, each rule with its reason, and the endpoint."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from django.conf import settings

from accounts.people.selectors import Viewer, customer_names
from domains.dns.core import Answer, LookupStatus, Question
from domains.dns.services import look_up
from domains.domain_list.selectors import domains_for
from domains.models.domains import Domain
from domains.receiving.core import MxFact, Receiving, RulesFact, is_mail_manager, judge, mx_fact
from domains.records.core import can_receive, inbound_host
from inbound_admin.lib.errors import Refused
from receipt_rules.addresses.core import read_recipient
from receipt_rules.forwarding.selectors import is_never_forwarded
from receipt_rules.live.selectors import last_read
from receipt_rules.mail_path.core import Hop, HopState
from receipt_rules.mail_path.selectors import path_of_route
from receipt_rules.planner.core import matching
from receipt_rules.planner.core.matching import RoutingResult
from receipt_rules.planner.core.rules import S3, RuleSet, domain_of, is_ours
from receipt_rules.planner.services import DesiredState, read_desired_state
from receipt_rules.receiving.core import CatchAllsAbove, delivery_of, halted_fact, held_fact, rules_fact, serving_entry
from receipt_rules.receiving_stops.selectors import stopped_customers
from receipt_rules.rollback.services import recipients_on_hold
from receipt_rules.route_lookup.selectors import Route, route_lookup
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
NOBODYS = "None of your addresses or catch-alls receives this mail, and another receipt rule matches it."
NO_ADDRESS = "None of your addresses or catch-alls receives this mail. SES rejects it once the MX record points here."


@dataclass(frozen=True)
class OwnSimulation:
    """`refused` says why an address can't be simulated; otherwise `receiving` and `route` are the result."""

    asked: str
    refused: str = ""
    receiving: Receiving | None = None
    route: Route | None = None
    hops: tuple[Hop, ...] = ()

    @property
    def is_stored(self) -> bool:
        """Whether mail comes as far as the bucket: else nothing is delivered, whatever the endpoint is."""
        return any(hop.key == "store" and hop.state is HopState.OK for hop in self.hops)

    @property
    def is_kept(self) -> bool:
        """Return whether the endpoint gets nothing, because this deployment forwards no mail."""
        meant = (self.route.endpoint or self.route.waits_for) if self.route else None
        return meant is not None and is_never_forwarded(meant)


def own_simulations(*, viewer: Viewer, asked: Sequence[str]) -> tuple[OwnSimulation, ...]:
    """Simulate with live DNS and the rules as last read. Another customer's address counts as nobody's."""
    read, now = last_read(), read_desired_state()
    rules = read.rule_set if read else RuleSet("")
    above = CatchAllsAbove(rules, now.holders.customer_of)
    return tuple(_own_simulation(text, viewer, now, rules, above) for text in asked)


def _own_simulation(
    text: str, viewer: Viewer, now: DesiredState, rules: RuleSet, above: CatchAllsAbove
) -> OwnSimulation:
    try:
        recipient = read_recipient(text).address
    except Refused as refused:
        return OwnSimulation(text, str(refused))
    named = domains_for(viewer).filter(name=now.holders.nearest(domain_of(recipient)))
    domain = next((each for each in named if each.is_proven), None)  # a claim may have the same name
    if domain is None:
        return OwnSimulation(recipient, NOT_YOURS)
    (route,) = route_lookup([recipient])
    facts = replace(
        domain.receiving_facts(domain_of(recipient)),
        recipient=recipient,
        mx=_current_mx(domain_of(recipient), domain.region),
        rules=_rules(recipient, route, domain, now, rules, is_accepted=above.accept(domain_of(recipient))),
    )
    found = judge(facts)
    if facts.rules is RulesFact.NOTHING:
        is_accepted = any(rule.enabled and matching.match(rule, recipient) for rule in rules.rules)
        found = replace(found, sentence=NOBODYS if is_accepted else NO_ADDRESS)
    return OwnSimulation(recipient, receiving=found, route=route, hops=path_of_route(facts, found, route))


def _rules(
    recipient: str, route: Route, domain: Domain, now: DesiredState, rules: RuleSet, *, is_accepted: bool
) -> RulesFact:
    """`is_accepted`: by another customer's subdomain catch-all."""
    if route.row is None or route.because == "off":
        return RulesFact.ACCEPTED if is_accepted else RulesFact.NOTHING
    covering_rules = [rule for rule in rules.rules if rule.enabled and matching.match(rule, recipient)]
    if domain.customer_id in stopped_customers():
        own = [rule for rule in covering_rules if is_ours(rule.name)]
        return halted_fact(own, is_own=True, is_above=is_accepted)
    found = rules_fact(covering_rules, delivery_of(route.row.recipient, now.desired))
    return held_fact(
        found, is_held=serving_entry(route.row.recipient, now.desired) in recipients_on_hold(stopped=now.stopped)
    )


def _current_mx(name: str, region: str) -> MxFact:
    if not can_receive(region):
        return MxFact.NOT_CHECKED
    answers = [None if a.status is LookupStatus.FAILED else a.values for a in look_up([Question(name, "MX")])]
    return mx_fact(answers, inbound_host(region), MxFact.NOT_CHECKED)
