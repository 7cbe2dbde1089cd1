"""The status of tenants is read from SES and stored by layer, and each change is notified once."""

from datetime import timedelta

import pytest
from django.utils import timezone

from audit.models import Change
from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsMissing, AwsProblem
from notifications.models.alerts import Alert
from notifications.models.webhooks import Event
from sandbox.aws.state import WORLD, regions
from sandbox.aws.state import Tenant as AtAmazon
from sandbox.process import Sandbox
from tenants.customer_notices.core import PAUSED_IN_SES
from tenants.lifecycle import gateway as lifecycle_gateway
from tenants.lifecycle.core import ANOTHER, GONE
from tenants.lifecycle.selectors import banner_for, layers_of
from tenants.models.tenants import SesAccount, StatusChange, Tenant
from tenants.status import services as status_services
from tenants.status.core import LayerName, TenantStatus, shown
from tenants.status_pass import services as status_pass_services
from tests.tenants.factories import jobs_of, pause_tenant, set_up_tenant

pytestmark = pytest.mark.django_db


def read(tenant: Tenant) -> Tenant:
    status_services.read_tenant(tenant_id=tenant.pk)
    return Tenant.objects.get(pk=tenant.pk)


def tenant_in_sandbox(tenant: Tenant) -> AtAmazon:
    return next(state.tenants[tenant.name] for _, state in regions() if tenant.name in state.tenants)


