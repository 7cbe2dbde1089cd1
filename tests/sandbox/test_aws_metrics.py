"""CloudWatch's rates of tenants and of the account, and signed SES events, as the sandbox provides them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sandbox.aws.metrics import MOST_QUERIES
from sandbox.process import Sandbox
from tests.sandbox.conftest import REGION, Aws, refusal


def _query(name: str, tenant: str = "", number: int = 0, namespace: str = "AWS/SES") -> dict[str, Any]:
    dimensions = [{"Name": "TenantName", "Value": tenant}] if tenant else []
    metric = {"Namespace": namespace, "MetricName": name, "Dimensions": dimensions}
    return {"Id": f"q{number}", "MetricStat": {"Metric": metric, "Period": 3600, "Stat": "Average"}}


def _ask(aws: Aws, *queries: dict[str, Any], days: int = 2, **more: Any) -> Any:
    now = datetime.now(UTC) + timedelta(minutes=1)
    span = {"StartTime": now - timedelta(days=days), "EndTime": now}
    return aws.client("cloudwatch").get_metric_data(MetricDataQueries=list(queries), **span, **more)


@pytest.fixture(autouse=True)
def rates_by_name(local: Sandbox) -> None:
    local.control.set_beliefs(tenant_metrics="name")


def test_the_breakdown_by_tenant_uses_the_dimensions_of_the_belief(over_http: Aws, local: Sandbox) -> None:
    tenant_id = over_http.sesv2.create_tenant(TenantName="alice")["TenantId"]
    local.control.set_rates("alice", bounce=0.25)
    pair = [{"Name": "TenantId", "Value": tenant_id}, {"Name": "TenantName", "Value": "alice"}]
    for belief, names, dimensions in (
        ("pair", {"Sends", "Bounces"}, pair),
        ("name", {"Send", "Reputation.BounceRate"}, pair[1:]),
        ("none", set(), []),
    ):
        local.control.set_beliefs(tenant_metrics=belief)
        parameters = {"Namespace": "AWS/SES", "Dimensions": [{"Name": "TenantName"}]}
        rows = over_http.client("cloudwatch").list_metrics(**parameters)["Metrics"]
        assert {row["MetricName"] for row in rows} == names
        assert all(row["Dimensions"] == dimensions for row in rows)
        found = _ask(over_http, _query("Reputation.BounceRate", "alice"))["MetricDataResults"][0]["Values"]
        assert bool(found) is (belief == "name")
    with pytest.raises(ValueError, match="Unknown behaviour"):
        local.control.set_beliefs(nonsense="yes")


def test_set_rates_create_a_day_of_points_for_that_tenant_only(over_http: Aws, local: Sandbox) -> None:
    over_http.sesv2.create_tenant(TenantName="alice")
    local.control.set_rates("alice", bounce=0.24)
    queries = (
        _query("Reputation.BounceRate", "alice"),
        _query("Reputation.BounceRate", "", 1),
        _query("Reputation.ComplaintRate", "alice", 2),
        _query("Reputation.BounceRate", "alice", 3, namespace="AWS/Other"),
    )
    bounces, account, complaints, other = _ask(over_http, *queries, ScanBy="TimestampAscending")["MetricDataResults"]
    assert len(bounces["Values"]) in (24, 25)
    assert bounces["Values"] == sorted(bounces["Values"])
    assert bounces["Values"][-1] == pytest.approx(0.24)
    assert not account["Values"]
    assert not complaints["Values"]
    assert not other["Values"]


def test_the_next_rate_continues_from_the_last(over_http: Aws, local: Sandbox) -> None:
    over_http.sesv2.create_tenant(TenantName="alice")
    for rate in (0.2, 0.0):
        local.control.set_rates("alice", bounce=rate)
    newest_first = _ask(over_http, _query("Reputation.BounceRate", "alice"))["MetricDataResults"][0]["Values"]
    assert newest_first == sorted(newest_first)
    assert newest_first[0] == 0.0
    assert newest_first[-1] > 0.15


def test_the_account_has_its_own_rates(over_http: Aws, local: Sandbox) -> None:
    over_http.sesv2.get_account()
    local.control.set_account_rates(REGION, bounce=0.05, complaint=0.001)
    found = _ask(over_http, _query("Reputation.ComplaintRate"))["MetricDataResults"][0]
    assert found["Values"][0] == pytest.approx(0.001)


def test_foreign_metrics_are_found_by_their_exact_dimensions(over_http: Aws, local: Sandbox) -> None:
    put = {"MetricName": "Errors", "Timestamp": datetime.now(UTC) - timedelta(minutes=5), "Value": 3.0}
    client = over_http.client("cloudwatch")
    client.put_metric_data(Namespace="AWS/Other", MetricData=[{**put, "Dimensions": [{"Name": "F", "Value": "one"}]}])
    client.put_metric_data(Namespace="AWS/Other", MetricData=[{**put, "Value": 5.0}])
    query = _query("Errors", namespace="AWS/Other")
    whole, other = _ask(over_http, query, _query("Errors", "one", 1, namespace="AWS/Other"))["MetricDataResults"]
    assert (whole["Values"], other["Values"]) == ([5.0], [])
    query["MetricStat"]["Metric"]["Dimensions"] = [{"Name": "F", "Value": "one"}]
    assert _ask(over_http, query)["MetricDataResults"][0]["Values"] == [3.0]


def test_more_than_500_queries_are_refused_and_many_values_are_paged(over_http: Aws, local: Sandbox) -> None:
    over_http.sesv2.create_tenant(TenantName="alice")
    local.control.set_rates("alice", bounce=0.24)
    many = [_query("Reputation.BounceRate", "alice", number) for number in range(MOST_QUERIES + 1)]
    now = datetime.now(UTC)
    span = {"StartTime": now - timedelta(days=1), "EndTime": now}
    call = over_http.client("cloudwatch").get_metric_data
    assert "InvalidParameterValue" in refusal(call, MetricDataQueries=many, **span)[0]
    whole = len(_ask(over_http, many[0])["MetricDataResults"][0]["Values"])
    local.control.set_limits(metric_values_per_page=whole * 2 - 1)
    pages = [_ask(over_http, *many[:4])]
    while token := pages[-1].get("NextToken"):
        pages.append(_ask(over_http, *many[:4], NextToken=token))
    results = [(one["Id"], one["StatusCode"]) for page in pages for one in page["MetricDataResults"]]
    assert results[:3] == [("q0", "Complete"), ("q1", "PartialData"), ("q1", "Complete")]
    assert sum(len(one["Values"]) for page in pages for one in page["MetricDataResults"]) == whole * 4


def test_rates_survive_a_restart(tmp_path: Path, over_http: Aws, local: Sandbox) -> None:
    from sandbox.aws.state import regions
    from sandbox.snapshot import Snapshot

    over_http.sesv2.create_tenant(TenantName="alice")
    local.control.set_rates("alice", bounce=0.24)
    snapshot = Snapshot(tmp_path, local.zones)
    snapshot.save()
    local.control.reset()
    assert snapshot.load()
    assert any(("Reputation.BounceRate", "alice") in state.metrics for _, state in regions())


def test_events_are_available_over_the_control_api(over_http: Aws, local: Sandbox) -> None:
    from sandbox.client import ControlClient, SandboxError

    topic = f"arn:aws:sns:{REGION}:123456789012:events"
    over_http.sesv2.create_tenant(TenantName="alice")
    client = ControlClient(local.aws_url)
    assert client.sns_event(topic, "alice", "Sending Status Disabled")["TopicArn"] == topic
    assert client.sns_confirmation(topic)["Type"] == "SubscriptionConfirmation"
    assert client.sns_confirmed() == ()
    with pytest.raises(SandboxError, match="No tenant bob"):
        client.sns_event(topic, "bob", "Sending Status Disabled")


def test_a_paused_tenant_sends_nothing_and_the_account_exceeds_its_tenants(over_http: Aws, local: Sandbox) -> None:
    for name in ("alice", "bob"):
        over_http.sesv2.create_tenant(TenantName=name)
    local.control.suspend_tenant("bob")
    local.control.advance_clock(timedelta(days=2).total_seconds())
    for name in ("alice", "bob"):
        local.control.set_rates(name, bounce=0.01)
    local.control.set_account_rates(REGION, bounce=0.01)
    now = datetime.now(UTC) + timedelta(days=2, minutes=1)
    queries = [_query("Send", name, number) for number, name in enumerate(("alice", "bob", ""))]
    found = over_http.client("cloudwatch").get_metric_data(
        MetricDataQueries=queries, StartTime=now - timedelta(days=1), EndTime=now
    )["MetricDataResults"]
    alice, bob, account = (sum(each["Values"]) for each in found)
    assert (alice > 0, bob) == (True, 0)
    assert account > alice + bob
