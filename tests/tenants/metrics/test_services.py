"""Rates are read from the sandbox's CloudWatch, in whatever form it has them, and stored by the hour."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.stub import Stubber
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsBusy, AwsDenied, AwsProblem, AwsUnreachable
from notifications.models.alerts import Alert
from sandbox.process import Sandbox
from tenants.metrics import services as metrics_services
from tenants.metrics.core import Hour
from tenants.models.reputation import RateSample, ReputationRead
from tenants.models.tenants import Tenant
from tenants.reputation import selectors as reputation_selectors
from tenants.reputation import services as reputation_services
from tests.tenants.factories import make_tenant, make_tenant_with_rates, set_up_tenant

pytestmark = pytest.mark.django_db


def _one_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws, "ATTEMPTS", 1)


def test_hourly_rates_are_stored_and_the_newest_shown_on_the_tenant(sandbox: Sandbox) -> None:
    sandbox.control.set_beliefs(tenant_metrics="name")
    tenant = make_tenant_with_rates(sandbox, bounce=0.12, complaint=0.002)
    assert tenant.bounce_rate == pytest.approx(0.12)
    assert tenant.complaint_rate == pytest.approx(0.002)
    samples = RateSample.objects.filter(tenant=tenant).order_by("at")
    assert samples.count() in (24, 25)
    assert [sample.bounce for sample in samples] == sorted(sample.bounce or 0 for sample in samples)
    assert all(sample.sent for sample in samples)
    assert all(sample.at.minute == 0 for sample in samples)


def test_no_data_is_not_zero(sandbox: Sandbox) -> None:
    tenant = make_tenant_with_rates(sandbox)
    assert (tenant.bounce_rate, tenant.complaint_rate) == (None, None)
    assert not RateSample.objects.exists()
    read = reputation_selectors.read_of(tenant)
    assert read is not None
    assert read.rates_at is not None


def test_a_rate_older_than_two_days_is_not_current(sandbox: Sandbox) -> None:
    tenant = make_tenant_with_rates(sandbox, bounce=0.12)
    metrics_services.sync_metrics(tenant_id=tenant.pk, now=timezone.now() + timedelta(days=3))
    tenant.refresh_from_db()
    assert tenant.bounce_rate is None
    assert RateSample.objects.filter(tenant=tenant).exists()


def test_reading_the_same_hours_again_keeps_one_sample_for_each(sandbox: Sandbox) -> None:
    tenant = make_tenant_with_rates(sandbox, bounce=0.12)
    before = RateSample.objects.count()
    metrics_services.sync_metrics(tenant_id=tenant.pk, now=timezone.now())
    assert RateSample.objects.count() == before


def test_a_missing_measure_keeps_the_value_of_an_earlier_read(sandbox: Sandbox) -> None:
    tenant = make_tenant()
    hour = timezone.now().replace(minute=0, second=0, microsecond=0)
    RateSample.objects.create(tenant=tenant, region=tenant.region, at=hour, complaint=0.007)
    metrics_services._store([(tenant, Hour(hour, bounce=0.1))])
    sample = RateSample.objects.get()
    assert (sample.bounce, sample.complaint) == (0.1, 0.007)


def test_the_accounts_rates_are_separate_from_a_tenants(sandbox: Sandbox, settings: Settings) -> None:
    tenant = set_up_tenant()
    sandbox.control.set_rates(tenant.name, bounce=0.4)
    sandbox.control.set_account_rates(settings.AWS_REGION, bounce=0.06)
    metrics_services.sync_due_metrics(now=timezone.now())
    last = reputation_selectors.hours_of(None, since=timezone.now() - timedelta(hours=3))[-1]
    assert last.bounce == pytest.approx(0.06)


def test_tenants_without_sends_cost_only_the_list_of_metrics(sandbox: Sandbox) -> None:
    for _ in range(metrics_services.TENANTS_A_CALL + 1):
        make_tenant()
    sandbox.control.clear_calls()
    assert metrics_services.sync_due_metrics(now=timezone.now()) == metrics_services.TENANTS_A_CALL + 1
    assert sandbox.control.call_counts() == {"GetMetricData": 1, "ListMetrics": 2}
    assert ReputationRead.objects.count() == metrics_services.TENANTS_A_CALL + 2


def test_tenants_are_read_in_calls_of_166_and_the_account_in_another(sandbox: Sandbox) -> None:
    tenants = [make_tenant() for _ in range(metrics_services.TENANTS_A_CALL + 1)]
    put = aws.client("cloudwatch").put_metric_data
    for tenant in tenants:
        dimensions = [{"Name": "TenantId", "Value": tenant.ses_id}, {"Name": "TenantName", "Value": tenant.name}]
        point = {"MetricName": "Sends", "Dimensions": dimensions, "Timestamp": timezone.now(), "Value": 1.0}
        put(Namespace="AWS/SES", MetricData=[point])
    sandbox.control.clear_calls()
    metrics_services.sync_due_metrics(now=timezone.now() + timedelta(minutes=1))
    assert sandbox.control.call_counts() == {"GetMetricData": 3, "ListMetrics": 2}
    assert RateSample.objects.filter(sent=1, bounce=0).count() == len(tenants)


@pytest.mark.parametrize(
    ("tenant_metrics", "source", "bounce"),
    [("pair", "counts", 0.12), ("name", "rates", 0.12), ("none", "configuration_set", 0.12)],
)
def test_rates_are_found_in_whatever_form_cloudwatch_has_them(
    sandbox: Sandbox, tenant_metrics: str, source: str, bounce: float
) -> None:
    sandbox.control.set_beliefs(tenant_metrics=tenant_metrics)
    tenant = make_tenant_with_rates(sandbox, bounce=bounce, complaint=0.002)
    assert ReputationRead.objects.get(tenant=tenant).rates_source == source
    assert tenant.bounce_rate == pytest.approx(bounce)
    assert tenant.complaint_rate == pytest.approx(0.002)


def test_without_metrics_the_read_says_so_and_no_rate_is_zero(sandbox: Sandbox) -> None:
    sandbox.control.set_beliefs(tenant_metrics="none")
    tenant = set_up_tenant()
    metrics_services.sync_due_metrics(now=timezone.now())
    tenant.refresh_from_db()
    assert ReputationRead.objects.get(tenant=tenant).rates_source == "none"
    assert tenant.bounce_rate is None


def test_tenants_without_sends_are_read_daily_and_others_at_each_interval(sandbox: Sandbox) -> None:
    quiet = set_up_tenant(sends_at_once=False)
    sending = make_tenant_with_rates(sandbox, bounce=0.01)
    soon, later = timezone.now() + timedelta(minutes=61), timezone.now() + timedelta(hours=25)
    assert list(reputation_selectors.due_for_rates(timezone.now())) == []
    assert list(reputation_selectors.due_for_rates(soon)) == [sending]
    assert set(reputation_selectors.due_for_rates(later)) == {quiet, sending}


@pytest.mark.parametrize(("fault", "kind"), [("throttle", AwsBusy), ("error", AwsUnreachable)])
def test_a_failed_read_is_stored_and_keeps_the_last_values(
    fault: Any, kind: type[Exception], sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant = make_tenant_with_rates(sandbox, bounce=0.12)
    before = ReputationRead.objects.get(tenant=tenant)
    _one_attempt(monkeypatch)
    aws.drop_clients()
    sandbox.control.add_fault(fault, "GetMetricData")
    with pytest.raises(kind):
        metrics_services.sync_metrics(tenant_id=tenant.pk, now=timezone.now())
    aws.drop_clients()
    after = ReputationRead.objects.get(tenant=tenant)
    assert after.rates_at == before.rates_at
    assert after.rates_problem
    tenant.refresh_from_db()
    assert tenant.bounce_rate == pytest.approx(0.12)
    metrics_services.sync_metrics(tenant_id=tenant.pk, now=timezone.now())
    assert ReputationRead.objects.get(tenant=tenant).rates_problem == ""


@pytest.mark.parametrize("belief", ["pair", "name"])
@pytest.mark.parametrize("status", ["InternalError", "Forbidden", "PartialData"])
def test_incomplete_cloudwatch_data_is_a_problem_not_an_absence(sandbox: Sandbox, status: str, belief: str) -> None:
    sandbox.control.set_beliefs(tenant_metrics=belief)
    tenant = make_tenant_with_rates(sandbox, bounce=0.12, complaint=0.002)
    before = ReputationRead.objects.get(tenant=tenant).rates_at
    listed = aws.client("cloudwatch").list_metrics(Namespace="AWS/SES", Dimensions=[{"Name": "TenantName"}])["Metrics"]
    results = [
        {"Id": f"q{number}", "Timestamps": [], "Values": [], "StatusCode": code}
        for number, code in enumerate((status, "Complete", "Complete"))
    ]
    with Stubber(aws.client("cloudwatch")) as stub:
        stub.add_response("list_metrics", {"Metrics": listed})
        stub.add_response("list_metrics", {"Metrics": []})
        stub.add_response("get_metric_data", {"MetricDataResults": results})
        metrics_services.sync_metrics(tenant_id=tenant.pk, now=timezone.now())
    read = ReputationRead.objects.get(tenant=tenant)
    assert "did not return all data" in read.rates_problem
    assert read.rates_at == before
    tenant.refresh_from_db()
    assert tenant.bounce_rate == pytest.approx(0.12)


def test_partial_counts_make_no_rate(sandbox: Sandbox) -> None:
    tenant = make_tenant_with_rates(sandbox, bounce=0.12, complaint=0.002)
    listed = aws.client("cloudwatch").list_metrics(Namespace="AWS/SES", Dimensions=[{"Name": "TenantName"}])["Metrics"]
    now = timezone.now().replace(minute=0, second=0, microsecond=0)
    results = [
        {"Id": f"q{number}", "Timestamps": [now], "Values": [9.0], "StatusCode": code}
        for number, code in enumerate(("PartialData", "Complete", "Complete"))
    ]
    with Stubber(aws.client("cloudwatch")) as stub:
        stub.add_response("list_metrics", {"Metrics": listed})
        stub.add_response("list_metrics", {"Metrics": []})
        stub.add_response("get_metric_data", {"MetricDataResults": results})
        metrics_services.sync_metrics(tenant_id=tenant.pk, now=timezone.now())
    tenant.refresh_from_db()
    assert tenant.bounce_rate == pytest.approx(0.12)


def test_rates_that_arrive_in_pages_are_all_stored(sandbox: Sandbox) -> None:
    sandbox.control.set_limits(metric_values_per_page=10)
    sandbox.control.clear_calls()
    tenant = make_tenant_with_rates(sandbox, bounce=0.12, complaint=0.002)
    assert sandbox.control.call_counts()["GetMetricData"] > 2
    assert tenant.bounce_rate == pytest.approx(0.12)
    assert tenant.complaint_rate == pytest.approx(0.002)
    assert any(hour.sent for hour in reputation_selectors.hours_of(tenant, since=timezone.now() - timedelta(hours=2)))


def test_samples_are_kept_as_long_as_the_setting_says(sandbox: Sandbox, settings: Settings) -> None:
    settings.RATES_KEPT_DAYS = 10
    tenant, now = make_tenant(), datetime(2026, 11, 24, 12, tzinfo=UTC)
    for days in (9, 11):
        RateSample.objects.create(tenant=tenant, region=tenant.region, at=now - timedelta(days=days), bounce=0.1)
    metrics_services.delete_old(now=now)
    assert [sample.at for sample in RateSample.objects.all()] == [now - timedelta(days=9)]
    settings.RATES_KEPT_DAYS = 0
    metrics_services.delete_old(now=now + timedelta(days=4000))
    assert RateSample.objects.count() == 1


def test_a_deleted_tenant_is_no_error(sandbox: Sandbox) -> None:
    metrics_services.sync_metrics(tenant_id="tenant-nobody", now=timezone.now())
    reputation_services.sync_recommendations(tenant_id="tenant-nobody", now=timezone.now())
    assert not ReputationRead.objects.exists()


def _unmeasured() -> list[str]:
    return list(Alert.objects.filter(kind="tenant.unmeasured", state="open").values_list("why", flat=True))


def test_unknown_metric_names_open_an_alert_that_mail_is_not_measured(sandbox: Sandbox) -> None:
    sandbox.control.set_beliefs(tenant_metrics="other")
    tenant = make_tenant_with_rates(sandbox, bounce=0.12, without_set=True)
    (why,) = _unmeasured()
    assert "Tenant.Bounces, Tenant.Sends" in why
    assert ReputationRead.objects.get(tenant=tenant).unmeasured_because in why
    sandbox.control.set_beliefs(tenant_metrics="pair")
    metrics_services.sync_metrics(tenant_id=tenant.pk, now=timezone.now())
    assert _unmeasured() == []
    assert ReputationRead.objects.get(tenant=tenant).unmeasured_because == ""


def test_counts_with_singular_names_are_read_too(sandbox: Sandbox) -> None:
    sandbox.control.set_beliefs(tenant_metrics="pair_singular")
    assert make_tenant_with_rates(sandbox, bounce=0.12, without_set=True).bounce_rate is not None
    assert _unmeasured() == []


def test_an_alert_opens_if_a_metric_disappears_after_mail_was_measured(sandbox: Sandbox) -> None:
    tenant = make_tenant_with_rates(sandbox, bounce=0.12, without_set=True)
    sandbox.control.set_beliefs(tenant_metrics="none")
    metrics_services.sync_metrics(tenant_id=tenant.pk, now=timezone.now())
    assert "messages were measured in the past week" in _unmeasured()[0]


def test_a_tenant_without_sends_opens_no_alert(sandbox: Sandbox) -> None:
    make_tenant_with_rates(sandbox)
    assert _unmeasured() == []


def test_a_reputation_impact_proves_that_the_tenant_sends(sandbox: Sandbox) -> None:
    tenant = make_tenant_with_rates(sandbox)
    Tenant.objects.filter(pk=tenant.pk).update(impact="LOW")
    metrics_services.sync_metrics(tenant_id=tenant.pk, now=timezone.now())
    assert "rates the reputation impact as LOW" in _unmeasured()[0]


def test_an_unanswered_call_opens_no_alert(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    _one_attempt(monkeypatch)
    tenant = make_tenant_with_rates(sandbox, bounce=0.12, without_set=True)
    sandbox.control.set_beliefs(tenant_metrics="none")
    sandbox.control.add_fault("error", "ListMetrics", times=None)
    with pytest.raises(AwsUnreachable):
        metrics_services.sync_metrics(tenant_id=tenant.pk, now=timezone.now())
    assert _unmeasured() == []


@pytest.mark.parametrize("values", ["whole", "parts"])
@pytest.mark.parametrize("metrics", ["pair", "pair_singular", "name"])
def test_a_tenants_rates_are_equal_in_every_form_of_cloudwatch_data(
    sandbox: Sandbox, metrics: str, values: str
) -> None:
    sandbox.control.set_beliefs(tenant_metrics=metrics, metric_values=values)
    tenant = make_tenant_with_rates(sandbox, bounce=0.12, complaint=0.002, without_set=True)
    assert (tenant.bounce_rate or 0) > 0.05
    assert tenant.complaint_rate is not None
    assert RateSample.objects.filter(tenant=tenant, bounce__isnull=False).count() >= 24


def _queries_of_a_pass(now: datetime) -> int:
    with CaptureQueriesContext(connection) as queries:
        metrics_services.sync_due_metrics(now=now)
    return len(queries)


def test_a_pass_needs_no_query_for_a_tenant_with_unchanged_rates(sandbox: Sandbox) -> None:
    now = timezone.now()
    for _ in range(3):
        make_tenant()
    few = _queries_of_a_pass(now)
    for _ in range(30):
        make_tenant()
    assert _queries_of_a_pass(now + timedelta(days=2)) <= few


def test_a_rate_alert_opens_and_recovers_although_the_rate_is_unchanged(sandbox: Sandbox) -> None:
    tenant = make_tenant_with_rates(sandbox, bounce=0.12, complaint=0.002)
    alerts = Alert.objects.filter(kind="tenant.bounces", object_id=tenant.pk)
    at = timezone.now()
    for hours in range(1, 6):
        metrics_services.sync_metrics(tenant_id=tenant.pk, now=at + timedelta(hours=hours))
    assert alerts.get().state == "open"
    RateSample.objects.create(tenant=tenant, region=tenant.region, at=at + timedelta(days=1), bounce=0.001)
    for hours in range(25, 30):
        metrics_services.sync_metrics(tenant_id=tenant.pk, now=at + timedelta(hours=hours))
    assert alerts.get().state == "recovered"


def test_a_refused_call_does_not_stop_the_calls_for_other_tenants(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics_services, "TENANTS_A_CALL", 1)
    metrics_services.sync_account_metrics(now=timezone.now())
    tenants = [set_up_tenant() for _ in range(3)]
    for tenant in tenants:
        sandbox.control.set_rates(tenant.name, bounce=0.01)
    sandbox.control.add_fault("missing", "GetMetricData")
    with pytest.raises(AwsProblem, match="refused"):
        metrics_services.sync_due_metrics(now=timezone.now())
    read = ReputationRead.objects.filter(tenant__in=tenants)
    assert read.exclude(rates_at=None).count() == 2
    assert read.exclude(rates_problem="").count() == 1
    assert metrics_services.sync_due_metrics(now=timezone.now()) == 1


@pytest.mark.parametrize(("fault", "kind"), [("throttle", AwsBusy), ("denied", AwsDenied), ("error", AwsUnreachable)])
def test_a_pass_stops_if_no_call_is_answered_and_the_next_continues_there(
    fault: Any, kind: type[Exception], sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    _one_attempt(monkeypatch)
    aws.drop_clients()
    monkeypatch.setattr(metrics_services, "TENANTS_A_CALL", 1)
    metrics_services.sync_account_metrics(now=timezone.now())
    tenants = [set_up_tenant() for _ in range(3)]
    for tenant in tenants:
        sandbox.control.set_rates(tenant.name, bounce=0.01)
    sandbox.control.add_fault(fault, "GetMetricData", nth=2)
    sandbox.control.clear_calls()
    with pytest.raises(kind):
        metrics_services.sync_due_metrics(now=timezone.now())
    assert sandbox.control.call_counts()["GetMetricData"] == 2
    aws.drop_clients()
    assert metrics_services.sync_due_metrics(now=timezone.now()) == 2
    assert not ReputationRead.objects.filter(tenant__in=tenants, rates_at=None).exists()
