"""Findings are read from the sandbox's SES, stored, combined with the rates into a risk, and alerted."""

import pytest
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob
from pytest_django import Settings

from audit.models import ActorKind, Change
from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsUnreachable
from notifications.models.alerts import Alert
from sandbox.aws.faults import ProcessCut
from sandbox.process import Sandbox
from tenants.metrics import services as metrics_services
from tenants.models.reputation import Finding, ReputationRead
from tenants.models.tenants import Tenant
from tenants.reputation import selectors as reputation_selectors
from tenants.reputation import services as reputation_services
from tenants.status import services as status_services
from tests.tenants.factories import make_tenant, make_tenant_with_rates, set_up_tenant

pytestmark = pytest.mark.django_db


def _sync_findings(tenant: Tenant) -> Tenant:
    reputation_services.sync_all_recommendations(now=timezone.now())
    tenant.refresh_from_db()
    return tenant


# --- findings


def test_an_open_finding_is_stored_counted_and_logged(sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    sandbox.control.set_finding(tenant.name, "BOUNCE", "HIGH", description="The rate is 20%.")
    sandbox.control.set_finding(tenant.name, "NEWLY_INVENTED", "SEVERE")
    _sync_findings(tenant)
    assert (tenant.open_high, tenant.open_low) == (1, 1)
    assert {row.kind for row in reputation_selectors.open_findings(tenant)} == {"BOUNCE", "NEWLY_INVENTED"}
    change = Change.objects.get(what="tenant.finding", after__finding="BOUNCE")
    assert (change.actor_kind, change.for_staff, change.because) == (ActorKind.AMAZON, True, "The rate is 20%.")


def test_unchanged_findings_of_all_tenants_cost_one_call(sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    set_up_tenant()
    sandbox.control.set_finding(tenant.name, "DKIM", "LOW")
    _sync_findings(tenant)
    sandbox.control.clear_calls()
    assert reputation_services.sync_all_recommendations(now=timezone.now()) == 0
    assert sandbox.control.call_counts() == {"ListRecommendations": 1}
    assert Change.objects.filter(what="tenant.finding").count() == 1
    assert ReputationRead.objects.exclude(findings_at=None).count() == 2


def test_a_missing_finding_is_resolved_only_after_reading_its_tenants_list(
    sandbox: Sandbox,
) -> None:
    tenant = set_up_tenant()
    sandbox.control.set_finding(tenant.name, "BOUNCE", "HIGH")
    _sync_findings(tenant)
    sandbox.control.set_finding(tenant.name, "BOUNCE", "HIGH", status="FIXED")
    sandbox.control.clear_calls()
    _sync_findings(tenant)
    assert sandbox.control.call_counts() == {"ListRecommendations": 2}
    row = Finding.objects.get()
    assert row.over_at is not None
    assert row.status == "FIXED"
    assert (tenant.open_high, tenant.open_low) == (0, 0)
    assert list(reputation_selectors.past_findings(tenant)) == [row]
    assert Change.objects.filter(what="tenant.finding_over").count() == 1


def test_a_returning_finding_is_open_again(sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    for status in ("OPEN", "FIXED", "OPEN"):
        sandbox.control.set_finding(tenant.name, "COMPLAINT", "HIGH", status=status)
        _sync_findings(tenant)
    assert tenant.open_high == 1
    assert Change.objects.filter(what="tenant.finding").count() == 2


def test_a_higher_impact_is_logged_with_both_values(sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    for impact in ("LOW", "HIGH"):
        sandbox.control.set_finding(tenant.name, "BOUNCE", impact)
        _sync_findings(tenant)
    assert (tenant.open_high, tenant.open_low) == (1, 0)
    change = Change.objects.get(what="tenant.finding_raised")
    assert (change.before, change.after) == ({"impact": "LOW"}, {"impact": "HIGH"})


def test_a_lower_impact_is_logged_as_lowered(sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    for impact in ("HIGH", "LOW"):
        sandbox.control.set_finding(tenant.name, "BOUNCE", impact)
        _sync_findings(tenant)
    assert Change.objects.get(what="tenant.finding_lowered").words == "SES lowered a reputation finding"


def test_an_impact_without_a_listed_finding_triggers_a_read_of_the_tenant(sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    Tenant.objects.filter(pk=tenant.pk).update(impact="HIGH")
    sandbox.control.clear_calls()
    assert reputation_services.sync_all_recommendations(now=timezone.now()) == 1
    assert sandbox.control.call_counts() == {"ListRecommendations": 2}


def test_a_failed_read_keeps_findings_open(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    tenant = set_up_tenant()
    sandbox.control.set_finding(tenant.name, "BOUNCE", "HIGH")
    _sync_findings(tenant)
    monkeypatch.setattr(aws, "ATTEMPTS", 1)
    aws.drop_clients()
    sandbox.control.add_fault("error", "ListRecommendations", times=2)
    with pytest.raises(AwsUnreachable):
        reputation_services.sync_all_recommendations(now=timezone.now())
    assert ReputationRead.objects.get(tenant=tenant).findings_problem
    with pytest.raises(AwsUnreachable):
        reputation_services.sync_recommendations(tenant_id=tenant.pk, now=timezone.now())
    aws.drop_clients()
    assert Finding.objects.filter(over_at=None).count() == 1


def test_findings_on_several_pages_are_all_read(sandbox: Sandbox) -> None:
    tenant, other = set_up_tenant(), set_up_tenant()
    for number in range(101):
        sandbox.control.set_finding(tenant.name, f"KIND_{number:03}", "LOW")
    sandbox.control.set_finding(other.name, "BOUNCE", "HIGH")
    _sync_findings(tenant)
    other.refresh_from_db()
    assert (tenant.open_low, other.open_high) == (101, 1)


@pytest.mark.parametrize(
    ("call", "nth"), [(call, nth) for call in ("ListRecommendations", "GetMetricData") for nth in (1, 2)]
)
def test_the_next_run_completes_what_a_crashed_worker_left(call: str, nth: int, sandbox: Sandbox) -> None:
    fixed, opened = set_up_tenant(), set_up_tenant()
    sandbox.control.set_finding(fixed.name, "BOUNCE", "HIGH")
    _sync_findings(fixed)
    sandbox.control.set_finding(fixed.name, "BOUNCE", "HIGH", status="FIXED")
    sandbox.control.set_rates(opened.name, complaint=0.2)
    sandbox.control.add_fault("exit_after", call, nth=nth)
    with pytest.raises(ProcessCut):
        _sync_findings_and_rates()
    _sync_findings_and_rates()
    fixed.refresh_from_db()
    opened.refresh_from_db()
    assert (fixed.open_high, opened.open_high) == (0, 1)
    assert opened.complaint_rate == pytest.approx(0.2)
    assert Change.objects.filter(what="tenant.finding").count() == 2
    assert Change.objects.filter(what="tenant.finding_over").count() == 1


def _sync_findings_and_rates() -> None:
    reputation_services.sync_all_recommendations(now=timezone.now())
    metrics_services.sync_due_metrics(now=timezone.now())


# --- risk and alerts


def test_the_risk_follows_the_rates_and_sorts_the_list(sandbox: Sandbox) -> None:
    healthy = make_tenant_with_rates(sandbox, bounce=0.01)
    bad = make_tenant_with_rates(sandbox, bounce=0.2)
    _sync_findings(bad)
    healthy.refresh_from_db()
    assert bad.risk > healthy.risk > 0
    assert list(reputation_selectors.existing_in_ses().order_by("-risk")) == [bad, healthy]


def _open_alerts(kind: str) -> int:
    return Alert.objects.filter(kind=kind, state="open").count()


def test_a_high_impact_finding_opens_one_alert_that_recovers(sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    sandbox.control.set_finding(tenant.name, "IP_LISTING", "HIGH")
    _sync_findings(tenant)
    _sync_findings(tenant)
    assert _open_alerts("tenant.high_finding") == 1
    assert tenant.name in Alert.objects.get(kind="tenant.high_finding").why
    sandbox.control.set_finding(tenant.name, "IP_LISTING", "HIGH", status="FIXED")
    _sync_findings(tenant)
    assert _open_alerts("tenant.high_finding") == 0


def test_a_rate_above_its_limit_opens_an_alert_at_the_second_check(sandbox: Sandbox) -> None:
    tenant = make_tenant_with_rates(sandbox, bounce=0.12)
    assert _open_alerts("tenant.bounces") == 0
    metrics_services.sync_metrics(tenant_id=tenant.pk, now=timezone.now())
    assert _open_alerts("tenant.bounces") == 1
    assert _open_alerts("tenant.complaints") == 0
    assert Alert.objects.get(kind="tenant.bounces").severity == "medium"


def test_the_accounts_rate_opens_an_alert_at_the_limit_recommended_by_ses(sandbox: Sandbox, settings: Settings) -> None:
    set_up_tenant()
    sandbox.control.set_account_rates(settings.AWS_REGION, complaint=0.006)
    for _ in range(2):
        metrics_services.sync_account_metrics(now=timezone.now())
    alert = Alert.objects.get(kind="account.rates")
    assert (alert.state, alert.severity) == ("open", "high")


def test_a_suspension_opens_an_alert_that_an_unread_status_does_not_end() -> None:
    tenant = make_tenant(amazon_status="DISABLED", amazon_cause="Too many complaints.")
    reputation_services.score_risk(tenant, now=timezone.now())
    assert _open_alerts("tenant.suspended") == 1
    assert tenant.risk >= 1000
    tenant.amazon_status = ""
    reputation_services.score_risk(tenant, now=timezone.now())
    assert _open_alerts("tenant.suspended") == 1
    tenant.amazon_status = "ENABLED"
    reputation_services.score_risk(tenant, now=timezone.now())
    assert _open_alerts("tenant.suspended") == 0


def test_reading_the_status_updates_the_risk_and_a_new_impact_queues_a_read_of_findings(sandbox: Sandbox) -> None:
    tenant = set_up_tenant()
    ProcrastinateJob.objects.all().delete()
    sandbox.control.set_finding(tenant.name, "BOUNCE", "HIGH")
    sandbox.control.suspend_tenant(tenant.name)
    status_services.read_tenant(tenant_id=tenant.pk)
    tenant.refresh_from_db()
    assert tenant.risk >= 1000
    assert _open_alerts("tenant.suspended") == 1
    assert ProcrastinateJob.objects.filter(task_name="tenants.find_out").count() == 1
    ProcrastinateJob.objects.all().delete()
    status_services.read_tenant(tenant_id=tenant.pk)
    assert not ProcrastinateJob.objects.filter(task_name="tenants.find_out").exists()
