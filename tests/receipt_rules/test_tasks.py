"""The worker's jobs on receipt rules: queued once, tried again, and never lost."""

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
from tests.receipt_rules.factories import make_verified, set_up_receiving, taken

pytestmark = pytest.mark.django_db


def waiting() -> list[str]:
    return list(
        ProcrastinateJob.objects.filter(status="todo", task_name__startswith="receipt_rules.")
        .order_by("id")
        .values_list("task_name", flat=True)
    )


def test_many_changes_are_one_job() -> None:
    for name in ("one.com", "two.com"):
        domain = make_verified(name)
        for local in "ab":
            addresses_services.add_address(text=f"{local}@{name}", customer=domain.customer, actor=None)
    assert waiting().count("receipt_rules.work") == 1
    assert PendingChange.objects.count() == 2
    assert ProcrastinateJob.objects.get(task_name="receipt_rules.work").scheduled_at is not None


def test_the_sweep_queues_what_lost_its_job_and_leaves_what_waits_for_an_operator() -> None:
    reconciler_services.queue_unfinished()
    assert waiting() == []
    change = PendingChange.objects.create(
        customer=make_verified().customer, changed_at=timezone.now(), waits_because="An operator must look."
    )
    reconciler_services.queue_unfinished()
    assert waiting() == []
    PendingChange.objects.filter(pk=change.pk).update(waits_because="")
    reconciler_services.queue_unfinished()
    reconciler_services.queue_unfinished()
    assert waiting() == ["receipt_rules.work"]


def test_a_run_that_lost_its_job_is_queued_again() -> None:
    Run.objects.create(
        kind="approved", region="eu-west-1", digest="d", touched="t", summary="s", calls=3, state="running"
    )
    reconciler_services.queue_unfinished()
    assert waiting() == ["receipt_rules.work"]


def test_the_hourly_look_is_one_job() -> None:
    queue_hourly_drift_check(timestamp=0)
    queue_hourly_drift_check(timestamp=3600)
    assert waiting() == ["receipt_rules.look"]


def test_amazon_is_asked_again_and_never_later_than_a_minute() -> None:
    job = Job(id=1, queue="default", lock=None, queueing_lock=None, task_name="any", attempts=1000)
    strategy = work.retry_strategy
    assert strategy is not None
    decision = strategy.get_retry_decision(exception=AwsUnreachable("away"), job=job)
    assert decision is not None
    assert decision.retry_at is not None
    assert 0 < (decision.retry_at - timezone.now()).total_seconds() <= LONGEST_WAIT_SECONDS
    assert strategy.get_retry_decision(exception=ValueError("ours"), job=job) is None


def test_the_jobs_do_their_work(sandbox: Sandbox, settings: Settings) -> None:
    settings.RECEIVING_WAIT_SECONDS = 0
    set_up_receiving()
    domain = make_verified("shop.com")
    addresses_services.add_address(text="a@shop.com", customer=domain.customer, actor=None)
    work()
    check_drift()
    assert taken("a@shop.com") == 1
