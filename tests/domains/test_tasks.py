"""The worker's jobs: what is tried again, and how long it waits."""

from typing import Any

import pytest
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob
from procrastinate.jobs import Job

from domains.tasks import sweep
from inbound_admin.lib.errors import AwsUnreachable
from inbound_admin.lib.retry import LONGEST_WAIT_SECONDS, RetryUntilAwsAnswers
from operations.reconciler import services as reconciler_services
from tests.domains.factories import make_domain


def job(attempts: int) -> Job:
    return Job(id=1, queue="default", lock=None, queueing_lock=None, task_name="any", attempts=attempts)


def waits(attempts: int) -> float:
    decision = RetryUntilAwsAnswers().get_retry_decision(exception=AwsUnreachable("away"), job=job(attempts))
    assert decision is not None
    assert decision.retry_at is not None
    return (decision.retry_at - timezone.now()).total_seconds()


def test_amazon_is_asked_again_soon_at_first_and_never_given_up() -> None:
    assert waits(0) < 3
    assert waits(3) > waits(1)
    assert waits(10_000) <= LONGEST_WAIT_SECONDS


def test_a_fault_of_our_own_is_not_tried_for_ever() -> None:
    assert RetryUntilAwsAnswers().get_retry_decision(exception=ValueError("ours"), job=job(0)) is None


@pytest.mark.django_db
def test_the_sweep_queues_one_look_however_often_it_runs() -> None:
    sweep(timestamp=0)
    sweep(timestamp=60)
    assert ProcrastinateJob.objects.filter(task_name="domains.check_due", status="todo").count() == 1


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("fields", "task"),
    [
        ({"stage": "starting"}, "domains.set_up"),
        ({"stage": "deleting"}, None),
        ({"stage": "deleting", "routes_removed_at": timezone.now()}, "domains.delete"),
        ({"stage": "ready", "mail_from_label": "return", "ses_mail_from": "bounce.shop.com"}, "domains.configure"),
        ({"stage": "ready", "mail_from_label": "", "ses_mail_from": "bounce.shop.com"}, "domains.configure"),
        ({"stage": "ready", "mail_from_label": "", "dkim_signing": False}, "domains.configure"),
        ({"stage": "ready", "mail_from_label": "", "new_dkim_wanted": True}, "domains.configure"),
        ({"stage": "ready", "mail_from_label": ""}, None),
        ({"stage": "ready", "mail_from_label": "bounce", "ses_mail_from": "bounce.shop.com"}, None),
        ({"stage": "claim"}, None),
    ],
)
def test_what_was_begun_and_lost_its_job_is_queued_again(fields: dict[str, Any], task: str | None) -> None:
    make_domain("shop.com", **fields)
    reconciler_services.queue_unfinished()
    reconciler_services.queue_unfinished()
    jobs = ProcrastinateJob.objects.filter(task_name__startswith="domains.")
    assert list(jobs.values_list("task_name", flat=True)) == ([task] if task else [])
