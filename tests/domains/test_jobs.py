"""Jobs are queued with what makes them necessary, once, and taken up again when their worker dies."""

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


@pytest.mark.parametrize("ask", [domains_jobs.set_up_soon, domains_jobs.configure_soon, domains_jobs.delete_soon])
def test_asking_twice_is_asking_once_and_the_transaction_goes_on(ask: Callable[[Domain], None]) -> None:
    domain = make_domain()
    with transaction.atomic():
        ask(domain)
        ask(domain)
        Domain.objects.filter(pk=domain.pk).update(note="still alive")
    assert len(waiting_jobs(domain)) == 1
    domain.refresh_from_db()
    assert domain.note == "still alive"


def test_a_job_is_undone_with_the_transaction_that_asked_for_it() -> None:
    domain = make_domain()
    with transaction.atomic():
        domains_jobs.delete_soon(domain)
        transaction.set_rollback(True)
    assert waiting_jobs(domain) == []


def test_jobs_of_one_domain_take_turns_and_those_of_another_do_not_wait() -> None:
    one, other = make_domain(), make_domain()
    for domain in (one, other):
        domains_jobs.set_up_soon(domain)
        domains_jobs.delete_soon(domain)
    locks = ProcrastinateJob.objects.order_by("id").values_list("lock", flat=True)
    assert list(locks) == [f"domain {one.id}"] * 2 + [f"domain {other.id}"] * 2


def test_one_look_at_all_that_is_due_waits_however_often_it_is_asked_for() -> None:
    for _ in range(3):
        domains_jobs.check_soon()
    assert ProcrastinateJob.objects.filter(task_name=domains_jobs.CHECK_DUE).count() == 1


def test_setting_up_later_has_its_time() -> None:
    domain = make_domain()
    domains_jobs.set_up_later(domain, seconds=60)
    job = ProcrastinateJob.objects.get(args__domain_id=domain.id)
    assert job.scheduled_at is not None


@pytest.fixture
def own_queue(transactional_db: None) -> Iterator[None]:
    """Procrastinate's tables are not of those that a test database is emptied of."""
    yield
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_jobs")
        cursor.execute("DELETE FROM procrastinate_workers")


@pytest.mark.usefixtures("own_queue")
def test_the_job_of_a_worker_that_died_is_taken_up_and_that_of_a_live_one_is_not() -> None:
    dead, alive = make_domain(), make_domain()
    for domain, silent_for in ((dead, 300), (alive, 0)):
        domains_jobs.set_up_soon(domain)
        begun(domain, silent_for)
    assert jobs.recover_stalled() == 1
    assert waiting_jobs(dead) == ["domains.set_up"]
    assert waiting_jobs(alive) == []
    assert jobs.recover_stalled() == 0


@pytest.mark.usefixtures("own_queue")
def test_where_another_waits_already_the_one_that_died_goes_back_beside_it() -> None:
    domain = make_domain()
    domains_jobs.set_up_soon(domain)
    begun(domain, 300)
    domains_jobs.set_up_soon(domain)
    assert jobs.recover_stalled() == 1
    queued = ProcrastinateJob.objects.filter(args__domain_id=domain.id).order_by("id")
    assert list(queued.values_list("status", flat=True)) == ["todo", "todo"]


def taken_up_soon() -> list[str]:
    """As each worker does every few seconds."""
    with connection.cursor() as cursor:
        cursor.execute(jobs.TAKE_UP, jobs.TAKE_UP_SOON)
        return [task for _, task in cursor.fetchall()]


@pytest.mark.usefixtures("own_queue")
def test_a_pause_of_a_worker_that_died_waits_for_fifteen_seconds_of_silence_and_other_work_for_thirty() -> None:
    pausing, slow = make_tenant(make_customer("Alice")), make_tenant(make_customer("Bob"))
    tenants_jobs.queue_status(pausing)
    tenants_jobs.queue_status(slow)
    died("tenants.status", silent_for=16, tenant_id=pausing.pk)
    died("tenants.status", silent_for=14, tenant_id=slow.pk)
    domain = make_domain()
    domains_jobs.set_up_soon(domain)
    begun(domain, 29)
    assert taken_up_soon() == ["tenants.status"]
    assert jobs.recover_stalled() == 0
    todo = ProcrastinateJob.objects.filter(status="todo")
    assert [(each.args["tenant_id"], each.attempts) for each in todo] == [(pausing.pk, 1)]


@pytest.mark.usefixtures("own_queue")
def test_the_rescue_itself_is_taken_up_since_no_other_runs_while_its_lock_is_held() -> None:
    """Jobs by the clock of one task never run at the same time: that of a dead worker would hold all others up."""
    app.configure_task(
        "inbound_admin.rescue", lock="inbound_admin.rescue", queueing_lock="rescue", queue="urgent"
    ).defer(timestamp=0)
    died("inbound_admin.rescue", silent_for=16)
    assert taken_up_soon() == ["inbound_admin.rescue"]
    assert list(ProcrastinateJob.objects.values_list("status", flat=True)) == ["todo"]


@pytest.mark.usefixtures("own_queue")
def test_one_by_the_clock_whose_next_waits_already_fails() -> None:
    asked = app.configure_task("domains.sweep", queueing_lock="sweep")
    asked.defer(timestamp=0)
    died("domains.sweep", silent_for=300)
    asked.defer(timestamp=60)
    assert jobs.recover_stalled() == 1
    assert list(ProcrastinateJob.objects.order_by("id").values_list("status", flat=True)) == ["failed", "todo"]


@pytest.mark.usefixtures("own_queue")
def test_of_two_workers_that_look_at_once_one_takes_the_job_up(other_connection: "psycopg.Connection[Any]") -> None:
    domain = make_domain()
    domains_jobs.set_up_soon(domain)
    begun(domain, 300)
    other_connection.autocommit = False
    asked = {"tasks": None, "seconds": 30}
    assert len(other_connection.execute(jobs.TAKE_UP.encode(), asked).fetchall()) == 1  # and is not committed yet
    assert jobs.recover_stalled() == 0
    other_connection.commit()
    assert jobs.recover_stalled() == 0
    assert waiting_jobs(domain) == ["domains.set_up"]


def died(task: str, *, silent_for: int, **arguments: str) -> None:
    """As if a worker had begun this job and was last heard of so many seconds ago."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - %s * interval '1 second') RETURNING id",
            [silent_for],
        )
        cursor.execute(
            "UPDATE procrastinate_jobs SET status = 'doing', worker_id = %s WHERE task_name = %s AND args @> %s::jsonb",
            [cursor.fetchone()[0], task, json.dumps(arguments)],
        )


def begun(domain: Domain, silent_for: int) -> None:
    died(
        ProcrastinateJob.objects.filter(args__domain_id=domain.id).earliest("id").task_name,
        silent_for=silent_for,
        domain_id=domain.id,
    )


def test_what_is_asked_anew_does_not_wait_for_an_earlier_jobs_time() -> None:
    domain = make_domain()
    domains_jobs.set_up_later(domain, seconds=600)
    domains_jobs.delete_soon(domain)
    assert not ProcrastinateJob.objects.filter(args__domain_id=domain.id, scheduled_at__isnull=False).exists()


def test_a_repair_waits_for_it() -> None:
    domain = make_domain()
    domains_jobs.set_up_later(domain, seconds=600)
    domains_jobs.set_up_soon(domain, unless_running=True)
    assert ProcrastinateJob.objects.get(args__domain_id=domain.id).scheduled_at is not None
