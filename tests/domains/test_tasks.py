"""The worker's jobs: which are retried, and after what delay."""

from typing import Any

import pytest
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob
from procrastinate.jobs import Job

from domains.tasks import sweep
from inbound_admin.lib.errors import AwsUnreachable
from inbound_admin.lib.jobs import LONGEST_WAIT_SECONDS, RetryUntilAwsAnswers
from operations.reconciler import services as reconciler_services
from tests.domains.factories import make_domain


def job(attempts: int) -> Job:
    return Job(id=1, queue="default", lock=None, queueing_lock=None, task_name="any", attempts=attempts)


def delay_after(attempts: int) -> float:
    decision = RetryUntilAwsAnswers().get_retry_decision(exception=AwsUnreachable("away"), job=job(attempts))
    assert decision is not None
    assert decision.retry_at is not None
    return (decision.retry_at - timezone.now()).total_seconds()


def test_an_unreachable_aws_is_retried_soon_and_never_given_up() -> None:
    assert delay_after(0) < 3
    assert delay_after(3) > delay_after(1)
    assert delay_after(10_000) <= LONGEST_WAIT_SECONDS


def test_our_own_error_is_not_retried() -> None:
    assert RetryUntilAwsAnswers().get_retry_decision(exception=ValueError("ours"), job=job(0)) is None


@pytest.mark.django_db
def test_the_sweep_queues_one_check() -> None:
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
def test_an_unfinished_domain_without_a_job_is_queued_again(fields: dict[str, Any], task: str | None) -> None:
    make_domain("shop.com", **fields)
    reconciler_services.queue_unfinished()
    reconciler_services.queue_unfinished()
    jobs = ProcrastinateJob.objects.filter(task_name__startswith="domains.")
    assert list(jobs.values_list("task_name", flat=True)) == ([task] if task else [])
