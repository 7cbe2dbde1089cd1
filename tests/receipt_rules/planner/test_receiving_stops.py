"""A stop of a customer's receiving overrides every plan and run; only resuming it restores the mail."""

import random

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models.people import Customer, User
from accounts.roles import Role
from domains.models.domains import Domain
from inbound_admin.lib.errors import Refused
from receipt_rules.auto_apply import services as auto_apply_services
from receipt_rules.jobs import queue_customer_change
from receipt_rules.live import services as live_services
from receipt_rules.models.addresses import Address, CatchAll
from receipt_rules.models.endpoints import Endpoint
from receipt_rules.models.runs import ReceivingStop, RunState, Snapshot
from receipt_rules.planner import services as planner_services
from receipt_rules.planner.core.plans import Method, Plan
from receipt_rules.planner.selectors import recipients_of, starting, stopped_customers
from receipt_rules.planner.services import PlanRequest
from receipt_rules.rollback import services as rollback_services
from sandbox.process import Sandbox
from tests.factories import make_customer, make_staff
from tests.receipt_rules.factories import (
    approve_and_run,
    live,
    make_address,
    make_unmanaged_rule,
    make_verified,
    rule_count,
    set_up_receiving,
)
from tests.receipt_rules.planner.test_services_scope import random_customers

pytestmark = pytest.mark.django_db


@pytest.fixture
def tess() -> User:
    return make_staff(Role.TRUST_AND_SAFETY)


@pytest.fixture
def harbour(sandbox: Sandbox) -> Customer:
    """Harbour Dental receives at two addresses, Bob at one."""
    customer = make_customer("Harbour Dental")
    domain = make_verified("harbour.com", customer=customer)
    for each in ("a1", "a2"):
        make_address(f"{each}@harbour.com", domain)
    make_address("bob@bob.com", make_verified("bob.com", customer=make_customer("Bob")))
    return customer


def _stop(customer: Customer, tess: User) -> None:
    auto_apply_services.stop(customer=customer, because="phishing", actor=tess)
    auto_apply_services.work()


def _resume(customer: Customer, tess: User) -> None:
    auto_apply_services.resume(customer=customer, because="settled", actor=tess)
    auto_apply_services.work()


def test_a_rollback_restores_no_recipient_of_a_stopped_customer_and_says_why(
    harbour: Customer, tess: User, olga_client: Client
) -> None:
    operator = set_up_receiving()
    first = Snapshot.objects.latest("at")
    _stop(harbour, tess)
    Address.objects.filter(address="bob@bob.com").delete()
    approve_and_run(operator, typed="inbound-mail")
    request = PlanRequest(snapshot=first.pk)
    page = olga_client.get(reverse("receipt_rules:plan"), {"snapshot": first.pk}).content.decode()
    reason = "Trust &amp; Safety stopped receiving for Harbour Dental, so 2 of its recipients stay out of the rules"
    assert f"{reason}: a1@harbour.com, a2@harbour.com. Only Trust &amp; Safety can resume it." in page
    approve_and_run(operator, request, typed="inbound-mail")
    assert (rule_count("bob@bob.com"), rule_count("a1@harbour.com")) == (1, 0)
    assert rollback_services.recipients_on_hold(stopped=stopped_customers()) == {"bob@bob.com"}
    page = olga_client.get(reverse("receipt_rules:plan"), {"snapshot": first.pk}).content.decode()
    assert "there is nothing to roll back" in page
    assert reason in page
    _resume(harbour, tess)
    assert (rule_count("bob@bob.com"), rule_count("a1@harbour.com"), rule_count("a2@harbour.com")) == (1, 1, 1)


def test_a_stop_ends_a_rollback_hold_permanently(harbour: Customer, tess: User, olga_client: Client) -> None:
    operator = set_up_receiving()
    first = Snapshot.objects.latest("at")
    Address.objects.filter(address="a1@harbour.com").update(is_active=False)
    approve_and_run(operator, typed="inbound-mail")
    approve_and_run(operator, PlanRequest(snapshot=first.pk), typed="inbound-mail")
    page = olga_client.get(reverse("receipt_rules:plan")).content.decode()
    assert "A rollback holds 1 recipient" in page
    _stop(harbour, tess)
    assert rule_count("a1@harbour.com") == 0
    page = olga_client.get(reverse("receipt_rules:plan")).content.decode()
    assert "A rollback holds" not in page
    Address.objects.filter(address="a1@harbour.com").update(is_active=True)
    _resume(harbour, tess)
    assert (rule_count("a1@harbour.com"), rule_count("a2@harbour.com")) == (1, 1)


def test_a_rollback_restores_no_subdomain_catch_all_over_another_customers_subdomain(sandbox: Sandbox) -> None:
    shop = make_verified("shop.com")
    row = CatchAll.objects.create(domain=shop, subdomains=True)
    operator = set_up_receiving()
    first = Snapshot.objects.latest("at")
    row.delete()
    approve_and_run(operator, typed="inbound-mail")
    make_verified("sub.shop.com", customer=make_customer("Bob"))
    assert planner_services.plan_changes(PlanRequest(snapshot=first.pk)).is_empty


