"""A customer's change that SES refused stays an open alert until that change is applied or withdrawn."""

import pytest
from pytest_django import Settings

from accounts.models.people import Customer
from inbound_admin.lib.errors import AwsProblem
from notifications.alerts.core import AlertState
from notifications.models.alerts import Alert
from receipt_rules.addresses import services as addresses_services
from receipt_rules.auto_apply import services as auto_apply_services
from receipt_rules.live.selectors import applied_when
from receipt_rules.models.addresses import Address
from receipt_rules.models.runs import PendingChange, Run, RunState
from sandbox.process import Sandbox
from tests.factories import make_customer
from tests.receipt_rules.factories import (
    approve_and_run,
    make_address,
    make_endpoint,
    make_operator,
    make_verified,
    rule_count,
    set_up_receiving,
)

pytestmark = pytest.mark.django_db


def add(address: str, customer: Customer) -> None:
    make_verified(address.partition("@")[2], customer=customer)
    addresses_services.add_address(text=address, customer=customer, actor=None)


def open_alerts() -> list[str]:
    found = Alert.objects.filter(kind="run.failed", state=AlertState.OPEN)
    return list(found.values_list("object_name", flat=True))


@pytest.fixture
def failed(sandbox: Sandbox, alices: Customer, settings: Settings) -> PendingChange:
    """Alice's address, which SES refused four times because our bucket was gone. The bucket is back."""
    set_up_receiving()
    add("a@shop.com", alices)
    bucket, settings.RECEIVING_BUCKET = settings.RECEIVING_BUCKET, "not-there"
    for number in range(4):
        if number < 3:
            with pytest.raises(AwsProblem, match="InvalidS3Configuration"):
                auto_apply_services.work()
            assert "SES isn't answering" not in applied_when(alices)
        else:
            auto_apply_services.work()
    settings.RECEIVING_BUCKET = bucket
    return PendingChange.objects.get()


def test_another_customers_run_resolves_no_alert_of_a_failed_change(failed: PendingChange) -> None:
    assert (Run.objects.latest("created_at").state, open_alerts()) == (RunState.FAILED, ["Change of Alice Ltd"])
    assert failed.waits_because == auto_apply_services.FAILED
    assert "stopped" not in failed.waits_because
    add("b@bob.com", make_customer("Bob Ltd"))
    auto_apply_services.work()
    assert (rule_count("b@bob.com"), rule_count("a@shop.com")) == (1, 0)
    assert open_alerts() == ["Change of Alice Ltd"]


def test_an_operators_plan_that_applies_the_change_resolves_it(failed: PendingChange) -> None:
    approve_and_run(make_operator())
    auto_apply_services.work()
    assert (rule_count("a@shop.com"), open_alerts(), PendingChange.objects.exists()) == (1, [], False)


def test_a_withdrawn_change_resolves_it(failed: PendingChange) -> None:
    addresses_services.remove_address(address=Address.objects.get(), actor=None)
    auto_apply_services.work()
    assert (open_alerts(), PendingChange.objects.exists()) == ([], False)


def test_the_next_customers_change_keeps_what_a_failed_one_had_already_applied(
    sandbox: Sandbox, alices: Customer, settings: Settings
) -> None:
    settings.RECEIVING_WAIT_SECONDS = 0
    own = make_endpoint(alices, s3_prefix="own/")
    shop, bobs = make_verified("shop.com", customer=alices), make_verified("bob.com", customer=make_customer("Bob Ltd"))
    make_address("a@shop.com", shop)
    make_address("b@shop.com", shop, endpoint=own)
    set_up_receiving()
    for text, endpoint in (("c@shop.com", None), ("d@shop.com", own)):
        addresses_services.add_address(text=text, customer=alices, actor=None, endpoint=endpoint)
    addresses_services.add_address(text="x@bob.com", customer=bobs.customer, actor=None)
    sandbox.control.add_fault("denied", "UpdateReceiptRule", nth=2, times=1)
    auto_apply_services.work()
    assert Run.objects.get(customer=alices).state == RunState.FAILED
    served = {each: rule_count(each) for each in ("a@shop.com", "b@shop.com", "c@shop.com", "d@shop.com", "x@bob.com")}
    assert served == {"a@shop.com": 1, "b@shop.com": 1, "c@shop.com": 1, "d@shop.com": 0, "x@bob.com": 1}