def test_a_suspension_changes_one_layer_and_is_logged_as_made_by_aws(sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    sandbox.control.suspend_tenant(tenant.name, "Phishing was seen.")
    tenant = read(tenant)
    assert (tenant.standing, tenant.amazon_status, tenant.amazon_cause) == (
        TenantStatus.SUSPENDED,
        "DISABLED",
        "Phishing was seen.",
    )
    layer = StatusChange.objects.get(tenant=tenant)
    assert (layer.layer, layer.old, layer.new, layer.cause) == (
        LayerName.AMAZON,
        "ENABLED",
        "DISABLED",
        "Phishing was seen.",
    )
    change = Change.objects.get(what="tenant.standing")
    assert (change.actor_kind, change.actor_name, change.because) == ("amazon", "AWS", "Phishing was seen.")
    assert change.after == {"standing": "suspended", "amazon": "DISABLED"}
    assert len(change.aws_request_ids) == 1


@pytest.mark.parametrize(("status", "words"), [("DISABLED", "Paused in SES"), ("REINSTATED", "Enabled in SES")])
def test_a_pause_or_its_end_by_hand_in_ses_is_one_fact_everywhere_and_not_an_act_of_aws(
    sandbox: Sandbox, status: str, words: str
) -> None:
    tenant = set_up_tenant()
    if status != "DISABLED":
        sandbox.control.set_finding(tenant.name, "BOUNCE", "HIGH")
        tenant = read(tenant)
    aws.client("sesv2").update_reputation_entity_customer_managed_status(
        ReputationEntityType="RESOURCE", ReputationEntityReference=tenant.arn, SendingStatus=status
    )
    tenant = read(tenant)
    change = Change.objects.filter(what="tenant.standing").latest("pk")
    assert change.actor_kind == "worker"
    assert change.because.startswith(f"{words}, outside this system.")
    event = Event.objects.filter(event__startswith="tenant.").latest("at")
    wanted = "tenant.paused" if status == "DISABLED" else "tenant.resumed"
    assert (event.event, event.data["by"]) == (wanted, "outside")
    if status == "DISABLED":
        assert Alert.objects.get(kind="tenant.paused").why.startswith(f"{tenant.name} was paused in SES, outside this")
        banner = banner_for(tenant)
        assert banner is not None
        assert banner.told == PAUSED_IN_SES
        layer = shown(layers_of(tenant)[2])
        assert layer.sentence == "Paused in SES, outside this system."


def test_reading_the_same_status_again_is_no_change(sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    sandbox.control.suspend_tenant(tenant.name)
    read(tenant)
    since = read(tenant).standing_since
    assert read(tenant).standing_since == since
    assert StatusChange.objects.count() == 1
    assert Change.objects.filter(what="tenant.standing").count() == 1
    assert jobs_of(tenant).count("tenants.tell") == 1


def test_a_tenant_is_active_again_after_the_suspension_ends(sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    sandbox.control.suspend_tenant(tenant.name)
    read(tenant)
    sandbox.control.release_tenant(tenant.name)
    assert read(tenant).standing == TenantStatus.ACTIVE
    assert [change.new for change in StatusChange.objects.order_by("pk")] == ["DISABLED", "ENABLED"]


def test_an_unknown_status_is_stored_unchanged(sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    with WORLD.lock:
        tenant_in_sandbox(tenant).amazon.set("WATCHED", WORLD.clock.now(), "Under review.")
    tenant = read(tenant)
    assert (tenant.amazon_status, tenant.standing) == ("WATCHED", TenantStatus.ACTIVE)
    layer = layers_of(tenant)[1]
    assert (layer.status, layer.allows) == ("WATCHED", None)


def test_a_failed_read_stores_only_its_reason(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws, "ATTEMPTS", 1)
    tenant = set_up_tenant()
    before = tenant.read_at
    sandbox.control.add_fault("cut_before", "GetReputationEntity")
    with pytest.raises(AwsProblem):
        status_services.read_tenant(tenant_id=tenant.pk)
    tenant.refresh_from_db()
    assert (tenant.standing, tenant.read_at) == (TenantStatus.ACTIVE, before)
    assert "isn't responding" in tenant.read_problem
    assert read(tenant).read_problem == ""


def test_a_tenant_missing_in_ses_has_an_unknown_status(sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    aws.client("sesv2").delete_tenant(TenantName=tenant.name)
    tenant = read(tenant)
    assert (tenant.standing, tenant.read_problem) == (TenantStatus.UNKNOWN, GONE)


def test_another_tenant_with_the_same_name_is_not_ours(sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    aws.client("sesv2").delete_tenant(TenantName=tenant.name)
    aws.client("sesv2").create_tenant(TenantName=tenant.name)
    tenant = read(tenant)
    assert (tenant.standing, tenant.read_problem) == (TenantStatus.UNKNOWN, ANOTHER)


def test_a_deleted_configuration_set_is_a_layer_that_stops_sending(sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    aws.client("sesv2").delete_tenant_resource_association(
        TenantName=tenant.name, ResourceArn=f"{tenant.arn.partition(':tenant/')[0]}:configuration-set/{tenant.name}"
    )
    aws.client("sesv2").delete_configuration_set(ConfigurationSetName=tenant.configuration_set)
    tenant = read(tenant)
    assert tenant.set_sends is False
    assert layers_of(tenant)[3].allows is False
    assert StatusChange.objects.get(tenant=tenant).layer == LayerName.CONFIGURATION_SET


def test_an_answer_older_than_the_last_read_is_ignored(sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    asked_at, old = timezone.now(), lifecycle_gateway.get_entity(tenant.arn)
    sandbox.control.suspend_tenant(tenant.name)
    read(tenant)
    status_services.store(tenant, old, asked_at=asked_at)
    assert Tenant.objects.get(pk=tenant.pk).standing == TenantStatus.SUSPENDED


def test_a_read_time_in_the_future_does_not_block_newer_answers(sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    Tenant.objects.filter(pk=tenant.pk).update(read_at=timezone.now() + timedelta(hours=1))
    sandbox.control.suspend_tenant(tenant.name)
    assert read(tenant).standing == TenantStatus.SUSPENDED


def test_an_answer_from_before_a_pause_does_not_lift_it(sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    asked_at, old = timezone.now(), lifecycle_gateway.get_entity(tenant.arn)
    pause_tenant(tenant)
    status_services.store(tenant, old, asked_at=asked_at)
    assert Tenant.objects.get(pk=tenant.pk).standing == TenantStatus.PAUSED
    assert not Change.objects.filter(what="tenant.standing").exists()


def test_webhooks_are_notified_once_of_each_change(sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    sandbox.control.suspend_tenant(tenant.name)
    read(tenant)
    read(tenant)
    sandbox.control.release_tenant(tenant.name)
    read(tenant)
    pause_tenant(tenant)
    events = Event.objects.filter(object_id=tenant.pk, event__startswith="tenant.")
    sent = events.order_by("at")
    assert list(sent.values_list("event", "data__by")) == [
        ("tenant.suspended", "amazon"),
        ("tenant.resumed", "amazon"),
        ("tenant.paused", "staff"),
    ]


def test_staff_are_alerted_to_a_pause_that_they_did_not_make(sandbox: Sandbox) -> None:
    tenant, other = set_up_tenant(), set_up_tenant()
    sandbox.control.set_finding(tenant.name, "BOUNCE", "HIGH")
    read(tenant)
    pause_tenant(other)
    assert Alert.objects.get(kind="tenant.paused").object_id == tenant.pk


def test_the_account_is_a_layer_and_a_failed_read_keeps_its_last_status(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aws, "ATTEMPTS", 1)
    tenant = set_up_tenant()
    assert layers_of(tenant)[0].allows is None
    sandbox.control.set_account(tenant.region, enforcement="SHUTDOWN", sending_enabled=False)
    status_pass_services.read_account()
    assert layers_of(tenant)[0].allows is False
    since = SesAccount.objects.get().since
    sandbox.control.add_fault("error", "GetAccount")
    account = status_pass_services.read_account()
    assert (account.enforcement, account.since) == ("SHUTDOWN", since)
    assert "AWS had an internal error" in account.problem


def test_an_older_read_that_found_no_tenant_does_not_replace_a_newer_status(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant = set_up_tenant()
    newer = timezone.now() + timedelta(seconds=30)

    def missing(arn: str) -> None:
        Tenant.objects.filter(pk=tenant.pk).update(read_at=newer)
        raise AwsMissing("no such tenant")

    monkeypatch.setattr(lifecycle_gateway, "get_entity", missing)
    monkeypatch.setattr(lifecycle_gateway, "get_tenant", missing)
    assert status_services.entity_of(tenant) is None
    tenant.refresh_from_db()
    assert (tenant.standing, tenant.read_problem, tenant.read_at) == (TenantStatus.ACTIVE, "", newer)


def test_an_older_read_of_the_account_does_not_replace_a_newer_one(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    status_pass_services.read_account()
    right, newer = lifecycle_gateway.get_account, timezone.now() + timedelta(seconds=30)

    def slow() -> object:
        found = right()
        SesAccount.objects.update(enforcement="SHUTDOWN", sends=False, read_at=newer, pass_place="page 2")
        return found

    monkeypatch.setattr(lifecycle_gateway, "get_account", slow)
    account = status_pass_services.read_account()
    assert (account.enforcement, account.sends, account.read_at, account.pass_place) == (
        "SHUTDOWN",
        False,
        newer,
        "page 2",
    )
