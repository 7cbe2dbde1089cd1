"""The mail pipeline after SES: each part is reported, and a failed read is never shown as zero."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.stub import Stubber
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from accounts.roles import Role
from inbound_admin.lib import aws, plots
from inbound_admin.lib.errors import AwsProblem
from notifications.alerts import services as alerts_services
from notifications.models.alerts import Alert
from receipt_rules.live import services as live_services
from receipt_rules.pipeline import services as pipeline_services
from receipt_rules.pipeline.core import ACTIVE, Series, health, summed
from receipt_rules.planner.core.rules import S3, Rule, RuleDelivery, RuleSet
from sandbox.process import Sandbox
from tests.domains.factories import make_domain
from tests.factories import make_staff

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
LOG = "/aws/lambda/inbound-mail-handler"


@pytest.fixture(autouse=True)
def empty_cache() -> None:
    cache.clear()


def raw(service: str) -> Any:
    return aws.client(service)


def hour(number: int) -> datetime:
    return NOW - timedelta(hours=number)


def test_lost_mail_is_reported_with_the_rules_that_lost_it() -> None:
    found = health(
        [
            Series("a", "PublishSuccess", ((hour(1), 5), (hour(2), 1))),
            Series("b", "PublishExpired", ((hour(1), 2),)),
            Series("a", "PublishExpired", ()),
            Series("a", "PublishFailure", ((hour(1), 1),)),
        ]
    )
    assert (found.delivered, found.failed, found.lost) == (6, 1, 2)
    assert (found.losing_rules, found.failing_rules) == (("b",), ("a",))


def test_the_higher_of_the_rule_sets_and_the_rules_counts_is_used_for_each_hour() -> None:
    found = health(
        [
            Series(ACTIVE, "Received", ((hour(1), 9),)),
            Series(ACTIVE, "PublishSuccess", ((hour(1), 7),)),
            Series("a", "PublishSuccess", ((hour(1), 5),)),
            Series(ACTIVE, "PublishExpired", ((hour(1), 2), (hour(3), 1))),
            Series("a", "PublishExpired", ((hour(1), 1), (hour(2), 4))),
        ]
    )
    assert (found.received, found.delivered, found.lost) == (9, 7, 2 + 1 + 4)
    assert found.losing_rules == ("a",)


def test_rule_counts_are_summed_by_hour_and_a_missing_hour_is_not_zero() -> None:
    series = [Series("a", "X", ((hour(1), 5),)), Series("b", "X", ((hour(1), 2), (hour(2), 1))), Series("a", "Y", ())]
    points = summed(series, "X")
    assert list(points) == [(hour(2), 1), (hour(1), 7)]
    rows = plots.table([points, ((hour(1), 3),)])
    assert list(rows) == [plots.PlotRow(hour(1), (7, 3)), plots.PlotRow(hour(2), (1, None))]


def test_the_log_is_filtered_by_errors_and_by_domain(sandbox: Sandbox) -> None:
    logs = raw("logs")
    logs.create_log_group(logGroupName=LOG)
    logs.create_log_stream(logGroupName=LOG, logStreamName="one")
    now = int(timezone.now().timestamp() * 1000)
    lines = ["ERROR shop.com: no such endpoint", "INFO shop.com fine", "ERROR other.com: timeout"]
    events = [{"timestamp": now - 3000 + n, "message": line} for n, line in enumerate(lines)]
    logs.put_log_events(logGroupName=LOG, logStreamName="one", logEvents=events)
    since = timezone.now() - timedelta(hours=1)
    everything = pipeline_services.last_errors(since=since, domain=None).value
    assert [line.text for line in everything or ()] == [lines[2], lines[0]]
    lines_of_domain = pipeline_services.last_errors(since=since, domain=make_domain("shop.com")).value
    assert [line.text for line in lines_of_domain or ()] == [lines[0]]


def test_a_function_that_was_never_invoked_has_no_errors(sandbox: Sandbox) -> None:
    assert pipeline_services.last_errors(since=timezone.now(), domain=None) == pipeline_services.ReadResult(())


def test_the_setup_notification_of_ses_is_not_counted_as_mail(sandbox: Sandbox) -> None:
    s3 = raw("s3")
    for key in ("AMAZON_SES_SETUP_NOTIFICATION", "one", "two"):
        s3.put_object(Bucket="inbound-mail", Key=key, Body=b"x")
    found = pipeline_services.recently_stored(prefix="").value
    assert found is not None
    assert (found.count, found.is_all) == (2, True)
    assert found.newest is not None


def test_the_count_is_a_lower_bound_if_there_are_more_objects_than_we_list(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "10")  # keys in a page; at AWS it is 1,000
    for number in range(11):
        raw("s3").put_object(Bucket="inbound-mail", Key=f"m{number:05}", Body=b"")
    monkeypatch.setattr(pipeline_services, "PAGES_OF_OBJECTS", 1)
    found = pipeline_services.recently_stored(prefix="m").value
    assert found is not None
    assert (found.count, found.is_all) == (10, False)


def test_a_missing_bucket_is_a_problem_not_a_zero(sandbox: Sandbox, settings: Settings) -> None:
    settings.RECEIVING_BUCKET = "no-such-bucket"
    result = pipeline_services.recently_stored(prefix="")
    assert result.value is None
    assert "couldn't" in result.problem


def put_metric(
    name: str,
    metric: str,
    value: float,
    namespace: str = "AWS/SES",
    dimension: str = "RuleName",
    minutes: int = 30,
) -> None:
    """Store a CloudWatch value of some minutes ago."""
    raw("cloudwatch").put_metric_data(
        Namespace=namespace,
        MetricData=[
            {
                "MetricName": metric,
                "Dimensions": [{"Name": dimension, "Value": name}],
                "Timestamp": timezone.now() - timedelta(minutes=minutes),
                "Value": value,
            }
        ],
    )


@pytest.fixture
def rule(sandbox: Sandbox) -> str:
    """Store a snapshot with one rule and return the rule's name."""
    made = Rule("ia-000001", RuleDelivery((S3("inbound-mail"),)), ("shop.com",))
    live_services.store_snapshot(RuleSet("inbound-mail", (made,)))
    return made.name


