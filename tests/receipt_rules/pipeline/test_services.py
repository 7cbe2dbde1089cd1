"""What becomes of mail once SES has it: told part by part, and never a zero where nothing could be read."""

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
def nothing_is_remembered() -> None:
    cache.clear()


def raw(service: str) -> Any:
    return aws.client(service)


def hour(number: int) -> datetime:
    return NOW - timedelta(hours=number)


def test_lost_mail_is_told_with_the_rules_that_lost_it() -> None:
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


def test_the_whole_set_and_its_rules_are_two_counts_of_the_same_mail_and_the_higher_one_is_believed() -> None:
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


def test_rules_are_added_up_by_the_hour_and_a_missing_hour_is_no_zero() -> None:
    series = [Series("a", "X", ((hour(1), 5),)), Series("b", "X", ((hour(1), 2), (hour(2), 1))), Series("a", "Y", ())]
    points = summed(series, "X")
    assert list(points) == [(hour(2), 1), (hour(1), 7)]
    rows = plots.table([points, ((hour(1), 3),)])
    assert list(rows) == [plots.PlotRow(hour(1), (7, 3)), plots.PlotRow(hour(2), (1, None))]


def test_the_log_is_filtered_by_error_and_by_domain(sandbox: Sandbox) -> None:
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
    of_one = pipeline_services.last_errors(since=since, domain=make_domain("shop.com")).value
    assert [line.text for line in of_one or ()] == [lines[0]]


def test_a_function_that_was_never_called_has_no_log_and_no_error(sandbox: Sandbox) -> None:
    assert pipeline_services.last_errors(since=timezone.now(), domain=None) == pipeline_services.ReadResult(())


def test_what_ses_writes_to_try_the_bucket_is_no_mail(sandbox: Sandbox) -> None:
    s3 = raw("s3")
    for key in ("AMAZON_SES_SETUP_NOTIFICATION", "one", "two"):
        s3.put_object(Bucket="inbound-mail", Key=key, Body=b"x")
    found = pipeline_services.recently_stored(prefix="").value
    assert found is not None
    assert (found.count, found.is_all) == (2, True)
    assert found.newest is not None


def test_more_objects_than_we_look_through_are_a_lower_bound(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "10")  # of a page; Amazon's own have 1,000
    for number in range(11):
        raw("s3").put_object(Bucket="inbound-mail", Key=f"m{number:05}", Body=b"")
    monkeypatch.setattr(pipeline_services, "PAGES_OF_OBJECTS", 1)
    found = pipeline_services.recently_stored(prefix="m").value
    assert found is not None
    assert (found.count, found.is_all) == (10, False)


def test_a_bucket_that_is_not_there_is_told_and_not_zero(sandbox: Sandbox, settings: Settings) -> None:
    settings.RECEIVING_BUCKET = "no-such-bucket"
    told = pipeline_services.recently_stored(prefix="")
    assert told.value is None
    assert "couldn't" in told.problem


def measured(
    name: str,
    metric: str,
    value: float,
    namespace: str = "AWS/SES",
    dimension: str = "RuleName",
    minutes: int = 30,
) -> None:
    """So many minutes ago, as CloudWatch would have it."""
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
    """Its name, in the set as we last read it."""
    made = Rule("ia-000001", RuleDelivery((S3("inbound-mail"),)), ("shop.com",))
    live_services.store_snapshot(RuleSet("inbound-mail", (made,)))
    return made.name


def alerts() -> set[tuple[str, str]]:
    return {(alert.kind, alert.state) for alert in Alert.objects.all()}


def test_lost_mail_raises_an_alarm_and_its_end_is_told(rule: str) -> None:
    measured(rule, "PublishExpired", 2)
    assert pipeline_services.check_for_lost_mail(now=timezone.now()).lost == 2
    assert alerts() == {("receiving.lost", "open")}
    pipeline_services.check_for_lost_mail(now=timezone.now() + timedelta(days=2))
    assert alerts() == {("receiving.lost", "recovered")}


