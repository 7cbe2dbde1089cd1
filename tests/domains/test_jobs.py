"""Jobs are queued in the transaction that needs them, once, and retried when their worker dies."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from django.db import connection, transaction
from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateJob

from domains import jobs as domains_jobs
from domains.models.domains import Domain
from inbound_admin.lib import jobs
from tenants import jobs as tenants_jobs
from tests.domains.factories import make_domain, waiting_jobs
from tests.factories import make_customer
from tests.tenants.factories import make_tenant

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "enqueue", [domains_jobs.queue_set_up, domains_jobs.queue_configuration, domains_jobs.queue_deletion]
)
def test_a_job_requested_twice_is_queued_once_and_the_transaction_continues(enqueue: Callable[[Domain], None]) -> None:
    domain = make_domain()
    with transaction.atomic():
        enqueue(domain)
        enqueue(domain)
        Domain.objects.filter(pk=domain.pk).update(note="still alive")
    assert len(waiting_jobs(domain)) == 1
    domain.refresh_from_db()
    assert domain.note == "still alive"


def test_a_job_is_rolled_back_with_its_transaction() -> None:
    domain = make_domain()
    with transaction.atomic():
        domains_jobs.queue_deletion(domain)
        transaction.set_rollback(True)
    assert waiting_jobs(domain) == []


def test_jobs_of_one_domain_share_a_lock_and_other_domains_do_not() -> None:
    one, other = make_domain(), make_domain()
    for domain in (one, other):
        domains_jobs.queue_set_up(domain)
        domains_jobs.queue_deletion(domain)
    locks = ProcrastinateJob.objects.order_by("id").values_list("lock", flat=True)
    assert list(locks) == [f"domain {one.id}"] * 2 + [f"domain {other.id}"] * 2


def test_the_check_of_due_domains_is_queued_once() -> None:
    for _ in range(3):
        domains_jobs.queue_checks()
    assert ProcrastinateJob.objects.filter(task_name=domains_jobs.CHECK_DUE).count() == 1


def test_a_delayed_setup_is_scheduled() -> None:
    domain = make_domain()
    domains_jobs.queue_set_up(domain, in_seconds=60)
    job = ProcrastinateJob.objects.get(args__domain_id=domain.id)
    assert job.scheduled_at is not None


@pytest.fixture
def own_queue(transactional_db: None) -> Iterator[None]:
    """Empty Procrastinate's tables, which the test database does not."""
    yield
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_jobs")
        cursor.execute("DELETE FROM procrastinate_workers")


@pytest.mark.usefixtures("own_queue")
def test_the_job_of_a_dead_worker_is_retried_and_a_live_one_is_not() -> None:
    dead, alive = make_domain(), make_domain()
    for domain, silent_for in ((dead, 300), (alive, 0)):
        domains_jobs.queue_set_up(domain)
        start_job(domain, silent_for)
    assert jobs.recover_stalled() == 1
    assert waiting_jobs(dead) == ["domains.set_up"]
    assert waiting_jobs(alive) == []
    assert jobs.recover_stalled() == 0


@pytest.mark.usefixtures("own_queue")
def test_a_stalled_job_is_retried_while_another_is_queued() -> None:
    domain = make_domain()
    domains_jobs.queue_set_up(domain)
    start_job(domain, 300)
    domains_jobs.queue_set_up(domain)
    assert jobs.recover_stalled() == 1
    queued = ProcrastinateJob.objects.filter(args__domain_id=domain.id).order_by("id")
    assert list(queued.values_list("status", flat=True)) == ["todo", "todo"]


def retried_soon() -> list[str]:
    """Retry stalled jobs as each worker does every few seconds. Return their tasks."""
    with connection.cursor() as cursor:
        cursor.execute(jobs.TAKE_UP, jobs.TAKE_UP_SOON)
        return [task for _, task in cursor.fetchall()]


