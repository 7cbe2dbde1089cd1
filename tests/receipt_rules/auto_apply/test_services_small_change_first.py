"""A customer's small change goes before what is left of a large run, if the rules have room for both."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from pytest_django import Settings

from accounts.models.people import Customer
from accounts.roles import Role
from inbound_admin.lib import aws, lanes
from inbound_admin.lib.errors import AwsBusy
from inbound_admin.lib.lanes import WorkLane
from receipt_rules.addresses import services as addresses_services
from receipt_rules.auto_apply import services as auto_apply_services
from receipt_rules.live import gateway as live_gateway
from receipt_rules.models.addresses import Address
from receipt_rules.models.runs import PendingChange, Run, RunKind, RunState, StepState
from receipt_rules.planner import services as planner_services
from receipt_rules.planner.core.rules import RuleSet
from receipt_rules.planner.core.steps import Step
from receipt_rules.planner.services import EVERYTHING, PlanRequest
from receipt_rules.runs import services as runs_services
from sandbox.process import Sandbox
from tests.factories import make_customer, make_staff
from tests.receipt_rules.factories import live, make_address, make_verified, rule_count, set_up_receiving

pytestmark = pytest.mark.django_db
PASTED = 40
PER_RULE = 2


@pytest.fixture
def bob() -> Customer:
    return make_customer("Bob")


@pytest.fixture
def large(sandbox: Sandbox, settings: Settings, bob: Customer) -> Callable[..., Run]:
    """Approve a run of one call for each two of Alice's addresses. Her first address is alone in a rule."""
    settings.SES_RECIPIENTS_PER_RULE, settings.RECEIVING_SMALL_CHANGE = PER_RULE, 5
    settings.RECEIVING_WAIT_SECONDS = 0
    alice = make_verified("alice.com", customer=make_customer("Alice"))
    make_verified("bob.com", customer=bob)
    make_address("a@alice.com", alice)
    olga = set_up_receiving()

    def approved(asked: PlanRequest = EVERYTHING) -> Run:
        for number in range(PASTED):
            make_address(f"a{number:02}@alice.com", alice)
        made = planner_services.plan_changes(asked)
        return planner_services.approve(digest=made.digest, because="paste", actor=olga, request=asked)

    return approved


def add(name: str, customer: Customer) -> Address:
    return addresses_services.add_address(text=name, customer=customer, actor=None)


