"""A domain changes hands to a customer whose receiving is stopped, while SES refuses to change the rules."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models.people import Customer, User
from accounts.roles import Role
from domains.models.domains import Domain
from domains.overrides import services as overrides_services
from notifications.alerts.core import AlertState
from notifications.models.alerts import Alert
from operations.pause import services as operations_pause_services
from receipt_rules.auto_apply import services as auto_apply_services
from receipt_rules.models.addresses import Address
from receipt_rules.models.runs import PendingChange, ReceivingStop
from receipt_rules.transfers import services as transfers_services
from sandbox.process import Sandbox
from tenants.models.tenants import Tenant
from tenants.pause import services as pause_services
from tests.factories import make_customer, make_staff
from tests.operations.factories import make_ready
from tests.receipt_rules.factories import make_address, make_endpoint, rule_count, set_up_receiving
from tests.tenants.factories import set_up_tenant

pytestmark = pytest.mark.django_db
NAME, ADDRESS = "shop.com", "orders@shop.com"


@pytest.fixture
def tess() -> User:
    return make_staff(Role.TRUST_AND_SAFETY)


@pytest.fixture
def alice(sandbox: Sandbox) -> Customer:
    """Alice has a tenant, and no domain yet."""
    return set_up_tenant(make_customer("Alice")).customer


@pytest.fixture
def bob(sandbox: Sandbox) -> Customer:
    return make_customer("Bob")


def receive_for(customer: Customer) -> None:
    """The customer's domain receives mail at an endpoint of theirs."""
    prefix = f"{customer.name.lower()}/"
    make_address(ADDRESS, make_ready(NAME, customer), endpoint=make_endpoint(customer, s3_prefix=prefix))
    set_up_receiving()
    auto_apply_services.work()


def stop(customer: Customer, tess: User) -> None:
    tenant = Tenant.objects.get(customer=customer)
    shown = operations_pause_services.preview(tenant=tenant, stops_receiving=True).receiving_digest
    words: dict[str, Any] = {"reason": "phishing", "text": "Phishing wave.", "told": ""}
    operations_pause_services.pause(tenant=tenant, stops_receiving=True, receiving_digest=shown, actor=tess, **words)
    pause_services.apply_status(tenant_id=tenant.pk)
    auto_apply_services.work()


def transfer(to: Customer) -> None:
    overrides_services.transfer(domain=Domain.objects.get(name=NAME), to=to, because="sold", actor=make_staff())


def refuse(sandbox: Sandbox) -> None:
    for call in ("UpdateReceiptRule", "DeleteReceiptRule", "CreateReceiptRule"):
        sandbox.control.add_fault("denied", call, times=None)


def work_later(sandbox: Sandbox) -> None:
    """SES allows changes again, and the next attempts are due."""
    sandbox.control.clear_faults()
    with time_machine.travel(timezone.now() + timedelta(minutes=10)):
        auto_apply_services.work()


def receiving_of(customer: Customer) -> str:
    return Tenant.objects.get(customer=customer).receiving


def open_alerts() -> dict[str, str]:
    return dict(Alert.objects.filter(state=AlertState.OPEN).values_list("kind", "why"))


def test_a_domain_that_arrives_reopens_the_stop_until_ses_has_it(
    sandbox: Sandbox, alice: Customer, bob: Customer, tess: User
) -> None:
    receive_for(bob)
    stop(alice, tess)
    assert receiving_of(alice) == "stopped"
    refuse(sandbox)
    transfer(alice)
    assert receiving_of(alice) == "stopping"
    auto_apply_services.work()
    assert (receiving_of(alice), ReceivingStop.objects.get().settled_at) == ("stopping", None)
    client = Client()
    client.force_login(tess)
    page = client.get(reverse("tenants:detail", args=[Tenant.objects.get(customer=alice).pk])).text
    assert "Inbound mail isn’t stopped yet" in page
    assert "Stopped too" not in page
    assert "AWS denied access" in open_alerts()["tenant.receiving"]
    assert "still goes to the destination of Bob" in open_alerts()["route.outlived"]
    work_later(sandbox)
    assert (receiving_of(alice), rule_count(ADDRESS)) == ("stopped", 0)
    assert open_alerts().keys().isdisjoint({"tenant.receiving", "route.outlived"})


def test_a_domain_that_comes_back_is_not_said_to_deliver_to_its_previous_customer(
    sandbox: Sandbox, alice: Customer, bob: Customer, tess: User
) -> None:
    receive_for(alice)
    refuse(sandbox)
    transfer(bob)
    auto_apply_services.work()
    assert "still goes to the destination of Alice" in open_alerts()["route.outlived"]
    stop(alice, tess)
    assert receiving_of(alice) == "stopped"
    transfer(alice)
    auto_apply_services.work()
    assert "route.outlived" not in open_alerts()
    assert Domain.objects.get(name=NAME).routes_problem == ""
    assert (receiving_of(alice), rule_count(ADDRESS)) == ("stopping", 1)
    assert "AWS denied access" in open_alerts()["tenant.receiving"]
    work_later(sandbox)
    assert (receiving_of(alice), rule_count(ADDRESS)) == ("stopped", 0)
    assert "tenant.receiving" not in open_alerts()


def test_the_holder_of_a_domain_that_came_back_is_not_named_as_the_former_one(
    sandbox: Sandbox, alice: Customer, bob: Customer
) -> None:
    receive_for(alice)
    refuse(sandbox)
    transfer(bob)
    Address.objects.update(is_active=False)
    transfer(alice)
    auto_apply_services.work()
    assert "still goes to a former destination" in open_alerts()["route.outlived"]
    assert "Alice" not in open_alerts()["route.outlived"]


def test_a_stop_that_was_settled_without_the_domain_is_reopened_while_its_rules_stay(
    sandbox: Sandbox, alice: Customer, bob: Customer, tess: User
) -> None:
    """The stop was stored while the transaction of the transfer was open, so neither saw the other."""
    receive_for(bob)
    refuse(sandbox)
    transfer(alice)
    ReceivingStop.objects.create(customer=alice, asked_at=timezone.now(), by=tess, settled_at=timezone.now())
    Tenant.objects.filter(customer=alice).update(stops_receiving=True, is_paused=True)
    PendingChange.objects.all().delete()
    transfers_services.reconcile_transfers()
    assert (receiving_of(alice), ReceivingStop.objects.get().settled_at) == ("stopping", None)
    work_later(sandbox)
    assert (receiving_of(alice), rule_count(ADDRESS)) == ("stopped", 0)


def test_an_arrival_does_not_hide_why_ses_refuses_a_stop_that_is_not_settled(
    sandbox: Sandbox, alice: Customer, bob: Customer, tess: User
) -> None:
    receive_for(bob)
    make_address("a@own.com", make_ready("own.com", alice))
    set_up_receiving()
    refuse(sandbox)
    stop(alice, tess)
    assert "AWS denied access" in open_alerts()["tenant.receiving"]
    transfer(alice)
    assert "AWS denied access" in open_alerts()["tenant.receiving"]
    work_later(sandbox)
    assert (receiving_of(alice), rule_count(ADDRESS), rule_count("a@own.com")) == ("stopped", 0, 0)
