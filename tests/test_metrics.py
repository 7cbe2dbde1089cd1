"""`/metrics` in Prometheus's format, for callers with the token; `/readyz` for load balancers."""

import math
from pathlib import Path

import pytest
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import Settings

from domains import jobs as domains_jobs
from inbound_admin.lib import counters
from tests import web_server
from tests.domains.factories import make_domain
from tests.test_health import record_heartbeat
from tests.web_server import running_gunicorn

pytestmark = pytest.mark.django_db


def ask(client: Client) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    answer = client.get("/metrics", headers={"Authorization": "Bearer tell-me"})
    families = text_string_to_metric_families(answer.content.decode())
    return {(one.name, tuple(sorted(one.labels.items()))): one.value for family in families for one in family.samples}


@pytest.mark.parametrize("given", ["", "Bearer", "Bearer wrong", "Bearer tell-me2", "Bearer tell-mé"])
def test_it_is_404_without_the_token(client: Client, settings: Settings, given: str) -> None:
    settings.METRICS_TOKEN = "tell-me"
    assert client.get("/metrics", headers={"Authorization": given}).status_code == 404
    settings.METRICS_TOKEN = ""
    assert client.get("/metrics", headers={"Authorization": given}).status_code == 404


def test_calls_waiting_jobs_and_requests_are_reported(client: Client, settings: Settings) -> None:
    settings.METRICS_TOKEN = "tell-me"
    counters.count("aws_call", label="GetAccount", outcome="ok", number=3)
    counters.count("aws_wait", seconds=2.5)
    domains_jobs.queue_set_up(make_domain())
    client.get("/healthz")
    found = ask(client)
    assert found["inbound_admin_aws_calls_total", (("operation", "GetAccount"), ("outcome", "ok"))] == 3
    assert found["inbound_admin_aws_wait_seconds_total", ()] == 2.5
    assert found["inbound_admin_jobs", (("state", "todo"), ("task", "domains.set_up"))] == 1
    assert found["inbound_admin_oldest_job_seconds", (("lane", "people"),)] > 0
    assert found["inbound_admin_oldest_job_seconds", (("lane", "urgent"),)] == 0
    labels = (("method", "GET"), ("status", "503"), ("view", "healthz"))
    assert found["inbound_admin_requests_total", labels] >= 1


def test_unknown_methods_are_counted_as_other(client: Client, settings: Settings) -> None:
    settings.METRICS_TOKEN = "tell-me"
    for method in ("MADE", "UP"):
        client.generic(method, "/healthz")
    methods = {value for _, labels in ask(client) for name, value in labels if name == "method"}
    assert "other" in methods
    assert not methods & {"MADE", "UP"}


def test_the_age_of_the_oldest_due_check_is_reported(client: Client, settings: Settings) -> None:
    settings.METRICS_TOKEN = "tell-me"
    assert ask(client)["inbound_admin_oldest_due_check_seconds", ()] == 0


def test_a_migrated_web_process_is_ready_without_worker_and_aws(client: Client) -> None:
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json() == {"web": "ok", "database": "ok", "disk": "ok", "migrations": "ok"}


def test_the_silence_of_the_worker_is_measured_and_infinite_before_its_start(
    client: Client, settings: Settings
) -> None:
    settings.METRICS_TOKEN = "tell-me"
    assert ask(client)["inbound_admin_worker_silent_seconds", ()] == math.inf
    record_heartbeat(seconds_ago=90)
    assert 90 <= ask(client)["inbound_admin_worker_silent_seconds", ()] < 120


@pytest.mark.django_db(transaction=True)
def test_the_web_processes_of_one_machine_count_their_requests_together(tmp_path: Path) -> None:
    together = {"METRICS_TOKEN": "tell-me", "PROMETHEUS_MULTIPROC_DIR": str(tmp_path), "WEB_CONCURRENCY": "2"}
    with running_gunicorn(**together) as address:
        before = _sign_in_pages(address)
        for _ in range(20):
            assert web_server.ask(f"{address}/accounts/login/", seconds=20).status == 200
        assert _sign_in_pages(address) == before + 20
    assert len(list(tmp_path.glob("counter_*.db"))) == 2


def _sign_in_pages(address: str) -> float:
    metrics = web_server.ask(f"{address}/metrics", seconds=20, Authorization="Bearer tell-me").body
    families = text_string_to_metric_families(metrics)
    return sum(
        one.value
        for family in families
        for one in family.samples
        if one.name == "inbound_admin_requests_total" and one.labels["view"] == "account_login"
    )
