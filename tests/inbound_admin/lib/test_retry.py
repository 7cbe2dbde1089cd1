"""When a job is retried."""

import pytest
from django.db import IntegrityError, InterfaceError, OperationalError
from procrastinate.contrib.django import app
from procrastinate.jobs import Job

from inbound_admin.lib.errors import AwsBusy


def is_retried(task: str, problem: BaseException) -> bool:
    job = Job(id=1, lock=None, queueing_lock=None, task_name=task, queue="people", task_kwargs={}, attempts=1)
    return bool(app.tasks[task].get_retry_exception(exception=problem, job=job))


@pytest.mark.parametrize("task", ["tenants.status", "domains.set_up", "domains.check_due", "notifications.deliver"])
@pytest.mark.parametrize("gone", [OperationalError("the server closed the connection"), InterfaceError("closed")])
def test_a_job_that_lost_its_database_is_retried(task: str, gone: Exception) -> None:
    assert is_retried(task, gone)


def test_our_own_error_is_not_retried() -> None:
    assert not is_retried("domains.set_up", IntegrityError("twice"))
    assert not is_retried("domains.check_due", ValueError("x"))


def test_a_tasks_own_retry_rule_applies() -> None:
    assert is_retried("domains.set_up", AwsBusy("Amazon is busy."))
    assert not is_retried("domains.check_due", AwsBusy("Amazon is busy."))


def test_a_periodic_job_is_left_to_its_next_run() -> None:
    """Otherwise the queued next run would prevent queueing it again."""
    assert not is_retried("domains.sweep", OperationalError("gone"))
