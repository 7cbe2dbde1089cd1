"""A plan for one customer, made from that customer's rows, equals the one made from all rows."""

import random

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from accounts.models.people import Customer
from domains.models.domains import Domain, Stage
from domains.ownership.selectors import Holders
from receipt_rules.live.services import Live
from receipt_rules.models.addresses import CatchAll
from receipt_rules.models.runs import ReceivingStop
from receipt_rules.planner import selectors
from receipt_rules.planner.core.planner import make_plan
from receipt_rules.planner.core.plans import RuleSetNames
from receipt_rules.planner.core.rules import RuleSet
from receipt_rules.planner.services import (
    EVERYTHING,
    PlanRequest,
    plan_changes,
    read_desired_entries,
    read_desired_state,
    scope_of,
)
from sandbox.process import Sandbox
from tests.factories import make_customer
from tests.receipt_rules.factories import make_address, make_endpoint, make_verified

pytestmark = pytest.mark.django_db
NAMES = ("maple.com", "a.maple.com", "b.a.maple.com", "c.maple.com", "maple.com.au", "xmaple.com", "river.org")


def random_customers(chance: random.Random) -> list[Customer]:
    """Create customers whose domains lie within each other's, with every kind of address and catch-all."""
    some = [make_customer() for _ in range(3)]
    endpoints = [[make_endpoint(each), make_endpoint(each, s3_bucket="elsewhere")] for each in some]
    for name in NAMES:
        owner = chance.randrange(3)
        fields = {} if chance.random() < 0.8 else {"stage": Stage.CLAIM, "proven_at": None}
        domain = make_verified(name, customer=some[owner], **fields)
        for local, below in (("info", ""), ("sales+x", ""), ("one", "deep."), ("two", "a.")):
            if chance.random() < 0.6:
                whose = owner if chance.random() < 0.8 else chance.randrange(3)
                endpoint = chance.choice([None, *endpoints[whose]])
                address = f"{local}-{name.replace('.', '')}@{below}{name}"
                make_address(address, domain, endpoint=endpoint, is_active=chance.random() < 0.9)
        for subdomains in (False, True):
            if chance.random() < 0.5:
                CatchAll.objects.create(
                    domain=domain, subdomains=subdomains, endpoint=chance.choice([None, *endpoints[owner]])
                )
    if chance.random() < 0.3:
        ReceivingStop.objects.create(customer=chance.choice(some), asked_at=timezone.now())
    return some


@pytest.mark.parametrize("seed", range(12))
def test_a_plan_for_a_customer_needs_no_other_customers_rows(seed: int, sandbox: Sandbox) -> None:
    chance = random.Random(seed)
    customers = random_customers(chance)
    before = make_plan(read_desired_state().desired, RuleSet("inbound-mail")).after
    for domain in Domain.objects.all():
        if chance.random() < 0.3:
            domain.customer = chance.choice(customers)
            domain.save()
    CatchAll.objects.filter(pk__in=[each.pk for each in CatchAll.objects.all() if chance.random() < 0.3]).delete()
    live = Live(before, RuleSetNames(frozenset([before.name]), before.name), has_all_names=True)
    everything = read_desired_state()
    for customer in customers:
        own = frozenset([customer.pk])
        theirs = read_desired_state(customers=own)
        scope = scope_of(own, theirs, before)
        assert scope == scope_of(own, everything, before)
        asked = PlanRequest(scope=scope, customer=customer.pk)
        assert plan_changes(asked, live, theirs) == plan_changes(asked, live, everything)


@pytest.mark.parametrize("seed", range(12))
def test_a_plan_for_everything_needs_no_address_that_a_catch_all_covers(
    seed: int, sandbox: Sandbox, settings: Settings
) -> None:
    chance = random.Random(seed)
    settings.RECEIVING_CATCH_ALL_PREFIX = chance.choice(["", "rest/"])
    random_customers(chance)
    if chance.random() < 0.3:
        CatchAll.objects.filter(pk=CatchAll.objects.values("pk")[:1]).update(refused_because="SES refuses it.")
    whole, lean = read_desired_state(), read_desired_entries()
    assert list(lean.desired.entries.items()) == list(whole.desired.entries.items())
    assert (lean.desired.doubles, lean.desired.refused) == (whole.desired.doubles, whole.desired.refused)
    before = make_plan(whole.desired, RuleSet("inbound-mail")).after
    live = Live(before, RuleSetNames(frozenset([before.name]), before.name), has_all_names=True)
    assert plan_changes(EVERYTHING, live, lean) == plan_changes(EVERYTHING, live, whole)


def test_addresses_that_a_catch_all_covers_are_not_read_for_a_plan(sandbox: Sandbox) -> None:
    domain = make_verified("maple.com")
    for number in range(5):
        make_address(f"a{number}@maple.com", domain)
    assert len(list(selectors.address_rows_beyond_catch_alls(()))) == 5
    CatchAll.objects.create(domain=domain)
    assert list(selectors.address_rows_beyond_catch_alls(())) == []


def test_the_query_count_for_a_customers_plan_does_not_depend_on_other_customers(sandbox: Sandbox) -> None:
    own = make_verified("maple.com")
    make_address("info@maple.com", own)
    other = make_verified("a.maple.com")
    make_verified("river.org")
    read_desired_state(customers=frozenset([own.customer_id]))
    with CaptureQueriesContext(connection) as queries:
        assert set(read_desired_state(customers=frozenset([own.customer_id])).desired.entries) == {"info@maple.com"}
    assert len(queries) == 8  # two for the recipients that SES refuses, of all customers
    near = Holders.read([own.customer_id])
    assert near.customer_of("x.a.maple.com") == other.customer_id
    assert near.customer_of("x.maple.com") == own.customer_id
    assert not near.customer_of("river.org")