def at_step(number: int, act: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> None:
    """Act once, when the run makes the call of this number that creates a rule."""
    made: list[str] = []
    create: Callable[..., None] = live_gateway.create_rule

    def counted(rule_set: str, rule: Any, *, after: str) -> None:
        create(rule_set, rule, after=after)
        made.append(rule.name)
        if len(made) == number:
            act()

    monkeypatch.setattr(live_gateway, "create_rule", counted)


def steps_made(run: Run) -> int:
    return run.steps.filter(state=StepState.DONE).count()


def when_bob_was_served(large_run: Run, of: str = "b@bob.com") -> int:
    """Return how many steps of the large run came before Bob's."""
    own = Run.objects.get(kind=RunKind.CUSTOMER, customer__name="Bob")
    assert own.state == RunState.DONE
    assert rule_count(of) == 1
    return large_run.steps.filter(done_at__lt=own.steps.latest("done_at").done_at).count()


def all_served() -> bool:
    return all(rule_count(address) == 1 for address in Address.objects.values_list("address", flat=True))


def test_a_single_address_goes_before_what_is_left_of_a_large_run(
    large: Callable[..., Run], bob: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = large()
    at_step(3, lambda: add("b@bob.com", bob), monkeypatch)
    auto_apply_services.work()
    run.refresh_from_db()
    assert run.state == RunState.DONE, run.problem
    assert when_bob_was_served(run) <= 4 + auto_apply_services.STEPS_BETWEEN
    assert steps_made(run) >= 20
    assert all_served()
    assert not PendingChange.objects.exists()


def test_the_large_run_is_planned_again_where_the_single_address_took_its_place(
    large: Callable[..., Run], bob: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The single address takes the room in the rule of Alice's first address, which the run's last step fills."""
    run = large()
    last = run.steps.last()
    assert last is not None
    assert last.step["type"] == "Update"
    at_step(3, lambda: add("b@bob.com", bob), monkeypatch)
    auto_apply_services.work()
    run.refresh_from_db()
    assert run.state == RunState.DONE, run.problem
    assert rule_count("b@bob.com") == 1
    assert all_served()
    rules = {frozenset(rule.recipients) for rule in live().ours}
    assert frozenset({"a@alice.com", "b@bob.com"}) in rules


def test_a_single_address_waits_where_the_rules_have_no_room_for_both(
    large: Callable[..., Run], bob: Customer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.SES_RULES_PER_SET = 21  # 41 addresses, two in each: one is left for Bob, none for a further step
    run = large()
    at_step(3, lambda: (add("b@bob.com", bob), add("c@bob.com", bob)), monkeypatch)
    auto_apply_services.work()
    run.refresh_from_db()
    assert run.state == RunState.DONE, run.problem
    waits = PendingChange.objects.get(customer=bob)
    assert waits.waits_because == auto_apply_services.FULL
    assert all(rule_count(f"a{number:02}@alice.com") == 1 for number in range(PASTED))


def test_further_small_changes_let_the_run_go_on_between_them(
    large: Callable[..., Run], bob: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    carol = make_customer("Carol")
    make_verified("carol.com", customer=carol)
    run = large()
    at_step(2, lambda: (add("b@bob.com", bob), add("c@carol.com", carol)), monkeypatch)
    auto_apply_services.work()
    run.refresh_from_db()
    moments = [own.steps.latest("done_at").done_at for own in Run.objects.filter(kind=RunKind.CUSTOMER)]
    first, second = sorted(run.steps.filter(done_at__lt=moment).count() for moment in moments if moment)
    assert second - first == auto_apply_services.STEPS_BETWEEN
    assert (run.state, all_served()) == (RunState.DONE, True)


def test_a_change_that_needs_approval_does_not_go_first(
    large: Callable[..., Run], bob: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = large()
    at_step(2, lambda: [add(f"b{number}@bob.com", bob) for number in range(6)], monkeypatch)
    auto_apply_services.work()
    run.refresh_from_db()
    assert (run.state, rule_count("b0@bob.com")) == (RunState.DONE, 0)
    assert PendingChange.objects.get(customer=bob).waits_because


def test_a_crash_during_the_small_change_loses_neither(
    large: Callable[..., Run], bob: Customer, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aws, "ATTEMPTS", 1)
    run = large()
    at_step(3, lambda: (add("b@bob.com", bob), sandbox.control.add_fault("throttle", "UpdateReceiptRule")), monkeypatch)
    with pytest.raises(AwsBusy):
        auto_apply_services.work()
    own = Run.objects.get(kind=RunKind.CUSTOMER, customer=bob)
    run.refresh_from_db()
    assert (own.state, run.state) == (RunState.RUNNING, RunState.WAITING)
    sandbox.control.clear_faults()
    auto_apply_services.work()
    run.refresh_from_db()
    assert (run.state, rule_count("b@bob.com")) == (RunState.DONE, 1), run.problem
    assert all_served()


def test_a_rule_that_somebody_else_changed_still_stops_the_run(
    large: Callable[..., Run], bob: Customer, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = large()

    def changed_in_the_console() -> None:
        rule = next(rule for rule in live().ours if "a@alice.com" in rule.recipients)
        described = aws.client("ses").describe_receipt_rule(RuleSetName=live().name, RuleName=rule.name)["Rule"]
        described["Recipients"] = [*described["Recipients"], "x@stranger.com"]
        aws.client("ses").update_receipt_rule(RuleSetName=live().name, Rule=described)
        add("b@bob.com", bob)

    at_step(3, changed_in_the_console, monkeypatch)
    auto_apply_services.work()
    run.refresh_from_db()
    assert run.state == RunState.REFUSED
    assert "Someone else changed a rule" in run.problem


def ask_between_steps(monkeypatch: pytest.MonkeyPatch, stop_at: int = 99) -> list[list[int]]:
    """Ask twice between steps; no change may go first. Return the number of changes asked, and of reads of the steps.

    An urgent stop waits from the change of this number on.
    """
    asked, read = [0], [0]

    def may_go_first(change: PendingChange, rule_set: RuleSet, steps_left: Callable[[], Sequence[Step]]) -> bool:
        asked[-1] += 1
        steps_left()
        return False

    def steps_left() -> list[Step]:
        read[-1] += 1
        return []

    monkeypatch.setattr(auto_apply_services, "_may_go_first", may_go_first)
    monkeypatch.setattr(auto_apply_services, "is_urgent_work_waiting", lambda: sum(asked) >= stop_at)
    small = auto_apply_services._SmallChanges()
    for _ in range(2):
        assert not small.is_due(RuleSet("inbound-mail"), steps_left)
        asked.append(0)
        read.append(0)
    return [asked[:-1], read[:-1]]


@pytest.fixture
def waiting_changes(settings: Settings) -> None:
    settings.RECEIVING_WAIT_SECONDS = 0
    for number in range(8):
        add(f"a@c{number}.com", make_verified(f"c{number}.com", customer=make_customer(f"C{number}")).customer)


@pytest.mark.usefixtures("waiting_changes")
def test_only_a_few_changes_are_asked_for_between_two_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ask_between_steps(monkeypatch) == [[5, 3], [1, 1]]


@pytest.mark.usefixtures("waiting_changes")
def test_no_further_change_is_asked_for_while_a_stop_by_staff_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ask_between_steps(monkeypatch, stop_at=2) == [[2, 0], [1, 0]]


def add_several(customer: Customer) -> None:
    """Four addresses: two rules, so two steps."""
    for number in range(4):
        add(f"b{number}@bob.com", customer)


def stop_carol_at_step(number: int, bob: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bob adds four addresses after two steps. At the step of this number, a stop of Carol's receiving waits."""
    carol, tess = Customer.objects.get(name="Carol"), make_staff(Role.TRUST_AND_SAFETY)
    waits: list[bool] = []

    def stop() -> None:
        auto_apply_services.stop(customer=carol, because="phishing", actor=tess)
        waits.append(True)

    def is_waiting() -> bool:
        return bool(waits) and lanes.current() < WorkLane.URGENT

    at_step(2, lambda: add_several(bob), monkeypatch)
    at_step(number, stop, monkeypatch)
    for module in (auto_apply_services, runs_services):
        monkeypatch.setattr(module, "is_urgent_work_waiting", is_waiting)
    auto_apply_services.work()
    waits.clear()


def test_a_small_change_that_a_stop_interrupts_is_finished_before_the_large_run_goes_on(
    large: Callable[..., Run], bob: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_address("c@carol.com", make_verified("carol.com", customer=make_customer("Carol")))
    set_up_receiving()
    run = large()
    stop_carol_at_step(3, bob, monkeypatch)
    own = Run.objects.get(customer=bob)
    assert 0 < steps_made(own) < own.steps.count()
    auto_apply_services.work()
    run.refresh_from_db()
    own.refresh_from_db()
    assert (own.state, own.problem) == (RunState.DONE, "")
    assert Run.objects.filter(customer=bob).count() == 1
    assert (run.state, run.problem) == (RunState.DONE, "")
    assert rule_count("c@carol.com") == 0
    assert all(rule_count(each) == 1 for each in ("b0@bob.com", "b3@bob.com", f"a{PASTED - 1}@alice.com"))


def test_a_small_change_whose_worker_died_before_its_first_step_is_applied_once(
    large: Callable[..., Run], bob: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = large()
    at_step(2, lambda: add_several(bob), monkeypatch)
    execute = runs_services.execute_run

    def dies(*, run_id: str, **given: Any) -> RuleSet | None:
        if Run.objects.get(pk=run_id).customer_id:
            raise KeyboardInterrupt
        return execute(run_id=run_id, **given)

    with monkeypatch.context() as dying:
        dying.setattr(runs_services, "execute_run", dies)
        with pytest.raises(KeyboardInterrupt):
            auto_apply_services.work()
    own = Run.objects.get(customer=bob)
    assert (own.state, own.started_at) == (RunState.WAITING, None)
    auto_apply_services.work()
    for each in (own, run):
        each.refresh_from_db()
        assert (each.state, each.problem) == (RunState.DONE, "")
    assert Run.objects.filter(customer=bob).count() == 1
    assert all_served()
