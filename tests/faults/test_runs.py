"""Runs of receipt rules with every AWS call interrupted: the next run converges, and no mail is lost meanwhile."""

import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.ses.models import ses_backends

from accounts.models.people import Customer, User
from audit.models import Change
from domains.models.domains import Domain
from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsProblem
from receipt_rules.addresses import services as addresses_services
from receipt_rules.auto_apply import services as auto_apply_services
from receipt_rules.endpoints import services as endpoints_services
from receipt_rules.endpoints.services import SesOptions
from receipt_rules.live import gateway as live_gateway
from receipt_rules.models.addresses import Address, CatchAll
from receipt_rules.models.runs import PendingChange, Run, RunState, Snapshot
from receipt_rules.planner import services as planner_services
from receipt_rules.planner.core import matching
from receipt_rules.planner.core.plans import Method
from receipt_rules.planner.core.rules import RuleSet
from receipt_rules.planner.services import EVERYTHING, PlanRequest
from sandbox.aws.faults import ProcessCut
from sandbox.aws.state import WORLD
from sandbox.process import Sandbox
from tests.factories import make_customer
from tests.faults.initial_state import InitialState
from tests.faults.interruptions import FAILED_CALLS, LOST_RESPONSES, Interruption
from tests.receipt_rules.factories import live, make_operator, make_unmanaged_rule, make_verified, set_up_receiving

ALL_WAYS = LOST_RESPONSES | FAILED_CALLS


@dataclass(frozen=True)
class Scenario:
    """`begin` creates the desired state and returns the addresses that must be served all the time."""

    begin: Callable[[], list[str]]


@dataclass(frozen=True)
class Outcome:
    """The parts of SES's rules, of our rows and of the change log that must not depend on the fault."""

    live: RuleSet
    runs: list[tuple[Any, ...]]
    rows: list[tuple[str, bool]]
    pending: int
    changes: list[str]


class Watch:
    """Checks the sandbox's state before each call, for what the previous call left there."""

    def __init__(self, served: list[str]) -> None:
        self.served = served
        self.gaps: list[str] = []
        self.checks = 0

    def check(self, **_: Any) -> None:
        rules = rules_in_sandbox().rules
        self.checks += 1
        self.gaps += [address for address in self.served if not matching.delivering_rules(rules, address)]

    @contextmanager
    def watching(self) -> Iterator[None]:
        events = aws.client("ses").meta.events
        events.register("before-call.ses", self.check, unique_id=f"watch {id(self)}")
        try:
            yield
        finally:
            events.unregister("before-call.ses", unique_id=f"watch {id(self)}")
            self.check()


def rules_in_sandbox() -> RuleSet:
    """Return the active set without a call."""
    with WORLD.lock:
        for name, found in ses_backends[DEFAULT_ACCOUNT_ID][settings.AWS_REGION].receipt_rule_set.items():
            if found.is_active:
                return live_gateway._read_set({"Metadata": {"Name": name}, "Rules": found.rules})
    return RuleSet("")


