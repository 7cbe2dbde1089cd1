"""Pausing a customer: what stops, what continues, and stopping their receiving as well."""

from typing import Any

import pytest
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from accounts.models.people import Customer, User
from accounts.roles import Role
from domains.models.domains import Domain
from domains.receiving import services as receiving_services
from domains.receiving.core import RulesFact
from inbound_admin.lib import aws
from inbound_admin.lib.errors import Refused
from notifications.alerts.core import AlertState
from notifications.models.alerts import Alert
from operations.pause import services as operations_pause_services
from receipt_rules.addresses.services import set_catch_all
from receipt_rules.auto_apply import services as auto_apply_services
from receipt_rules.jobs import queue_customer_change
from receipt_rules.models.addresses import CatchAll
from receipt_rules.models.runs import ActiveRuleSet
from sandbox.process import Sandbox
from tenants.models.tenants import PauseReason, Tenant, TenantResource
from tenants.pause import services as tenants_pause_services
from tests.factories import make_customer, make_staff
from tests.operations.factories import make_ready, migrate
from tests.receipt_rules.factories import (
    approve_and_run,
    make_address,
    make_operator,
    rule_count,
    set_up_receiving,
)

pytestmark = pytest.mark.django_db
WORDS: dict[str, Any] = {
    "reason": PauseReason.SPAM,
    "text": "reports from three networks",
    "told": "Please look at your lists.",
}


@pytest.fixture
def tess() -> User:
    return make_staff(Role.TRUST_AND_SAFETY)


@pytest.fixture
def tenant(sandbox: Sandbox) -> Tenant:
    customer = make_customer("Northwind")
    domain = make_ready("northwind.example", customer)
    make_address("billing@northwind.example", domain)
    set_up_receiving()
    migrate(customer)
    return Tenant.objects.get(customer=customer)


def test_the_preview_says_what_stops_and_what_continues(tenant: Tenant) -> None:
    found = operations_pause_services.preview(tenant=tenant)
    assert [(each.name, each.can_send) for each in found.stops] == [("northwind.example", True)]
    assert found.through_tenant
    assert found.changes_anything
    assert any("keeps arriving" in sentence and "1 address" in sentence for sentence in found.goes_on)
    assert found.receiving is None


def test_the_preview_says_that_another_customers_catch_all_still_accepts_mail(tenant: Tenant) -> None:
    make_address("a@in.shop.com", make_ready("in.shop.com", tenant.customer))
    CatchAll.objects.create(domain=make_ready("shop.com", make_customer("Bob")), subdomains=True)
    now = timezone.now()
    ActiveRuleSet.objects.update_or_create(
        region=tenant.region, defaults={"read_at": now, "changed_at": now, "claims_mail": True}
    )
    approve_and_run(make_operator())
    first, *_ = operations_pause_services.preview(tenant=tenant, stops_receiving=True).goes_on
    assert first.startswith("SES still accepts mail for 1 recipient, because of another customer's subdomain catch-all")


def test_the_preview_names_other_tenants_that_share_the_configuration_set(tenant: Tenant) -> None:
    other = Tenant.objects.create(customer=Customer.objects.create(name="Bob"), region=tenant.region, name="bob")
    own = TenantResource.objects.get(tenant=tenant, kind="configuration-set")
    TenantResource.objects.create(tenant=other, kind=own.kind, arn=own.arn, name=own.name)
    (shared,) = operations_pause_services.preview(tenant=tenant).shared_sets
    assert (shared.name, shared.others) == (own.name, ("bob",))


def test_sending_and_receiving_are_stopped_and_resumed_together(tenant: Tenant, tess: User) -> None:
    found = operations_pause_services.preview(tenant=tenant, stops_receiving=True)
    assert [str(each.kind) for each in found.receiving.consequences] == ["loses"]  # type: ignore[union-attr]  # it was requested
    operations_pause_services.pause(
        tenant=tenant, actor=tess, stops_receiving=True, receiving_digest=found.receiving_digest, **WORDS
    )
    auto_apply_services.work()
    tenants_pause_services.apply_status(tenant_id=tenant.pk)
    tenant.refresh_from_db()
    assert (tenant.standing, tenant.stops_receiving) == ("paused", True)
    assert rule_count("billing@northwind.example") == 0
    operations_pause_services.resume(tenant=tenant, because="they mended it", actor=tess)
    auto_apply_services.work()
    tenants_pause_services.apply_status(tenant_id=tenant.pk)
    tenant.refresh_from_db()
    assert tenant.standing == "active"
    assert rule_count("billing@northwind.example") == 1