def alerts() -> set[tuple[str, str]]:
    return {(alert.kind, alert.state) for alert in Alert.objects.all()}


def test_lost_mail_opens_an_alert_that_recovers(rule: str) -> None:
    put_metric(rule, "PublishExpired", 2)
    assert pipeline_services.check_for_lost_mail(now=timezone.now()).lost == 2
    assert alerts() == {("receiving.lost", "open")}
    pipeline_services.check_for_lost_mail(now=timezone.now() + timedelta(days=2))
    assert alerts() == {("receiving.lost", "recovered")}


def test_an_alert_that_fails_unexpectedly_holds_up_no_other(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for metric in ("PublishExpired", "PublishFailure"):
        put_metric(rule, metric, 2)
    observe = alerts_services.observe

    def fail(**words: Any) -> None:
        if words["kind"] == "receiving.lost":
            raise KeyError("unforeseen")
        observe(**words)

    monkeypatch.setattr(alerts_services, "observe", fail)
    with pytest.raises(KeyError):
        pipeline_services.check_for_lost_mail(now=timezone.now())
    assert {kind for kind, _ in alerts()} == {"receiving.failing"}


def test_lost_mail_counted_only_for_the_rule_set_opens_an_alert(rule: str, client: Client) -> None:
    """SES counts failures that it doesn't retry at the rule set alone."""
    put_metric(ACTIVE, "PublishExpired", 1, dimension="RuleSetName")
    assert pipeline_services.check_for_lost_mail(now=timezone.now()).losing_rules == ()
    (alert,) = Alert.objects.all()
    assert (alert.kind, alert.state) == ("receiving.lost", "open")
    assert "1 message was lost in a day. SES counts failures without a retry" in alert.why
    client.force_login(make_staff(Role.OPERATOR))
    page = client.get(reverse("receipt_rules:pipeline")).content.decode()
    assert "1 message lost" in page
    assert "SES counts failures without a retry" in page


@pytest.mark.parametrize("values", ["whole", "parts"])
@pytest.mark.parametrize("scope", ["rule_set", "rule"])
def test_lost_mail_is_found_wherever_ses_counts_it_and_counted_once(
    rule: str, sandbox: Sandbox, settings: Settings, scope: str, values: str
) -> None:
    sandbox.control.set_beliefs(lost_mail=scope, metric_values=values)
    aws.client("ses").list_identities()  # the region is opened by the first call there
    sandbox.control.lose_mail(settings.AWS_REGION, rule, 2)
    found = pipeline_services.check_for_lost_mail(now=timezone.now())
    assert (found.lost, found.losing_rules) == (2, (rule,) if scope == "rule" else ())
    assert alerts() == {("receiving.lost", "open")}


def test_lost_mail_is_found_although_our_rules_were_never_read(sandbox: Sandbox) -> None:
    put_metric(ACTIVE, "PublishExpired", 3, dimension="RuleSetName")
    assert pipeline_services.check_for_lost_mail(now=timezone.now()).lost == 3


def test_values_that_arrive_in_pages_and_parts_are_all_counted(rule: str, sandbox: Sandbox) -> None:
    sandbox.control.set_limits(metric_values_per_page=1)
    for minutes in (30, 90, 150):
        put_metric(ACTIVE, "PublishExpired", 1, dimension="RuleSetName", minutes=minutes)
    put_metric(rule, "PublishFailure", 2)
    sandbox.control.clear_calls()
    found = pipeline_services.check_for_lost_mail(now=timezone.now())
    assert (found.lost, found.failed) == (3, 2)
    assert sandbox.control.call_counts()["GetMetricData"] > 3


@pytest.mark.parametrize("status", ["PartialData", "InternalError", "Forbidden"])
def test_partial_metric_data_is_a_failed_read(rule: str, status: str) -> None:
    queries = 4 + 3
    codes = [status, *["Complete"] * (queries - 1)]
    results = [{"Id": f"q{n}", "Timestamps": [], "Values": [], "StatusCode": code} for n, code in enumerate(codes)]
    with Stubber(aws.client("cloudwatch")) as stub:
        stub.add_response("get_metric_data", {"MetricDataResults": results})
        result = pipeline_services.rule_metrics(start=hour(3), end=NOW)
    assert result.value is None
    assert "returned partial data" in result.problem


def test_a_failed_check_neither_opens_nor_ends_an_alert(rule: str, sandbox: Sandbox) -> None:
    put_metric(rule, "PublishExpired", 2)
    pipeline_services.check_for_lost_mail(now=timezone.now())
    sandbox.control.add_fault("error", "GetMetricData", nth=1, times=9)
    with pytest.raises(AwsProblem):
        pipeline_services.check_for_lost_mail(now=timezone.now() + timedelta(days=2))
    assert alerts() == {("receiving.lost", "open")}


def test_the_page_shows_rules_function_log_and_bucket(rule: str, client: Client) -> None:
    put_metric(rule, "PublishSuccess", 12)
    put_metric(rule, "PublishFailure", 1)
    put_metric("inbound-mail-handler", "Invocations", 12, "AWS/Lambda", "FunctionName")
    client.force_login(make_staff(Role.OPERATOR))
    page = client.get(reverse("receipt_rules:pipeline")).content.decode()
    assert "Delivery failed 1 time" in page
    assert "ia-000001" in page
    assert "View as table" in page
    assert "No errors in this period." in page
    assert "0 messages under" in page


def test_missing_cloudwatch_data_is_not_shown_as_zero(rule: str, sandbox: Sandbox, client: Client) -> None:
    sandbox.control.add_fault("error", "GetMetricData", nth=1, times=99)
    client.force_login(make_staff(Role.OPERATOR))
    page = client.get(reverse("receipt_rules:pipeline")).content.decode()
    assert "We can’t tell whether mail was lost." in page
    assert "No data in this period" not in page


def test_mail_in_the_dead_letter_queue_is_shown_and_no_data_is_not_zero(
    rule: str, sandbox: Sandbox, client: Client
) -> None:
    client.force_login(make_staff(Role.OPERATOR))
    assert "CloudWatch has no data of" in client.get(reverse("receipt_rules:pipeline")).content.decode()
    cache.clear()
    name = "ApproximateNumberOfMessagesVisible"
    put_metric("inbound-mail-handler-dead-letters", name, 3, "AWS/SQS", "QueueName", minutes=5)
    assert "3 events not delivered" in client.get(reverse("receipt_rules:pipeline")).content.decode()
    cache.clear()
    sandbox.control.add_fault("error", "GetMetricData", nth=1, times=99)
    page = client.get(reverse("receipt_rules:pipeline")).content.decode()
    assert ("not delivered" in page, "CloudWatch has no data of" in page) == (False, False)


def test_an_unknown_domain_is_404(rule: str, client: Client) -> None:
    client.force_login(make_staff(Role.OPERATOR))
    assert client.get(reverse("receipt_rules:pipeline"), {"domain": "nowhere.com"}).status_code == 404
    make_domain("shop.com")
    page = client.get(reverse("receipt_rules:pipeline"), {"domain": "shop.com"}).content.decode()
    assert "share one prefix" in page
