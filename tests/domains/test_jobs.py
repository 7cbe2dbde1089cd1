"""Jobs are queued with what makes them necessary, once, and taken up again when their worker dies."""

from collections.abc import Callable, Iterator

import pytest
from django.db import connection, transaction
from procrastinate.contrib.django.models import ProcrastinateJob

from domains import jobs as domains_jobs
from domains.models.domains import Domain
from inbound_admin.lib import jobs
from tests.domains.making import make_domain, waiting_jobs

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


def begun(domain: Domain, silent_for: int) -> None:
    """As if a worker had begun the domain's job and was last heard of so many seconds ago."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - %s * interval '1 second') RETURNING id",
            [silent_for],
        )
        cursor.execute(
            "UPDATE procrastinate_jobs SET status = 'doing', worker_id = %s WHERE args->>'domain_id' = %s",
            [cursor.fetchone()[0], domain.id],
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
