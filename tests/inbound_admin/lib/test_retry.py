"""When a job is tried again."""

import pytest
from django.db import IntegrityError, InterfaceError, OperationalError
from procrastinate.contrib.django import app
from procrastinate.jobs import Job

from inbound_admin.lib.errors import AwsBusy


def is_tried_again(task: str, problem: BaseException) -> bool:
    job = Job(id=1, lock=None, queueing_lock=None, task_name=task, queue="people", task_kwargs={}, attempts=1)
    return bool(app.tasks[task].get_retry_exception(exception=problem, job=job))


@pytest.mark.parametrize("task", ["tenants.status", "domains.set_up", "domains.check_due", "notifications.deliver"])
@pytest.mark.parametrize("gone", [OperationalError("the server closed the connection"), InterfaceError("closed")])
def test_a_job_that_lost_its_database_is_tried_again(task: str, gone: Exception) -> None:
    assert is_tried_again(task, gone)


def test_a_mistake_of_ours_is_not_tried_again() -> None:
    assert not is_tried_again("domains.set_up", IntegrityError("twice"))
    assert not is_tried_again("domains.check_due", ValueError("x"))


def test_a_tasks_own_rule_stays() -> None:
    assert is_tried_again("domains.set_up", AwsBusy("Amazon is busy."))
    assert not is_tried_again("domains.check_due", AwsBusy("Amazon is busy."))


def test_a_job_by_the_clock_leaves_it_to_the_next_one() -> None:
    """Else the one that waits would keep it from being queued."""
    assert not is_tried_again("domains.sweep", OperationalError("gone"))
