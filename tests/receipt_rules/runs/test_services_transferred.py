"""A domain changes hands after a plan was made: the run brings none of its mail to the former holder's destination."""

from typing import Any

import pytest
from django.db.models.signals import post_save, pre_save
from django.utils import timezone

from accounts.models.people import Customer, User
from domains.models.domains import Domain
from domains.overrides import services as overrides_services
from inbound_admin.lib.errors import Refused
from receipt_rules.auto_apply import services as auto_apply_services
from receipt_rules.models.runs import Run, RunState, RunStep, StepState
from receipt_rules.planner import services as planner_services
from receipt_rules.planner.core.plans import Method
from receipt_rules.planner.services import PlanRequest
from receipt_rules.runs import services as runs_services
from sandbox.process import Sandbox
from tests.factories import make_customer, make_staff
from tests.operations.factories import make_ready
from tests.receipt_rules.factories import live, make_address, make_endpoint, rule_count, set_up_receiving

pytestmark = pytest.mark.django_db
ADDRESS = "orders@shop.com"


@pytest.fixture
def alice(sandbox: Sandbox) -> Customer:
    return make_customer("Alice")


@pytest.fixture
def operator(alice: Customer) -> User:
    make_address("kept@other.com", make_ready("other.com", alice))
    found = set_up_receiving()
    endpoint = make_endpoint(alice, s3_prefix="alice/")
    make_address(ADDRESS, make_ready("shop.com", alice, routes_unchecked=False), endpoint=endpoint)
    return found


def approve(operator: User, method: Method = Method.IN_PLACE) -> Run:
    request = PlanRequest(method=method)
    digest = planner_services.plan_changes(request).digest
    return planner_services.approve(digest=digest, because="as planned", actor=operator, request=request)


def transfer() -> None:
    domain = Domain.objects.get(name="shop.com")
    overrides_services.transfer(domain=domain, to=make_customer("Bob"), because="sold", actor=make_staff())


@pytest.mark.parametrize("has_begun", [False, True], ids=["waiting", "interrupted"])
def test_a_run_with_a_domain_that_changed_hands_since_its_plan_is_refused(operator: User, has_begun: bool) -> None:
    run = approve(operator)
    if has_begun:
        Run.objects.filter(pk=run.pk).update(started_at=timezone.now())
    transfer()
    runs_services.execute_run(run_id=run.pk)
    run.refresh_from_db()
    assert (run.state, rule_count(ADDRESS)) == (RunState.REFUSED, 0)
    assert "shop.com has another holder since this plan was made" in run.problem
    auto_apply_services.work()
    assert "alice/" not in str(live().rules)
    assert (rule_count(ADDRESS), rule_count("kept@other.com")) == (1, 1)


def test_a_plan_whose_domain_changes_hands_while_it_is_approved_is_not_stored(operator: User) -> None:
    def meanwhile(**_: Any) -> None:
        transfer()

    pre_save.connect(meanwhile, sender=Run)
    try:
        with pytest.raises(Refused) as refused:
            approve(operator)
    finally:
        pre_save.disconnect(meanwhile, sender=Run)
    assert (refused.value.code, Run.objects.filter(state=RunState.WAITING).exists()) == ("PLAN_CHANGED", False)


def test_a_copy_with_a_domain_that_changed_hands_while_it_was_made_is_not_activated(operator: User) -> None:
    run, before = approve(operator, Method.BLUE_GREEN), live().name

    def meanwhile(instance: Run, **_: Any) -> None:
        if instance.started_at is not None and Domain.objects.get(name="shop.com").customer.name == "Alice":
            transfer()

    post_save.connect(meanwhile, sender=Run)
    try:
        runs_services.execute_run(run_id=run.pk)
    finally:
        post_save.disconnect(meanwhile, sender=Run)
    run.refresh_from_db()
    assert (run.state, live().name) == (RunState.REFUSED, before)
    assert RunStep.objects.filter(run=run, state=StepState.DONE).exists()
