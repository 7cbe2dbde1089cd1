"""`/metrics`, for Prometheus: requests of this process, and of the whole deployment what its one database knows."""

import time
from collections.abc import Callable, Iterator
from math import inf
from secrets import compare_digest
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import connection
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector

from inbound_admin.lib import counters
from inbound_admin.lib.jobs import oldest_waiting, worker_silent_for

REQUESTS = Counter("inbound_admin_requests", "HTTP requests", ("view", "method", "status"))
SECONDS = Histogram("inbound_admin_request_seconds", "Response time in seconds", ("view",))
METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
QUEUE = (
    "SELECT task_name, status::text, count(*) FROM procrastinate_jobs WHERE status IN ('todo', 'doing') GROUP BY 1, 2"
)
OLDEST_DUE = (
    "SELECT COALESCE(EXTRACT(EPOCH FROM now() - min(next_check_at)), 0) FROM domains_domain"
    " WHERE stage <> 'deleting' AND next_check_at < now()"
)

Handler = Callable[[HttpRequest], HttpResponse]


def measured(get_response: Handler) -> Handler:
    """Count by view name, never by path, so that no input becomes a label."""

    def middleware(request: HttpRequest) -> HttpResponse:
        started = time.monotonic()
        response = get_response(request)
        match = request.resolver_match
        view = match.view_name if match else "none"
        method = request.method if request.method in METHODS else "other"
        REQUESTS.labels(view, method, response.status_code).inc()
        SECONDS.labels(view).observe(time.monotonic() - started)
        return response

    return middleware


class DatabaseCollector:
    """Metrics shared by all processes, read from the database on request."""

    def collect(self) -> Iterator[Metric]:
        yield _calls()
        yield _waited()
        yield _queue()
        yield _waiting()
        oldest = GaugeMetricFamily(
            "inbound_admin_oldest_due_check_seconds", "Seconds the oldest domain check is overdue"
        )
        oldest.add_metric([], float(_rows(OLDEST_DUE)[0][0]))
        yield oldest
        yield _worker_silence()


@login_not_required
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """Return the metrics, or 404 without the token."""
    given = request.headers.get("Authorization", "").removeprefix("Bearer ").encode()
    if not settings.METRICS_TOKEN or not compare_digest(given, settings.METRICS_TOKEN.encode()):
        raise Http404
    return HttpResponse(generate_latest(_registry()), content_type=CONTENT_TYPE_LATEST)


def _registry() -> CollectorRegistry:
    """Return a registry. PROMETHEUS_MULTIPROC_DIR merges the processes of one machine."""
    registry = CollectorRegistry()
    if settings.PROMETHEUS_MULTIPROC_DIR:
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # prometheus-client's own gap
    else:
        registry.register(REQUESTS)
        registry.register(SECONDS)
    registry.register(DatabaseCollector())
    return registry


def _calls() -> Metric:
    family = CounterMetricFamily("inbound_admin_aws_calls", "AWS API calls", labels=("operation", "outcome"))
    for each in counters.totals("aws_call"):
        family.add_metric([each.label, each.outcome], each.number)
    return family


def _waited() -> Metric:
    family = CounterMetricFamily(
        "inbound_admin_aws_wait_seconds", "Seconds spent waiting for the shared SES rate limit"
    )
    family.add_metric([], sum(each.seconds for each in counters.totals("aws_wait")))
    return family


def _queue() -> Metric:
    family = GaugeMetricFamily("inbound_admin_jobs", "Queued and running jobs", labels=("task", "state"))
    for task, state, number in _rows(QUEUE):
        family.add_metric([task, state], number)
    return family


def _waiting() -> Metric:
    words = "Age of the oldest due job by lane, in seconds"
    family = GaugeMetricFamily("inbound_admin_oldest_job_seconds", words, labels=("lane",))
    for lane, age in oldest_waiting().items():
        family.add_metric([lane.queue], age)
    return family


def _worker_silence() -> Metric:
    """Return infinity if no worker has ever started, so that alert rules with a threshold fire then too."""
    silent = worker_silent_for()
    family = GaugeMetricFamily("inbound_admin_worker_silent_seconds", "Seconds since the last heartbeat of any worker")
    family.add_metric([], inf if silent is None else silent.total_seconds())
    return family


def _rows(sql: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return list(cursor.fetchall())
