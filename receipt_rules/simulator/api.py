"""API operation of the simulator, for staff."""

from typing import Annotated

from django.http import HttpRequest
from pydantic import Field

from accounts.api_keys.api import call_router, reads
from inbound_admin.lib.api.schemas import In, Out, Text
from receipt_rules.live.api import rules_viewer
from receipt_rules.live.services import read_live
from receipt_rules.planner.core.matching import RuleOutcome, why_not
from receipt_rules.route_lookup.selectors import Route
from receipt_rules.simulator import services

router = call_router("Receipt rules")


class EnvelopeAsked(In):
    recipients: Annotated[list[Text], Field(min_length=1, max_length=services.MOST_RECIPIENTS)] = Field(
        description="All recipients of one message: rules are evaluated for them together"
    )


class OutcomeOut(Out):
    number: int
    rule: str
    fired: bool
    recipients: list[str]
    why: str


class MailHostOut(Out):
    """The mail servers of a domain. `isAmazon` is null if the DNS lookup failed."""

    domain: str
    hosts: list[str]
    is_amazon: bool | None
    sentence: str


class RecipientOut(Out):
    """`because`: address, label, domain, subdomain, off, stopped (by staff) or nobody.

    `fate`: stored, rejected (550: no rule matches), bounced, or lost (SES accepts it, and nothing stores it).
    """

    recipient: str
    because: str
    customer_id: str | None
    endpoint_id: str | None
    taken_by: list[str]
    fate: str


class StoredOut(Out):
    rule: str
    place: str


class SimulationOut(Out):
    rule_set: str
    is_rejected: bool
    stopped_by: str | None
    flags: list[str]
    recipients: list[RecipientOut]
    rules: list[OutcomeOut]
    mail_hosts: list[MailHostOut]
    stored_at: list[StoredOut]


@router.post("/v2/receipt-rules/simulate", **reads(SimulationOut, staff=True), summary="Simulate a message")
def simulate_message(request: HttpRequest, asked: EnvelopeAsked) -> SimulationOut:
    """Simulate a message against the live rules and DNS. Nothing is changed or sent.

    Returns what each rule does, and whether each recipient's mail is stored, rejected or lost. All recipients are
    those of one message.
    """
    rules_viewer(request)
    active = read_live().active
    found = services.simulate(envelope=asked.recipients, live=active)
    routing = found.routing
    return SimulationOut(
        rule_set=active.name,
        is_rejected=routing.is_rejected,
        stopped_by=routing.stopped_by or None,
        flags=list(routing.flags),
        recipients=[_recipient(route, found) for route in found.routes],
        rules=[_outcome(number, each) for number, each in enumerate(routing.outcomes, start=1)],
        mail_hosts=[
            MailHostOut(domain=each.domain, hosts=list(each.hosts), is_amazon=each.is_amazon, sentence=each.sentence)
            for each in found.mail_hosts
        ],
        stored_at=[StoredOut(rule=rule, place=place) for rule, place in found.stored_at],
    )


def _recipient(route: Route, found: services.Simulation) -> RecipientOut:
    return RecipientOut(
        recipient=route.recipient,
        because=route.because,
        customer_id=route.customer or None,
        endpoint_id=route.endpoint.pk if route.endpoint else None,
        fate=found.routing.recipient_outcomes[route.recipient],
        taken_by=[rule.name for rule in found.routing.received_by.get(route.recipient, ())],
    )


def _outcome(number: int, outcome: RuleOutcome) -> OutcomeOut:
    explained = outcome.matches or outcome.stopped_by
    return OutcomeOut(
        number=number,
        rule=outcome.rule.name,
        fired=outcome.fired,
        recipients=[match.recipient for match in outcome.matches],
        why=outcome.sentence if explained else why_not(outcome.rule, outcome.misses[0]),
    )
