"""The worker's jobs of alerts, as they are queued and run."""

from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.utils import timezone
from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateJob
from pytest_django import DjangoAssertNumQueries

from notifications import tasks as notifications_tasks
from notifications.events.services import emit
from notifications.models.alerts import Alert
from notifications.models.webhooks import Delivery
from operations.reconciler import services as reconciler_services
from tests.factories import make_customer, make_member
from tests.notifications.factories import Receiver, domain_subject, make_target, raise_alert

pytestmark = pytest.mark.django_db


def _run_queued() -> list[str]:
    """Run the queued jobs as a worker does. Return their tasks."""
    jobs = list(ProcrastinateJob.objects.filter(status="todo", task_name__startswith="notifications.").order_by("id"))
    for job in jobs:
        task: Any = app.tasks[job.task_name]
        task(**job.args)
    return [job.task_name for job in jobs]


def test_the_job_of_an_event_delivers_it(receiver: Receiver) -> None:
    make_target(receiver.url)
    emit(event="domain.verified", about=domain_subject(""))
    assert _run_queued() == ["notifications.deliver"]
    assert receiver.received[0].json["type"] == "domain.verified"


def test_the_job_of_an_alert_emails_it() -> None:
    customer = make_customer()
    alice = make_member(customer)
    raise_alert(customer.id, at=timezone.now())
    assert "notifications.mail" in _run_queued()
    assert [sent.to for sent in mail.outbox] == [[alice.email]]


def test_the_sweep_queues_lost_jobs_once(receiver: Receiver) -> None:
    make_target(receiver.url)
    make_member(customer := make_customer())
    raise_alert(customer.id, at=timezone.now())
    ProcrastinateJob.objects.all().delete()
    Delivery.objects.update(next_attempt_at=timezone.now() - timedelta(hours=1))
    for _ in range(2):
        reconciler_services.queue_unfinished()
    assert _run_queued() == ["notifications.deliver", "notifications.mail"]
    assert len(receiver.received) == 1
    assert len(mail.outbox) == 1


def test_the_sweep_queues_nothing_if_nothing_is_due() -> None:
    reconciler_services.queue_unfinished()
    assert not ProcrastinateJob.objects.filter(task_name__startswith="notifications.").exists()


def test_the_check_for_unmuted_alerts_makes_one_query_if_none_waits(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    for _ in range(3):
        raise_alert(make_customer().id)
    with django_assert_num_queries(1):
        notifications_tasks.notify_unmuted(timestamp=0)


def test_resolved_alerts_are_deleted_at_night() -> None:
    customer = make_customer()
    alert = raise_alert(customer.id)
    Alert.objects.update(state="recovered", recovered_at=timezone.now() - timedelta(days=1000))
    notifications_tasks.clear(timestamp=0)
    assert not Alert.objects.filter(pk=alert.pk).exists()
