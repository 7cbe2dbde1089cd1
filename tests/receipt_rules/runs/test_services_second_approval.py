"""A plan that waits for a second approval is applied only if it is still what the rows ask for."""

import pytest
from pytest_django import Settings

from accounts.models.people import User
from domains.models.domains import Domain
from receipt_rules.addresses import services as addresses_services
from receipt_rules.auto_apply import services as auto_apply_services
from receipt_rules.models.addresses import Address, CatchAll
from receipt_rules.models.runs import PendingChange, Run, RunState
from receipt_rules.planner import services as planner_services
from receipt_rules.runs import services as runs_services
from sandbox.process import Sandbox
from tests.receipt_rules.factories import (
    approve_and_run,
    make_address,
    make_operator,
    make_verified,
    rule_count,
    set_up_receiving,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def proposed(sandbox: Sandbox, settings: Settings) -> Run:
    """A plan that ends a@shop.com, approved by one operator."""
    settings.RECEIVING_SECOND_PERSON, settings.RECEIVING_WAIT_SECONDS = True, 0
    shop = make_verified("shop.com")
    for name in "ab":
        make_address(f"{name}@shop.com", shop)
    operator = set_up_receiving()
    Address.objects.filter(address="a@shop.com").update(is_active=False)
    run = approve_and_run(operator, typed="inbound-mail")
    assert run.state == RunState.PROPOSED
    return run


@pytest.fixture
def second() -> User:
    return make_operator()


def test_an_address_that_was_turned_on_since_the_first_approval_goes_on_receiving(proposed: Run, second: User) -> None:
    address = Address.objects.get(address="a@shop.com")
    addresses_services.change_address(address=address, actor=None, is_active=True, endpoint=None)
    auto_apply_services.work()
    assert not PendingChange.objects.exists()
    runs_services.confirm(run=proposed, actor=second)
    auto_apply_services.work()
    proposed.refresh_from_db()
    assert (proposed.state, rule_count("a@shop.com")) == (RunState.REFUSED, 1)
    assert "would be different now" in proposed.problem


def test_what_others_asked_for_since_the_first_approval_waits_for_another_plan(proposed: Run, second: User) -> None:
    make_address("x@other.com", make_verified("other.com"))
    CatchAll.objects.create(domain=Domain.objects.get(name="shop.com"), subdomains=True)
    runs_services.confirm(run=proposed, actor=second)
    auto_apply_services.work()
    proposed.refresh_from_db()
    assert (proposed.state, rule_count("a@shop.com"), rule_count("b@shop.com")) == (RunState.DONE, 0, 1)
    assert rule_count("x@other.com") == rule_count("x@sub.shop.com") == 0, "nobody has approved it"
    left = {each.address for each in planner_services.plan_changes().consequences}
    assert "x@other.com" in left
    assert "a@shop.com" not in left


def test_an_address_goes_on_receiving_if_its_catch_all_was_turned_off_since(
    sandbox: Sandbox, settings: Settings, second: User
) -> None:
    """The approved plan removes addresses that the catch-all serves; of the row of the catch-all, it says nothing."""
    settings.RECEIVING_SECOND_PERSON = True
    shop = make_verified("shop.com")
    for name in "ab":
        make_address(f"{name}@shop.com", shop)
    make_address("c@kept.com", make_verified("kept.com"))
    operator = set_up_receiving()
    catch_all = CatchAll.objects.create(domain=shop)
    Address.objects.filter(address="c@kept.com").update(is_active=False)
    run = approve_and_run(operator, typed="inbound-mail")
    assert run.state == RunState.PROPOSED
    CatchAll.objects.filter(pk=catch_all.pk).update(is_active=False)
    runs_services.confirm(run=run, actor=second)
    auto_apply_services.work()
    run.refresh_from_db()
    assert run.state == RunState.REFUSED
    assert [rule_count(f"{name}@shop.com") for name in "ab"] == [1, 1]