@pytest.mark.parametrize("method", [Method.IN_PLACE, Method.BLUE_GREEN])
def test_a_stop_after_the_approval_ends_the_run_before_its_first_step(
    method: Method, harbour: Customer, tess: User
) -> None:
    """The stopped customer receives nothing yet, so the stop's own run changes no rule."""
    Address.objects.filter(domain__customer=harbour).update(is_active=False)
    operator = set_up_receiving()
    Address.objects.filter(domain__customer=harbour).update(is_active=True)
    make_address("bill@bob.com", Domain.objects.get(name="bob.com"))
    request = PlanRequest(method=method)
    made = planner_services.plan_changes(request)
    run = planner_services.approve(digest=made.digest, because="as planned", actor=operator, request=request)
    _stop(harbour, tess)
    run.refresh_from_db()
    assert (run.state, rule_count("a1@harbour.com")) == (RunState.REFUSED, 0)
    assert "Trust & Safety stopped receiving for Harbour Dental" in run.problem
    assert rule_count("bob@bob.com") == 1
    approve_and_run(operator)
    assert (rule_count("a1@harbour.com"), rule_count("bill@bob.com")) == (0, 1)


@pytest.mark.parametrize("method", [Method.IN_PLACE, Method.BLUE_GREEN])
def test_a_stop_during_a_run_is_noticed_before_the_next_step(
    method: Method, harbour: Customer, tess: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stop is requested while the run waits for SES."""
    Address.objects.filter(domain__customer=harbour).update(is_active=False)
    operator = set_up_receiving()
    Address.objects.filter(domain__customer=harbour).update(is_active=True)
    store = live_services.store_snapshot

    def stop_then(*args: object, **named: object) -> Snapshot:
        ReceivingStop.objects.get_or_create(customer=harbour, defaults={"asked_at": timezone.now(), "by": tess})
        return store(*args, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(live_services, "store_snapshot", stop_then)
    run = approve_and_run(operator, PlanRequest(method=method))
    assert (run.state, rule_count("a1@harbour.com"), rule_count("bob@bob.com")) == (RunState.REFUSED, 0, 1)


def test_activating_our_rule_set_for_another_customer_removes_a_stopped_customers_recipients(
    harbour: Customer, tess: User
) -> None:
    operator = set_up_receiving()
    make_unmanaged_rule("theirs", ["x@else.com"], rule_set="theirs", create_set=True)
    ReceivingStop.objects.create(customer=harbour, asked_at=timezone.now(), by=tess)
    make_address("bill@bob.com", Domain.objects.get(name="bob.com"))
    request = PlanRequest(scope=frozenset(["bill@bob.com"]), instead_of="theirs")
    made = planner_services.plan_changes(request)
    assert "Trust & Safety stopped receiving for Harbour Dental" not in made.summary
    run = planner_services.approve(
        digest=made.digest, because="as planned", actor=operator, typed="theirs", request=request
    )
    auto_apply_services.work()
    run.refresh_from_db()
    assert (run.state, live().name) == (RunState.DONE, "inbound-mail")
    assert (rule_count("bill@bob.com"), rule_count("a1@harbour.com")) == (1, 0)


def _requests(chance: random.Random, snapshots: list[str]) -> list[PlanRequest]:
    """Return every kind of plan: everything, one customer, both methods, compacting, and each rollback."""
    live_now = live_services.read_live()
    state = planner_services.read_desired_state()
    some = [each.pk for each in Customer.objects.all()]
    scopes = [planner_services.scope_of(frozenset([each]), state, live_now.rule_set) for each in some]
    by_customer = [PlanRequest(scope=scope, customer=each) for scope, each in zip(scopes, some, strict=True)]
    by_method = [PlanRequest(method=method, compacting=chance.random() < 0.3) for method in Method]
    adopting = PlanRequest(take_over=frozenset(["theirs"]))
    return [*by_method, *by_customer, adopting, *(PlanRequest(snapshot=each) for each in snapshots)]


def _plan(request: PlanRequest) -> Plan | None:
    try:
        return planner_services.plan_changes(request)
    except Refused:
        return None


@pytest.mark.parametrize("seed", range(10))
def test_no_kind_of_plan_restores_a_stopped_customers_recipients(seed: int, sandbox: Sandbox, tess: User) -> None:
    chance = random.Random(seed)
    customers = random_customers(chance)
    ReceivingStop.objects.all().delete()
    Endpoint.objects.exclude(s3_bucket="").update(s3_bucket="", s3_prefix="elsewhere/")
    operator = set_up_receiving()
    snapshots = [Snapshot.objects.latest("at").pk]
    names = [*Address.objects.values_list("address", flat=True), *(each.recipient for each in CatchAll.objects.all())]
    make_unmanaged_rule("theirs", chance.sample(names, 2))
    for rows in (Address.objects, CatchAll.objects):
        rows.filter(pk__in=[each.pk for each in rows.all() if chance.random() < 0.4]).update(is_active=False)
    approve_and_run(operator, typed="inbound-mail") if _changes() else None
    snapshots.append(Snapshot.objects.latest("at").pk)
    stopped = chance.choice(customers)
    auto_apply_services.stop(customer=stopped, because="phishing", actor=tess)
    if chance.random() < 0.7:
        auto_apply_services.work()
    if chance.random() < 0.5:
        Address.objects.update(is_active=True)
        queue_customer_change(stopped, None)
    requests = _requests(chance, snapshots)
    plans = [made for made in map(_plan, requests) if made is not None]
    assert len(plans) > 4
    for made in plans:
        assert recipients_of(frozenset([stopped.pk]), starting(made.before, made.after)) == {}


def _changes() -> bool:
    return not planner_services.plan_changes().is_empty
