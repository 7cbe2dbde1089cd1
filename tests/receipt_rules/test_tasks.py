"""The worker's jobs on receipt rules are queued once, retried, and never lost."""

import pytest
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob
from procrastinate.jobs import Job
from pytest_django import Settings

from inbound_admin.lib.errors import AwsUnreachable
from operations.reconciler import services as reconciler_services
from receipt_rules.addresses import services as addresses_services
from receipt_rules.models.runs import PendingChange, Run
from receipt_rules.tasks import LONGEST_WAIT_SECONDS, check_drift, queue_hourly_drift_check, work
from sandbox.process import Sandbox
from tests.receipt_rules.factories import make_verified, rule_count, set_up_receiving

pytestmark = pytest.mark.django_db


def queued_jobs() -> list[str]:
    return list(
        ProcrastinateJob.objects.filter(status="todo", task_name__startswith="receipt_rules.")
        .order_by("id")
        .values_list("task_name", flat=True)
    )


def test_many_changes_queue_one_job() -> None:
    for name in ("one.com", "two.com"):
        domain = make_verified(name)
        for local in "ab":
            addresses_services.add_address(text=f"{local}@{name}", customer=domain.customer, actor=None)
    assert queued_jobs().count("receipt_rules.work") == 1
    assert PendingChange.objects.count() == 2
    assert ProcrastinateJob.objects.get(task_name="receipt_rules.work").scheduled_at is not None


def test_the_sweep_requeues_lost_jobs_but_not_changes_that_wait_for_an_operator() -> None:
    reconciler_services.queue_unfinished()
    assert queued_jobs() == []
    change = PendingChange.objects.create(
        customer=make_verified().customer, changed_at=timezone.now(), waits_because="An operator must look."
    )
    reconciler_services.queue_unfinished()
    assert queued_jobs() == []
    PendingChange.objects.filter(pk=change.pk).update(waits_because="")
    reconciler_services.queue_unfinished()
    reconciler_services.queue_unfinished()
    assert queued_jobs() == ["receipt_rules.work"]


def test_a_run_without_a_job_is_queued_again() -> None:
    Run.objects.create(
        kind="approved", region="eu-west-1", digest="d", touched="t", summary="s", calls=3, state="running"
    )
    reconciler_services.queue_unfinished()
    assert queued_jobs() == ["receipt_rules.work"]


def test_the_hourly_drift_check_is_queued_once() -> None:
    queue_hourly_drift_check(timestamp=0)
    queue_hourly_drift_check(timestamp=3600)
    assert queued_jobs() == ["receipt_rules.look"]


def test_a_failed_aws_call_is_retried_within_the_longest_wait() -> None:
    job = Job(id=1, queue="default", lock=None, queueing_lock=None, task_name="any", attempts=1000)
    strategy = work.retry_strategy
    assert strategy is not None
    decision = strategy.get_retry_decision(exception=AwsUnreachable("away"), job=job)
    assert decision is not None
    assert decision.retry_at is not None
    assert 0 < (decision.retry_at - timezone.now()).total_seconds() <= LONGEST_WAIT_SECONDS
    assert strategy.get_retry_decision(exception=ValueError("ours"), job=job) is None


def test_the_jobs_apply_changes_and_check_drift(sandbox: Sandbox, settings: Settings) -> None:
    settings.RECEIVING_WAIT_SECONDS = 0
    set_up_receiving()
    domain = make_verified("shop.com")
    addresses_services.add_address(text="a@shop.com", customer=domain.customer, actor=None)
    work()
    check_drift()
    assert rule_count("a@shop.com") == 1
