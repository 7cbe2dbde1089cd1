"""A plan that waits for a second approval is applied only if it is still what the rows ask for."""

import pytest
from pytest_django import Settings

from accounts.models.people import User
from receipt_rules.addresses import services as addresses_services
from receipt_rules.auto_apply import services as auto_apply_services
from receipt_rules.models.addresses import Address
from receipt_rules.models.runs import PendingChange, Run, RunState
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
