"""Jobs go into the queue of their lane, and how long one takes is told from what is queued."""

import asyncio

import pytest
from asgiref.sync import sync_to_async
from django.db import connection, transaction
from procrastinate.contrib.django import app
from procrastinate.contrib.django.django_connector import DjangoConnector
from procrastinate.contrib.django.models import ProcrastinateJob
from pytest_django import Settings

from domains import jobs as domains_jobs
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


def fetched() -> str:
    """The task of the job that a worker would take next."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT task_name FROM procrastinate_fetch_job_v2(NULL, NULL)")
        return str(cursor.fetchone()[0])


def wait_since(seconds: float) -> None:
    """As if all that is queued had been asked for so long ago."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_events SET at = at - %s * interval '1 second'", [seconds])


def test_a_job_is_in_the_queue_and_has_the_priority_of_its_lane() -> None:
    tenants_jobs.queue_status(make_tenant())
    domains_jobs.set_up_soon(make_domain())
    operations_jobs.queue_migrations()
    assert queued() == {
        "tenants.status": ("urgent", WorkLane.URGENT),
        "domains.set_up": ("people", WorkLane.PEOPLE),
        "operations.migrate": ("background", WorkLane.BACKGROUND),
    }


def test_what_a_bulk_job_asks_for_waits_behind_what_a_person_asks_for_later() -> None:
    with lanes.within(WorkLane.BACKGROUND):
        domains_jobs.set_up_soon(make_domain())
    domains_jobs.configure_soon(make_domain())
    tenants_jobs.queue_status(make_tenant())
    assert [fetched() for _ in range(3)] == ["tenants.status", "domains.configure", "domains.set_up"]


def test_a_job_that_a_person_asks_for_too_is_moved_up_and_never_down() -> None:
    domain = make_domain()
    with lanes.within(WorkLane.BACKGROUND):
        domains_jobs.set_up_soon(domain)
    domains_jobs.set_up_soon(domain)
    with lanes.within(WorkLane.BACKGROUND):
        domains_jobs.set_up_soon(domain)
    assert waiting_jobs(domain) == ["domains.set_up"]
    assert queued()["domains.set_up"] == ("people", WorkLane.PEOPLE)


def test_a_sweep_leaves_what_a_bulk_import_waits_for_in_the_background() -> None:
    with lanes.within(WorkLane.BACKGROUND):
        domains_jobs.set_up_soon(make_domain("bulk.com"))
    with lanes.within(WorkLane.LOOKS):
        reconciler_services.queue_unfinished()
    assert queued()["domains.set_up"] == ("background", WorkLane.BACKGROUND)


@pytest.mark.parametrize("urgent", [tenants_jobs.queue_status, tenants_jobs.queue_policy])
def test_a_status_change_never_waits_for_the_tenants_other_jobs(urgent: object) -> None:
    assert callable(urgent)
    tenant = make_tenant()
    tenants_jobs.queue_associations(tenant)
    assert fetched() == "tenants.associate"
    urgent(tenant)
    assert fetched() in ("tenants.status", "tenants.policy")


def test_a_lock_is_waited_for_by_what_is_due_alone() -> None:
    tenant = make_tenant()
    tenants_jobs.queue_associations(tenant)
    fetched()
    lock = tenants_jobs.lock_of(tenant.pk)
    assert not jobs.is_waited_for(lock)
    jobs.queue("tenants.read", lock=lock, in_seconds=60, tenant_id=tenant.pk)
    assert not jobs.is_waited_for(lock)
    tenants_jobs.queue_read(tenant)
    assert jobs.is_waited_for(lock)
    assert not jobs.is_waited_for(lock, above=WorkLane.PEOPLE)


@pytest.mark.django_db(transaction=True)
def test_a_job_that_a_job_asks_for_is_undone_with_its_transaction_too() -> None:
    domain = make_domain()

    def ask() -> None:
        try:
            with transaction.atomic():
                domains_jobs.set_up_soon(domain)
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


def test_the_oldest_job_of_each_lane_has_an_age() -> None:
    assert set(jobs.oldest_waiting().values()) == {0}
    domains_jobs.set_up_soon(make_domain())
    wait_since(90)
    domains_jobs.set_up_soon(make_domain())
    ages = jobs.oldest_waiting()
    assert ages.pop(WorkLane.PEOPLE) == pytest.approx(90, abs=5)
    assert set(ages.values()) == {0}


def test_what_waits_for_its_time_and_what_runs_has_no_age() -> None:
    domains_jobs.set_up_later(make_domain(), seconds=60)
    wait_since(90)
    assert jobs.oldest_waiting()[WorkLane.PEOPLE] == 0
    domains_jobs.delete_soon(make_domain())
    fetched()
    assert jobs.oldest_waiting()[WorkLane.PEOPLE] == 0


def test_time_left_is_that_of_the_calls_when_nothing_else_is_queued(settings: Settings) -> None:
    settings.AWS_CALLS_PER_SECOND = 0.5
    operations_jobs.queue_migrations()
    assert jobs.seconds_left(task="operations.migrate", calls=10) == 20
    assert jobs.seconds_left(task="operations.migrate", calls=0) == 0


def test_time_left_counts_what_goes_first_and_what_runs_beside(settings: Settings) -> None:
    settings.AWS_CALLS_PER_SECOND, settings.WORKER_JOBS = 1, 4
    operations_jobs.queue_migrations()
    assert fetched() == "operations.migrate"
    alone = jobs.seconds_left(task="operations.migrate", calls=100)
    for _ in range(20):
        domains_jobs.set_up_soon(make_domain())
    assert jobs.seconds_left(task="operations.migrate", calls=100) == alone + 20 * 4


def test_what_waits_in_the_queue_says_the_time_of_those_before_it(settings: Settings) -> None:
    """It said “1 minute left” for fourteen, with 194 domains before it."""
    settings.AWS_CALLS_PER_SECOND = 1
    with lanes.within(WorkLane.BACKGROUND):
        for _ in range(194):
            domains_jobs.set_up_soon(make_domain())
    operations_jobs.queue_migrations()
    assert jobs.seconds_left(task="operations.migrate", calls=60) >= 194 * 4 + 60


def test_what_is_not_queued_yet_says_the_time_of_all_that_would_be_before_it(settings: Settings) -> None:
    settings.AWS_CALLS_PER_SECOND = 1
    assert jobs.seconds_left(task="operations.migrate", calls=60) == 60
    with lanes.within(WorkLane.BACKGROUND):
        for _ in range(50):
            domains_jobs.set_up_soon(make_domain())
    assert jobs.seconds_left(task="operations.migrate", calls=60) >= 50 * 4 + 60