def test_what_ses_counts_for_the_whole_set_alone_is_lost_mail_as_well(rule: str, client: Client) -> None:
    """SES does not try every error again, and counts the others at no rule."""
    measured(ACTIVE, "PublishExpired", 1, dimension="RuleSetName")
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
def test_lost_mail_is_found_wherever_it_is_counted_and_counted_once(
    rule: str, sandbox: Sandbox, settings: Settings, scope: str, values: str
) -> None:
    sandbox.control.set_beliefs(lost_mail=scope, metric_values=values)
    aws.client("ses").list_identities()  # the region is opened by the first call there
    sandbox.control.lose_mail(settings.AWS_REGION, rule, 2)
    found = pipeline_services.check_for_lost_mail(now=timezone.now())
    assert (found.lost, found.losing_rules) == (2, (rule,) if scope == "rule" else ())
    assert alerts() == {("receiving.lost", "open")}


def test_lost_mail_is_found_where_our_rules_were_never_read(sandbox: Sandbox) -> None:
    measured(ACTIVE, "PublishExpired", 3, dimension="RuleSetName")
    assert pipeline_services.check_for_lost_mail(now=timezone.now()).lost == 3


def test_numbers_that_come_in_pages_and_parts_are_all_counted(rule: str, sandbox: Sandbox) -> None:
    sandbox.control.set_limits(metric_values_per_page=1)
    for minutes in (30, 90, 150):
        measured(ACTIVE, "PublishExpired", 1, dimension="RuleSetName", minutes=minutes)
    measured(rule, "PublishFailure", 2)
    sandbox.control.clear_calls()
    found = pipeline_services.check_for_lost_mail(now=timezone.now())
    assert (found.lost, found.failed) == (3, 2)
    assert sandbox.control.call_counts()["GetMetricData"] > 3


@pytest.mark.parametrize("status", ["PartialData", "InternalError", "Forbidden"])
def test_a_part_of_the_numbers_is_not_taken_for_all(rule: str, status: str) -> None:
    wanted = 4 + 3
    codes = [status, *["Complete"] * (wanted - 1)]
    results = [{"Id": f"q{n}", "Timestamps": [], "Values": [], "StatusCode": code} for n, code in enumerate(codes)]
    with Stubber(aws.client("cloudwatch")) as stub:
        stub.add_response("get_metric_data", {"MetricDataResults": results})
        told = pipeline_services.rule_metrics(start=hour(3), end=NOW)
    assert told.value is None
    assert "returned partial data" in told.problem


def test_a_look_that_failed_neither_raises_nor_ends_an_alarm(rule: str, sandbox: Sandbox) -> None:
    measured(rule, "PublishExpired", 2)
    pipeline_services.check_for_lost_mail(now=timezone.now())
    sandbox.control.add_fault("error", "GetMetricData", nth=1, times=9)
    with pytest.raises(AwsProblem):
        pipeline_services.check_for_lost_mail(now=timezone.now() + timedelta(days=2))
    assert alerts() == {("receiving.lost", "open")}


def test_the_page_shows_rules_function_log_and_bucket(rule: str, client: Client) -> None:
    measured(rule, "PublishSuccess", 12)
    measured(rule, "PublishFailure", 1)
    measured("inbound-mail-handler", "Invocations", 12, "AWS/Lambda", "FunctionName")
    client.force_login(make_staff(Role.OPERATOR))
    page = client.get(reverse("receipt_rules:pipeline")).content.decode()
    assert "Delivery failed 1 time" in page
    assert "ia-000001" in page
    assert "View as table" in page
    assert "No errors in this period." in page
    assert "0 messages under" in page


def test_what_cloudwatch_does_not_tell_is_not_shown_as_nothing(rule: str, sandbox: Sandbox, client: Client) -> None:
    sandbox.control.add_fault("error", "GetMetricData", nth=1, times=99)
    client.force_login(make_staff(Role.OPERATOR))
    page = client.get(reverse("receipt_rules:pipeline")).content.decode()
    assert "We can’t tell whether mail was lost." in page
    assert "No data in this period" not in page


def test_a_domain_that_is_not_there_is_404_and_not_all(rule: str, client: Client) -> None:
    client.force_login(make_staff(Role.OPERATOR))
    assert client.get(reverse("receipt_rules:pipeline"), {"domain": "nowhere.com"}).status_code == 404
    make_domain("shop.com")
    page = client.get(reverse("receipt_rules:pipeline"), {"domain": "shop.com"}).content.decode()
    assert "share one prefix" in page