@pytest.mark.usefixtures("own_queue")
def test_a_stalled_pause_is_retried_after_fifteen_seconds_and_other_jobs_after_thirty() -> None:
    pausing, slow = make_tenant(make_customer("Alice")), make_tenant(make_customer("Bob"))
    tenants_jobs.queue_status(pausing)
    tenants_jobs.queue_status(slow)
    mark_as_running("tenants.status", silent_for=16, tenant_id=pausing.pk)
    mark_as_running("tenants.status", silent_for=14, tenant_id=slow.pk)
    domain = make_domain()
    domains_jobs.queue_set_up(domain)
    start_job(domain, 29)
    assert retried_soon() == ["tenants.status"]
    assert jobs.recover_stalled() == 0
    todo = ProcrastinateJob.objects.filter(status="todo")
    assert [(each.args["tenant_id"], each.attempts) for each in todo] == [(pausing.pk, 1)]


@pytest.mark.usefixtures("own_queue")
def test_a_stalled_rescue_job_is_retried() -> None:
    """Periodic jobs of one task never run at the same time: the job of a dead worker would block all others."""
    app.configure_task(
        "inbound_admin.rescue", lock="inbound_admin.rescue", queueing_lock="rescue", queue="urgent"
    ).defer(timestamp=0)
    mark_as_running("inbound_admin.rescue", silent_for=16)
    assert retried_soon() == ["inbound_admin.rescue"]
    assert list(ProcrastinateJob.objects.values_list("status", flat=True)) == ["todo"]


@pytest.mark.usefixtures("own_queue")
def test_a_stalled_periodic_job_fails_when_its_next_run_is_queued() -> None:
    sweep = app.configure_task("domains.sweep", queueing_lock="sweep")
    sweep.defer(timestamp=0)
    mark_as_running("domains.sweep", silent_for=300)
    sweep.defer(timestamp=60)
    assert jobs.recover_stalled() == 1
    assert list(ProcrastinateJob.objects.order_by("id").values_list("status", flat=True)) == ["failed", "todo"]


@pytest.mark.usefixtures("own_queue")
def test_two_concurrent_rescues_retry_a_job_once(other_connection: "psycopg.Connection[Any]") -> None:
    domain = make_domain()
    domains_jobs.queue_set_up(domain)
    start_job(domain, 300)
    other_connection.autocommit = False
    parameters = {"tasks": None, "seconds": 30}
    assert len(other_connection.execute(jobs.TAKE_UP.encode(), parameters).fetchall()) == 1  # not committed yet
    assert jobs.recover_stalled() == 0
    other_connection.commit()
    assert jobs.recover_stalled() == 0
    assert waiting_jobs(domain) == ["domains.set_up"]


def mark_as_running(task: str, *, silent_for: int, **arguments: str) -> None:
    """Mark the job as running, in a worker whose last heartbeat was so many seconds ago."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - %s * interval '1 second') RETURNING id",
            [silent_for],
        )
        cursor.execute(
            "UPDATE procrastinate_jobs SET status = 'doing', worker_id = %s WHERE task_name = %s AND args @> %s::jsonb",
            [cursor.fetchone()[0], task, json.dumps(arguments)],
        )


def start_job(domain: Domain, silent_for: int) -> None:
    mark_as_running(
        ProcrastinateJob.objects.filter(args__domain_id=domain.id).earliest("id").task_name,
        silent_for=silent_for,
        domain_id=domain.id,
    )


def test_a_new_request_replaces_the_delay_of_an_earlier_job() -> None:
    domain = make_domain()
    domains_jobs.queue_set_up(domain, in_seconds=600)
    domains_jobs.queue_deletion(domain)
    assert not ProcrastinateJob.objects.filter(args__domain_id=domain.id, scheduled_at__isnull=False).exists()


def test_a_repair_keeps_the_delay_of_a_waiting_job() -> None:
    domain = make_domain()
    domains_jobs.queue_set_up(domain, in_seconds=600)
    domains_jobs.queue_set_up(domain, unless_running=True)
    assert ProcrastinateJob.objects.get(args__domain_id=domain.id).scheduled_at is not None