def test_the_preview_of_a_stop_counts_addresses_under_a_catch_all_too(tenant: Tenant) -> None:
    """The rules have only the catch-all, so the plan names no other recipient."""
    assert operations_pause_services.preview(tenant=tenant, stops_receiving=True).all_stop == ""
    domain = Domain.objects.get(name="northwind.example")
    set_catch_all(domain=domain, actor=make_operator())
    approve_and_run(make_operator())
    found = operations_pause_services.preview(tenant=tenant, stops_receiving=True)
    assert found.receiving is not None
    assert len(found.receiving.consequences) == 1
    assert found.all_stop.startswith("All 2 addresses and catch-alls of this customer stop receiving")


def test_owners_are_told_once_that_receiving_is_stopped(tenant: Tenant, tess: User) -> None:
    """By the pause. The domain's alert would say the same, and that something is broken."""
    domain = tenant.domains.get()
    Domain.objects.filter(pk=domain.pk).update(mx_facts={domain.name: "here"}, verified_at=timezone.now())
    for receiving in (True, False):
        if receiving:
            digest = operations_pause_services.preview(tenant=tenant, stops_receiving=True).receiving_digest
            operations_pause_services.pause(
                tenant=tenant, actor=tess, stops_receiving=True, receiving_digest=digest, **WORDS
            )
        else:
            operations_pause_services.resume(tenant=tenant, because="they mended it", actor=tess)
        auto_apply_services.work()
        tenants_pause_services.apply_status(tenant_id=tenant.pk)
        domain.refresh_from_db()
        assert ("halted" in domain.mail_rules.values()) is receiving
        assert domain.receiving_state == ("rejected" if receiving else "live")
        assert not Alert.objects.filter(kind="domain.rejects_mail").exists()
    assert ProcrastinateJob.objects.filter(task_name="tenants.tell", args__what="paused").count() == 1


def test_an_alert_of_rejected_mail_is_not_over_because_receiving_is_stopped(tenant: Tenant) -> None:
    domain = tenant.domains.get()
    Domain.objects.filter(pk=domain.pk).update(mx_facts={domain.name: "here"}, verified_at=timezone.now())
    for fact in (RulesFact.DROPPED, RulesFact.HALTED):
        receiving_services.record_rules(domain_id=domain.pk, rules={domain.name: fact})
        assert Alert.objects.get(kind="domain.rejects_mail").state == AlertState.OPEN
    receiving_services.record_rules(domain_id=domain.pk, rules={domain.name: RulesFact.CARRIED})
    assert Alert.objects.get(kind="domain.rejects_mail").state == AlertState.RECOVERED


def test_a_pause_is_refused_if_the_rules_changed_after_the_preview(tenant: Tenant, tess: User) -> None:
    shown = operations_pause_services.preview(tenant=tenant, stops_receiving=True).receiving_digest
    make_address("sales@northwind.example", tenant.domains.get())
    queue_customer_change(tenant.customer, None)
    auto_apply_services.work()
    with pytest.raises(Refused, match="changed after the preview"):
        operations_pause_services.pause(
            tenant=tenant, actor=tess, stops_receiving=True, receiving_digest=shown, **WORDS
        )
    tenant.refresh_from_db()
    assert not tenant.is_paused


def test_a_pause_alone_does_not_change_receiving(tenant: Tenant, tess: User) -> None:
    operations_pause_services.pause(tenant=tenant, actor=tess, **WORDS)
    auto_apply_services.work()
    assert rule_count("billing@northwind.example") == 1
    assert not auto_apply_services.is_stopped(tenant.customer)


def test_a_failed_plan_shows_its_reason_and_the_rest_of_the_preview(tenant: Tenant, sandbox: Sandbox) -> None:
    sandbox.control.add_fault("error", "DescribeActiveReceiptRuleSet", times=3)
    found = operations_pause_services.preview(tenant=tenant, stops_receiving=True)
    assert found.receiving is None
    assert "AWS" in found.receiving_problem
    assert found.stops
    assert aws.account_id()
