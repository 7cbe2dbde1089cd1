"""Jobs are queued in their lane, and the remaining time is estimated from the queue."""

import asyncio
from typing import Any

import psycopg
import pytest
from asgiref.sync import sync_to_async
from django.db import connection, transaction
from procrastinate.contrib.django import app
from procrastinate.contrib.django.django_connector import DjangoConnector
from procrastinate.contrib.django.models import ProcrastinateJob
from pytest_django import Settings

from domains import jobs as domains_jobs
from domains.models.domains import Domain
from inbound_admin.lib import jobs, lanes
from inbound_admin.lib.lanes import WorkLane
from operations import jobs as operations_jobs
from operations.reconciler import services as reconciler_services
from tenants import jobs as tenants_jobs
from tests.domains.factories import make_domain, waiting_jobs
from tests.tenants.factories import make_tenant

pytestmark = pytest.mark.django_db


def queued() -> dict[str, tuple[str, int]]:
    rows = ProcrastinateJob.objects.filter(status="todo").order_by("id")
    return {
        name: (queue, priority) for name, queue, priority in rows.values_list("task_name", "queue_name", "priority")
    }


def waiting_key(domain: Domain) -> dict[str, str]:
    (job,) = ProcrastinateJob.objects.filter(args__domain_id=domain.pk)
    return {"task": job.task_name, "lock": job.lock or ""}


def fetch_next_task() -> str:
    """Fetch the next job as a worker does. Return its task."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT task_name FROM procrastinate_fetch_job_v2(NULL, NULL)")
        return str(cursor.fetchone()[0])


def age_jobs(seconds: float) -> None:
    """Make all queued jobs older by this time."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_events SET at = at - %s * interval '1 second'", [seconds])


def test_a_job_has_the_queue_and_priority_of_its_lane() -> None:
    tenants_jobs.queue_status(make_tenant())
    domains_jobs.queue_set_up(make_domain())
    operations_jobs.queue_migrations()
    assert queued() == {
        "tenants.status": ("urgent", WorkLane.URGENT),
        "domains.set_up": ("people", WorkLane.PEOPLE),
        "operations.migrate": ("background", WorkLane.BACKGROUND),
    }


def test_a_bulk_job_waits_behind_a_persons_later_job() -> None:
    with lanes.within(WorkLane.BACKGROUND):
        domains_jobs.queue_set_up(make_domain())
    domains_jobs.queue_configuration(make_domain())
    tenants_jobs.queue_status(make_tenant())
    assert [fetch_next_task() for _ in range(3)] == ["tenants.status", "domains.configure", "domains.set_up"]


def test_a_job_requested_by_a_person_moves_up_and_never_down() -> None:
    domain = make_domain()
    with lanes.within(WorkLane.BACKGROUND):
        domains_jobs.queue_set_up(domain)
    domains_jobs.queue_set_up(domain)
    with lanes.within(WorkLane.BACKGROUND):
        domains_jobs.queue_set_up(domain)
    assert waiting_jobs(domain) == ["domains.set_up"]
    assert queued()["domains.set_up"] == ("people", WorkLane.PEOPLE)


def test_a_sweep_leaves_jobs_of_a_bulk_import_in_the_background() -> None:
    with lanes.within(WorkLane.BACKGROUND):
        domains_jobs.queue_set_up(make_domain("bulk.com"))
    with lanes.within(WorkLane.LOOKS):
        reconciler_services.queue_unfinished()
    assert queued()["domains.set_up"] == ("background", WorkLane.BACKGROUND)


@pytest.mark.parametrize("urgent", [tenants_jobs.queue_status, tenants_jobs.queue_policy])
def test_a_status_change_does_not_wait_for_other_jobs_of_the_tenant(urgent: object) -> None:
    assert callable(urgent)
    tenant = make_tenant()
    tenants_jobs.queue_associations(tenant)
    assert fetch_next_task() == "tenants.associate"
    urgent(tenant)
    assert fetch_next_task() in ("tenants.status", "tenants.policy")


def test_only_due_jobs_wait_for_a_lock() -> None:
    tenant = make_tenant()
    tenants_jobs.queue_associations(tenant)
    fetch_next_task()
    lock = tenants_jobs.lock_of(tenant.pk)
    assert not jobs.is_waited_for(lock)
    jobs.queue("tenants.read", lock=lock, in_seconds=60, tenant_id=tenant.pk)
    assert not jobs.is_waited_for(lock)
    tenants_jobs.queue_read(tenant)
    assert jobs.is_waited_for(lock)
    assert not jobs.is_waited_for(lock, above=WorkLane.PEOPLE)