class Interrupter:
    def __init__(self, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
        self._sandbox, self._monkeypatch = sandbox, monkeypatch

    def run_with_every_interruption(
        self, scenario: Scenario, interruptions: Mapping[str, Interruption] = LOST_RESPONSES
    ) -> Outcome:
        """Return the undisturbed run's result, which every other must equal."""
        with InitialState(self._sandbox, scenario.begin) as initial_state:
            served = self._restore(initial_state)
            assert self._run(served)
            calls, plain = sum(self._sandbox.control.call_counts().values()), end()
            assert calls
            for name, interruption in interruptions.items():
                for nth in range(1, calls + 1):
                    served = self._restore(initial_state)
                    assert self._run_interrupted(interruption, nth, served) == plain, f"call {nth}: {name}"
        return plain

    def _run_interrupted(self, interruption: Interruption, nth: int, served: list[str]) -> Outcome:
        self._monkeypatch.setattr(aws, "ATTEMPTS", interruption.attempts)
        aws.account_id()
        self._sandbox.control.add_fault(interruption.kind, nth=nth)
        self._run(served)
        assert self._sandbox.control.faults() == (), f"call {nth} was not made"
        assert self._run(served), f"the next run does not end, call {nth}: {interruption}"
        return end()

    def _restore(self, initial_state: InitialState[list[str]]) -> list[str]:
        self._monkeypatch.setattr(aws, "ATTEMPTS", 3)
        aws.account_id()  # read once in a process, so it is no call of the job
        return initial_state.restore()

    def _run(self, served: list[str]) -> bool:
        """Return False if it was interrupted, as the worker would see it."""
        watch = Watch(served)
        with watch.watching():
            try:
                auto_apply_services.work()
            except (AwsProblem, ProcessCut):
                return False
            finally:
                assert not watch.gaps
        return True


def end() -> Outcome:
    run_ids = list(Run.objects.values_list("pk", flat=True))
    changes = Change.objects.filter(what__startswith="rules.", after__run__in=run_ids).order_by("pk")
    for change in changes:
        assert len(set(change.aws_request_ids)) == len(change.aws_request_ids)
    rows: list[Address | CatchAll] = [*Address.objects.all(), *CatchAll.objects.select_related("domain")]
    return Outcome(
        replace(rules_in_sandbox(), created=None),
        [(run.kind, run.state, run.problem, run.steps.count()) for run in Run.objects.order_by("created_at")],
        [(row.recipient, row.is_served) for row in rows],
        PendingChange.objects.count(),
        [change.what for change in changes],
    )


@pytest.fixture
def interrupter(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Interrupter:
    return Interrupter(sandbox, monkeypatch)


def alices_domain(name: str = "shop.com") -> Domain:
    found = Customer.objects.filter(name="Alice").first()
    return make_verified(name, customer=found or make_customer("Alice"))


def add_a_and_b(domain: Domain) -> None:
    for text in ("a@shop.com", "b@shop.com"):
        addresses_services.add_address(text=text, customer=domain.customer, actor=None)


def switch_addresses(domain: Domain, *, is_active: bool) -> None:
    for address in Address.objects.filter(domain=domain):
        addresses_services.change_address(address=address, actor=None, is_active=is_active, endpoint=None)


def switch_to_catch_all(domain: Domain) -> None:
    """Turn on the catch-all; keep the addresses, but disable them."""
    addresses_services.set_catch_all(domain=domain, actor=None)
    switch_addresses(domain, is_active=False)


def approve(operator: User, asked: PlanRequest = EVERYTHING) -> None:
    """Approve a plan that includes the customers' changes."""
    PendingChange.objects.all().delete()
    made = planner_services.plan_changes(asked)
    planner_services.approve(
        digest=made.digest, because="as planned", actor=operator, typed=made.before.name, request=asked
    )


def served_addresses(*asked: str) -> list[str]:
    return [address for address in asked if matching.delivering_rules(live().rules, address)]


@pytest.mark.django_db
def test_setting_up_receiving_survives_every_interruption(interrupter: Interrupter) -> None:
    def begin() -> list[str]:
        domain = alices_domain()
        add_a_and_b(domain)
        addresses_services.set_catch_all(domain=domain, actor=None)
        approve(make_operator())
        return []

    made = interrupter.run_with_every_interruption(Scenario(begin), ALL_WAYS)
    assert [rule.recipients for rule in made.live.ours] == [("shop.com",)]
    assert made.runs == [("approved", RunState.DONE, "", 3)]
    assert made.changes == ["rules.applied"]


@pytest.mark.django_db
def test_adding_an_address_survives_every_interruption(interrupter: Interrupter) -> None:
    def begin() -> list[str]:
        domain = alices_domain()
        addresses_services.add_address(text="a@shop.com", customer=domain.customer, actor=None)
        set_up_receiving()
        addresses_services.add_address(text="b@shop.com", customer=domain.customer, actor=None)
        return ["a@shop.com", "a+label@shop.com"]

    made = interrupter.run_with_every_interruption(Scenario(begin), ALL_WAYS)
    assert [rule.recipients for rule in made.live.ours] == [("a@shop.com", "b@shop.com")]
    assert (made.pending, made.changes) == (0, ["rules.applied", "rules.applied"])


@pytest.mark.django_db
def test_switching_to_catch_all_survives_every_interruption(interrupter: Interrupter) -> None:
    def begin() -> list[str]:
        domain = alices_domain()
        add_a_and_b(domain)
        set_up_receiving()
        switch_to_catch_all(domain)
        return ["a@shop.com", "b@shop.com"]

    made = interrupter.run_with_every_interruption(Scenario(begin))
    assert [rule.recipients for rule in made.live.ours] == [("shop.com",)]


@pytest.mark.django_db
def test_switching_back_from_catch_all_survives_every_interruption(interrupter: Interrupter) -> None:
    def begin() -> list[str]:
        domain = alices_domain()
        add_a_and_b(domain)
        switch_to_catch_all(domain)
        set_up_receiving()
        switch_addresses(domain, is_active=True)
        addresses_services.set_catch_all(domain=domain, actor=None, is_active=False)
        return ["a@shop.com", "b@shop.com"]

    made = interrupter.run_with_every_interruption(Scenario(begin))
    assert [rule.recipients for rule in made.live.ours] == [("a@shop.com", "b@shop.com")]


@pytest.mark.django_db
def test_moving_an_address_to_another_prefix_by_blue_green_survives_every_interruption(
    interrupter: Interrupter,
) -> None:
    def begin() -> list[str]:
        domain = alices_domain()
        add_a_and_b(domain)
        operator = set_up_receiving()
        special = endpoints_services.add_endpoint(
            customer=domain.customer,
            name=f"special {Run.objects.count()} {domain.pk}",
            type="email",
            config={"address": "alice@people.example"},
            actor=operator,
        )
        endpoints_services.change_endpoint(endpoint=special, actor=operator, ses=SesOptions(s3_prefix="special/"))
        addresses_services.change_address(
            address=Address.objects.get(address="a@shop.com"), actor=None, is_active=True, endpoint=special
        )
        approve(operator, PlanRequest(method=Method.BLUE_GREEN))
        return ["a@shop.com", "b@shop.com"]

    made = interrupter.run_with_every_interruption(Scenario(begin))
    assert made.live.name == "inbound-mail-002"
    assert len(made.live.ours) == 2


@pytest.mark.django_db
def test_adopting_an_old_rule_set_survives_every_interruption(interrupter: Interrupter) -> None:
    def begin() -> list[str]:
        make_unmanaged_rule("shop.com-rule", ["a@shop.com", "b@shop.com"], rule_set="inbound-mail", create_set=True)
        add_a_and_b(alices_domain())
        approve(make_operator(), PlanRequest(take_over=frozenset(["shop.com-rule"])))
        return ["a@shop.com", "b@shop.com"]

    made = interrupter.run_with_every_interruption(Scenario(begin))
    assert not made.live.foreign


@pytest.mark.django_db
def test_a_rollback_survives_every_interruption(interrupter: Interrupter) -> None:
    def begin() -> list[str]:
        domain = alices_domain()
        add_a_and_b(domain)
        operator = set_up_receiving()
        state = Snapshot.objects.earliest("at")
        addresses_services.remove_address(address=Address.objects.get(address="b@shop.com"), actor=None)
        auto_apply_services.work()
        assert served_addresses("a@shop.com", "b@shop.com") == ["a@shop.com"]
        approve(operator, PlanRequest(snapshot=state.pk))
        return ["a@shop.com"]

    made = interrupter.run_with_every_interruption(Scenario(begin))
    assert [rule.recipients for rule in made.live.ours] == [("a@shop.com", "b@shop.com")]


@pytest.mark.django_db(transaction=True)
def test_fifty_concurrent_edits_by_ten_customers_end_in_the_desired_state(sandbox: Sandbox) -> None:
    domains = [make_verified(f"shop{number}.com") for number in range(10)]
    for domain in domains:
        for text in (f"{a}@{domain.name}" for a in "ad"):
            addresses_services.add_address(text=text, customer=domain.customer, actor=None)
    set_up_receiving()
    workers_stop = threading.Event()
    problems: list[BaseException] = []

    def work_on() -> None:
        try:
            while not workers_stop.is_set():
                auto_apply_services.work()
        except BaseException as problem:  # noqa: BLE001  # the test reports it
            problems.append(problem)
        finally:
            connection.close()

    worker = threading.Thread(target=work_on)
    worker.start()
    with ThreadPoolExecutor(max_workers=25) as pool:
        list(pool.map(edit, [(domain, turn) for turn in range(5) for domain in domains], timeout=60))
    workers_stop.set()
    worker.join(timeout=60)
    assert not problems
    auto_apply_services.work()
    assert_desired_state_is_reached(domains)


def assert_desired_state_is_reached(domains: list[Domain]) -> None:
    assert not PendingChange.objects.exists()
    named = {recipient for rule in live().ours for recipient in rule.recipients}
    assert named == {
        recipient for domain in domains for recipient in (f"b@{domain.name}", f"c@{domain.name}", f".{domain.name}")
    }
    assert set(Address.objects.values_list("is_active", "rules")) == {(True, "carried"), (False, "waiting")}
    assert planner_services.plan_changes().is_empty


def edit(asked: tuple[Domain, int]) -> None:
    try:
        _edit(*asked)
    finally:
        connection.close()


def _edit(domain: Domain, turn: int) -> None:
    """Make one of five concurrent changes of a customer, in any order."""
    match turn:
        case 0:
            addresses_services.add_address(text=f"b@{domain.name}", customer=domain.customer, actor=None)
        case 1:
            addresses_services.add_address(text=f"c@{domain.name}", customer=domain.customer, actor=None)
        case 2:
            addresses_services.set_catch_all(domain=domain, actor=None, subdomains=True)
        case 3:
            addresses_services.remove_address(address=Address.objects.get(address=f"a@{domain.name}"), actor=None)
        case _:
            row = Address.objects.get(address=f"d@{domain.name}")
            addresses_services.change_address(address=row, actor=None, is_active=False, endpoint=None)
