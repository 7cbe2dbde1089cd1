"""What every page says of an address is what the rules of our plan and route lookup do with a message to it.

Each case is a world of rows; the rules are those that a plan of these rows makes. A message to the address goes through
SES's evaluation and route lookup; then the address, its domain, the API and the customer's simulator are read.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from types import SimpleNamespace
from typing import Any

import pytest
from django.utils import timezone

from domains.models.domains import Domain
from domains.receiving.core import MxFact, Receiving, ReceivingState, RulesFact
from public_api.addresses.api import row as api_row
from public_api.domains.selectors import find_addresses
from receipt_rules.inbound_summary.selectors import inbound_summary
from receipt_rules.mail_path.core import HopState
from receipt_rules.mail_path.selectors import path_of_address
from receipt_rules.models.addresses import Address, CatchAll
from receipt_rules.models.runs import ActiveRuleSet, ReceivingStop
from receipt_rules.planner.core import matching
from receipt_rules.planner.core.matching import RecipientOutcome
from receipt_rules.planner.core.rules import S3, AnyRule, ForeignRule, Rule, RuleDelivery, RuleSet
from receipt_rules.planner.services import read_desired_state
from receipt_rules.receiving import services as receiving_services
from receipt_rules.receiving.services import LiveFacts, update_name_facts
from receipt_rules.route_lookup.selectors import route_lookup
from receipt_rules.simulator import services as simulator_services
from receipt_rules.simulator.services import OwnSimulation
from sandbox.process import Sandbox
from tests.factories import make_customer, make_member
from tests.receipt_rules.factories import make_address, make_endpoint, make_verified

pytestmark = pytest.mark.django_db
NAME, ADDRESS, LABELLED = "kid.shop.com", "a@kid.shop.com", "a+x@kid.shop.com"
OTHER = "other@kid.shop.com"
RULE = RuleDelivery((S3("inbound-mail", "mail/"),))
STORING = (HopState.OK, HopState.STORED)
ARRIVES = (ReceivingState.LIVE, ReceivingState.COPIED)
REJECTED = (ReceivingState.REJECTED, ReceivingState.HELD, ReceivingState.APPLYING)


@dataclass(frozen=True)
class Case:
    """`row`: on, off, held, refused, or none. `above`: whose subdomain catch-all of shop.com is live."""

    row: str
    above: str  # "", own, other
    is_caught: bool = False  # by the domain's own catch-all
    receives: bool = True
    is_stopped: bool = False

    def __str__(self) -> str:
        parts = (self.row, self.above and f"{self.above}-above", "caught" * self.is_caught)
        more = ("" if self.receives else "send-only", "stopped" * self.is_stopped)
        return "-".join(filter(None, (*parts, *more)))


CASES = [
    Case(row, above, is_caught=caught, receives=receives, is_stopped=stopped)
    for row, above, caught, receives, stopped in product(
        ("on", "off", "held", "refused", "none"),
        ("", "own", "other"),
        (False, True),
        (True, False),
        (False, True),
    )
]


class World:
    """The rows of a case, and the rules of their plan."""

    def __init__(self, case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
        self.case = case
        self.customer = make_customer("Alice")
        self._above(case.above)
        kid = make_verified(NAME, customer=self.customer, mx_facts={NAME: MxFact.HERE}, receives=case.receives)
        if case.row != "none":
            why = "SES says no." if case.row == "refused" else ""
            endpoint = make_endpoint(self.customer, name="Desk")
            make_address(ADDRESS, kid, endpoint=endpoint, is_active=case.row != "off", refused_because=why)
        if case.is_caught:
            CatchAll.objects.create(domain=kid, endpoint=make_endpoint(self.customer, name="All"))
        if case.is_stopped:
            ReceivingStop.objects.create(customer=self.customer, is_stopped=True, asked_at=timezone.now())
        self.held = frozenset([ADDRESS] if case.row == "held" else [])
        self.rules = self._planned()
        monkeypatch.setattr(receiving_services, "recipients_on_hold", lambda *, stopped: self.held)
        monkeypatch.setattr(simulator_services, "last_read", lambda: SimpleNamespace(rule_set=self.rules))
        monkeypatch.setattr(simulator_services, "is_set_up", lambda: True)
        monkeypatch.setattr(simulator_services, "_current_mx", lambda name, region: MxFact.HERE)
        receiving_services.record_live_rules(self.rules, is_ours=True)

    def _above(self, whose: str) -> None:
        owner = self.customer if whose == "own" else make_customer("Olive")
        shop = make_verified("shop.com", customer=owner)
        now = timezone.now()
        known = {"region": shop.region, "name": "inbound-mail", "is_ours": True, "claims_mail": True}
        ActiveRuleSet.objects.create(**known, read_at=now, changed_at=now)
        if whose:
            CatchAll.objects.create(domain=shop, endpoint=make_endpoint(owner, name="Above"), subdomains=True)

    def _planned(self) -> RuleSet:
        by_delivery: dict[RuleDelivery, list[str]] = {}
        for recipient, delivery in read_desired_state().desired.entries.items():
            if recipient not in self.held:
                by_delivery.setdefault(delivery, []).append(recipient)
        rules = (
            Rule(f"inbound-admin-{number:03}", delivery, tuple(recipients))
            for number, (delivery, recipients) in enumerate(by_delivery.items(), start=1)
        )
        return RuleSet("inbound-mail", tuple(rules))

    def truth(self, asked: str = ADDRESS) -> str:
        """Return what happens to a message: rejected, kept (accepted and delivered to nobody) or its endpoint."""
        outcome = matching.route(self.rules.rules, [asked]).recipient_outcomes[asked]
        (route,) = route_lookup([asked])
        if outcome is RecipientOutcome.REJECTED:
            return "rejected"
        return f"delivered to {route.endpoint}" if route.endpoint else "kept"

    @property
    def domain(self) -> Domain:
        return Domain.objects.select_related("customer").get(name=NAME)


def said(receiving: Receiving) -> str:
    """Return what a judgement says: rejected, kept or delivered."""
    if receiving.state in ARRIVES:
        return "delivered"
    if receiving.state is ReceivingState.OFF:
        return "kept" if "SES accepts" in receiving.sentence else "rejected"
    if receiving.state is ReceivingState.UNDELIVERED:
        return "kept"
    return "rejected" if receiving.state in REJECTED else f"{receiving.state}: {receiving.sentence}"


@pytest.mark.parametrize("case", CASES, ids=str)
def test_pages_api_and_simulator_say_what_happens_to_a_message(
    case: Case, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(case, monkeypatch)
    member = make_member(world.customer)
    for own in simulator_services.own_simulations(viewer=member, asked=[ADDRESS, LABELLED]):
        agrees(own, world.truth(own.asked))
    if case.row == "none":
        return
    address, verdict = the_address(), world.truth().partition(" ")[0]
    assert said(address.receiving) == verdict, address.receiving.sentence
    shown = api_row(find_addresses(viewer=member).get())
    assert (shown.receiving, shown.receiving_message) == (address.receiving.state, address.receiving.sentence)
    path = {hop.key: hop.state for hop in path_of_address(address)}
    assert not path or (path["store"] in STORING) == (verdict != "rejected")


def agrees(own: OwnSimulation, truth: str) -> None:
    verdict = truth.partition(" ")[0]
    assert own.receiving is not None
    assert said(own.receiving) == verdict, (own.asked, own.receiving.sentence)
    hops = {hop.key: hop for hop in own.hops}
    assert own.is_delivered == (verdict == "delivered"), (own.asked, hops)
    assert (hops["store"].state in STORING) == (verdict != "rejected"), (own.asked, hops)
    if verdict == "delivered":
        assert truth.removeprefix("delivered to ") in hops["end"].sentence


def the_address() -> Address:
    return Address.objects.select_related("domain__customer", "endpoint").get()


@pytest.mark.parametrize("case", [each for each in CASES if each.row in ("on", "none")], ids=str)
def test_a_domain_says_what_happens_to_its_mail(case: Case, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(case, monkeypatch)
    assert said(world.domain.receiving) == world.truth().partition(" ")[0], world.domain.receiving.sentence
    rest, summary = world.truth(OTHER), inbound_summary(world.domain).sentence
    if not case.is_caught and not case.is_stopped:
        says = {"rejected": ("is rejected", "No mail is received"), "kept": ("nobody gets it",)}
        assert any(each in summary for each in says.get(rest, (f"goes to {rest.rpartition(' ')[2]}",))), summary


@pytest.mark.parametrize("above", ["", "own", "other"])
@pytest.mark.parametrize("is_stopped", [False, True])
def test_a_new_address_is_said_to_receive_before_its_rule_if_a_catch_all_above_does(
    above: str, is_stopped: bool, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(Case("none", above, is_stopped=is_stopped and above != "own"), monkeypatch)
    make_address(ADDRESS, world.domain, endpoint=make_endpoint(world.customer, name="Desk"))
    update_name_facts(world.domain)
    address = the_address()
    assert said(address.receiving) == world.truth().partition(" ")[0], address.receiving.sentence


def facts_of(world: World, *rules: AnyRule) -> LiveFacts:
    return LiveFacts(RuleSet("inbound-mail", rules), read_desired_state(), is_ours=True)


def test_a_stop_has_ended_although_an_unmanaged_rule_still_delivers(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, (route,) = World(Case("on", "", is_stopped=True), monkeypatch), route_lookup([ADDRESS])
    ours, theirs = Rule("inbound-admin-001", RULE, (ADDRESS,)), ForeignRule("legacy", "{}", RULE, (ADDRESS,))
    assert facts_of(world, theirs).of_route(route) is RulesFact.HALTED
    assert facts_of(world, ours, theirs).of_route(route) is RulesFact.ENDING


def test_the_fact_of_a_route_needs_no_query(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Callable[[int], Any]
) -> None:
    world = World(Case("on", "own", is_caught=True), monkeypatch)
    routes, facts = route_lookup([ADDRESS, OTHER]), facts_of(world)
    with django_assert_num_queries(0):
        assert [facts.of_route(route) for route in routes] != []