@pytest.mark.django_db(transaction=True)
def test_a_job_queued_by_a_job_is_rolled_back_with_its_transaction() -> None:
    domain = make_domain()

    def ask() -> None:
        try:
            with transaction.atomic():
                domains_jobs.queue_set_up(domain)
                transaction.set_rollback(True)
        finally:
            connection.close()

    async def as_the_worker_does() -> None:
        async with app.open_async():
            await sync_to_async(ask, thread_sensitive=False)()

    assert isinstance(app.connector, DjangoConnector)
    with app.replace_connector(app.connector.get_worker_connector()):
        asyncio.run(as_the_worker_does())
    assert waiting_jobs(domain) == []


FETCH = b"SELECT task_name FROM procrastinate_fetch_job_v2(NULL, NULL)"


@pytest.mark.django_db(transaction=True)
def test_a_waiting_job_does_not_start_before_the_request_that_relies_on_it_is_stored(
    other_connection: "psycopg.Connection[Any]",
) -> None:
    """Started earlier, it would not see what the request stores, and no other job was queued for that."""
    domain = make_domain()
    domains_jobs.queue_set_up(domain)
    with transaction.atomic():
        domains_jobs.queue_set_up(domain)
        assert other_connection.execute(FETCH).fetchone() == (None,)
    assert len(waiting_jobs(domain)) == 1
    assert other_connection.execute(FETCH).fetchone() == ("domains.set_up",)


@pytest.mark.django_db(transaction=True)
def test_a_job_that_a_worker_is_just_starting_is_followed_by_another(
    other_connection: "psycopg.Connection[Any]",
) -> None:
    domain = make_domain()
    domains_jobs.queue_set_up(domain)
    with other_connection.transaction():
        other_connection.execute(FETCH)
        with transaction.atomic():
            domains_jobs.queue_set_up(domain)
    assert len(waiting_jobs(domain)) == 1
    assert ProcrastinateJob.objects.filter(status="doing").count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_requests_rely_on_one_waiting_job_without_waiting_for_each_other(
    other_connection: "psycopg.Connection[Any]",
) -> None:
    domain = make_domain()
    domains_jobs.queue_set_up(domain)
    with other_connection.transaction():
        other_connection.execute(jobs.KEEP_WAITING.encode(), waiting_key(domain))
        with transaction.atomic():
            domains_jobs.queue_set_up(domain)
    assert len(waiting_jobs(domain)) == 1


def test_the_oldest_job_of_each_lane_has_an_age() -> None:
    assert set(jobs.oldest_waiting().values()) == {0}
    domains_jobs.queue_set_up(make_domain())
    age_jobs(90)
    domains_jobs.queue_set_up(make_domain())
    ages = jobs.oldest_waiting()
    assert ages.pop(WorkLane.PEOPLE) == pytest.approx(90, abs=5)
    assert set(ages.values()) == {0}


def test_scheduled_and_running_jobs_have_no_age() -> None:
    domains_jobs.queue_set_up(make_domain(), in_seconds=60)
    age_jobs(90)
    assert jobs.oldest_waiting()[WorkLane.PEOPLE] == 0
    domains_jobs.queue_deletion(make_domain())
    fetch_next_task()
    assert jobs.oldest_waiting()[WorkLane.PEOPLE] == 0


def test_the_time_left_of_a_single_job_is_that_of_its_calls(settings: Settings) -> None:
    settings.AWS_CALLS_PER_SECOND = 0.5
    operations_jobs.queue_migrations()
    assert jobs.seconds_left(task="operations.migrate", calls=10) == 20
    assert jobs.seconds_left(task="operations.migrate", calls=0) == 0


def test_the_time_left_includes_jobs_of_higher_lanes(settings: Settings) -> None:
    settings.AWS_CALLS_PER_SECOND, settings.WORKER_JOBS = 1, 4
    operations_jobs.queue_migrations()
    assert fetch_next_task() == "operations.migrate"
    alone = jobs.seconds_left(task="operations.migrate", calls=100)
    for _ in range(20):
        domains_jobs.queue_set_up(make_domain())
    assert jobs.seconds_left(task="operations.migrate", calls=100) == alone + 20 * 4


def test_the_time_left_of_a_queued_job_includes_those_before_it(settings: Settings) -> None:
    """The estimate once said “1 minute left” for fourteen minutes, with 194 domains queued first."""
    settings.AWS_CALLS_PER_SECOND = 1
    with lanes.within(WorkLane.BACKGROUND):
        for _ in range(194):
            domains_jobs.queue_set_up(make_domain())
    operations_jobs.queue_migrations()
    assert jobs.seconds_left(task="operations.migrate", calls=60) >= 194 * 4 + 60


def test_the_time_left_of_an_unqueued_job_includes_the_whole_queue(settings: Settings) -> None:
    settings.AWS_CALLS_PER_SECOND = 1
    assert jobs.seconds_left(task="operations.migrate", calls=60) == 60
    with lanes.within(WorkLane.BACKGROUND):
        for _ in range(50):
            domains_jobs.queue_set_up(make_domain())
    assert jobs.seconds_left(task="operations.migrate", calls=60) >= 50 * 4 + 60
