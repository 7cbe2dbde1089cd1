"""Builds a month of the demo's history, day by day, with a moved clock. Each act calls one of the product's services.

Repeatable, also after an interruption: existing parts are kept, and the last one is made again.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

from django.conf import settings
from django.db import connection
from django.test.utils import override_settings
from django.utils import timezone
from procrastinate.contrib.django.django_connector import DjangoConnector
from procrastinate.jobs import Job
from procrastinate.manager import JobManager

from audit import services as audit_services
from inbound_admin.lib import jobs
from notifications.email import services as email_services
from receipt_rules.models.received_mail import ReceivedMail
from sandbox import mail_story, story
from sandbox.client import ControlClient
from sandbox.company import domains, mail, messages, people, reputation, webhooks
from sandbox.company.past import Past, past
from sandbox.demo_progress import ProgressFile
from sandbox.panel import control

DAYS = 30
SECONDS = 60.0
WHY = "As the customer asked."
SHOWN_DAYS = 7
HOURS_A_STEP = 2
OLD = ("northwind-books.com", "harbourdental.co.uk")
Part = Callable[[ControlClient, Past], None]


def make(progress: ProgressFile) -> None:
    """Raises Problem if the sandbox doesn't answer or refuses."""
    begun = progress.read()
    if begun is None and ReceivedMail.objects.filter(recipient=messages.FAILING[0]).exists():  # the last event
        return
    with _as_in_the_past(), control(SECONDS) as host, past(host) as clock, audit_services.acting(lambda: WHY):
        mail.restore_limits(host)
        clock.go_to(days=DAYS)
        _make_parts(host, clock, progress, first=begun.done if begun else 0)


def _make_parts(host: ControlClient, clock: Past, progress: ProgressFile, *, first: int) -> None:
    """Make the parts from `first` on; an interrupted seed made the others."""
    parts = _parts()
    with ExitStack() as stack:
        for number, part in enumerate(parts[first:], first):
            progress.note(number, len(parts))
            if number == max(first, 1):
                stack.enter_context(messages.product_answers(host))
            with _without_jobs():
                part(host, clock)


def _parts() -> list[Part]:
    """Return the parts from the first day to the last. Mail arrives from the second day on."""
    return [_begin, *(partial(_day, day) for day in range(24, 2, -1)), _before_yesterday, _yesterday, _today]


class _NotingManager(JobManager):
    """Queues jobs as the product does, and records their IDs, in whichever thread."""

    def __init__(self) -> None:
        super().__init__(DjangoConnector())
        self.noted: list[int | None] = []

    def defer_job(self, job: Job, connection: Any = None) -> Job:
        made = super().defer_job(job, connection)
        self.noted.append(made.id)
        return made


@contextmanager
def _without_jobs() -> Iterator[None]:
    """Delete the jobs that we queue ourselves, whose work is done here. The worker's sweep finds the rest."""
    before, noting = jobs.IN_TRANSACTION, _NotingManager()
    jobs.IN_TRANSACTION = noting
    try:
        yield
    finally:
        jobs.IN_TRANSACTION = before
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_jobs WHERE status = 'todo' AND id = ANY(%s)", [noting.noted])


@contextmanager
def _as_in_the_past() -> Iterator[None]:
    """Send no email for past events, and don't wait for the disk at commits, of which there are thousands."""
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit TO off")
    logging.disable(logging.WARNING)  # failing webhooks and refused SES calls are part of the story
    try:
        with override_settings(EMAIL_BACKEND="django.core.mail.backends.dummy.EmailBackend"):
            yield
    finally:
        logging.disable(logging.NOTSET)
        with connection.cursor() as cursor:
            cursor.execute("RESET synchronous_commit")


def _begin(host: ControlClient, clock: Past) -> None:
    """Add staff and customers, and set up receiving."""
    story.people()
    people.add_customers()
    webhooks.add_targets(host)
    reputation.create_waiting()
    reputation.measure(host, days=DAYS)
    story.domains(only=OLD)
    domains.verified(host)
    clock.go_to(days=25)
    mail.add_addresses(host)
    mail_story.mail()
    mail.apply("Receiving begins.")
    moved = mail.publish_mx(host, settings.AWS_REGION)
    domains.notice(host, *moved)


def _day(day: int, host: ControlClient, clock: Past) -> None:
    """Make a day: SES's metrics, received mail, and what people do."""
    clock.go_to(days=day)
    reputation.measure(host, days=day)
    _happens(host).get(day, _nothing)()
    messages.send(host, [(to, subject) for then, to, subject in messages.BY_DAY if then == day])
    if day <= SHOWN_DAYS:
        messages.send(host, messages.of_day(day))
    _night(day)
    if day <= SHOWN_DAYS:
        _by_the_clock(clock, since=day, until=day - 1)


def _happens(host: ControlClient) -> dict[int, Callable[[], object]]:
    """Return events by day, as days ago."""
    return {
        21: mail.add_foreign_rule,
        19: lambda: domains.take_away(host, domains.BROKEN_AND_MENDED, "dkim-2"),
        18: lambda: domains.put_back(host, domains.BROKEN_AND_MENDED),
        15: mail.change_by_themselves,
        11: lambda: mail.fail_a_run(host),
        10: lambda: mail.apply("Again, now that Amazon has raised the quota."),
        9: lambda: domains.forgotten(host),
        4: reputation.pause_brightwater,
        3: lambda: _suspend_pelican(host),
    }


def _suspend_pelican(host: ControlClient) -> None:
    reputation.suspend_pelican(host)
    reputation.read_standing()


def _nothing() -> None:
    """Do nothing on this day."""


def _by_the_clock(clock: Past, *, since: float, until: float) -> None:
    """Do the worker's hourly work every second hour, for the plots of the last days."""
    step = HOURS_A_STEP / 24
    for number in range(round((since - until) / step) + 1):
        clock.go_to(days=since - number * step)
        domains.look_in_passing()


def _night(day: int) -> None:
    if day in (17, 4):
        reputation.read_rates()
    if day in (16, 6):
        reputation.read_standing()
    if day == 10:
        domains.check_due()
    if day > SHOWN_DAYS:
        domains.look_in_passing()
    _tell()


def _tell() -> None:
    now = timezone.now()
    webhooks.deliver_due(now)
    email_services.send_due(now=now)


def _before_yesterday(host: ControlClient, clock: Past) -> None:
    clock.go_to(days=2)
    story.domains(only=[each.name for each in story.STORIES if each.name not in OLD])
    domains.fresh(host)
    reputation.measure(host, days=2)
    messages.send(host, messages.of_day(2))
    _tell()
    _by_the_clock(clock, since=2, until=1)


def _yesterday(host: ControlClient, clock: Past) -> None:
    clock.go_to(days=1)
    reputation.measure(host, days=1)
    clock.go_to(days=0.95)
    domains.take_away(host, domains.BROKEN_LATER, "dkim-3")
    mail.add_stray_rule()
    mail.look_for_drift()
    domains.look_in_passing()
    messages.send(host, messages.of_day(1))
    for step in range(10):
        clock.go_to(days=0.9 - step * HOURS_A_STEP / 24)
        domains.look_in_passing()
        messages.send(host, [messages.EACH_DAY[step % len(messages.EACH_DAY)]], once_in_hours=1)


def _today(host: ControlClient, clock: Past) -> None:
    for hours in (3.4, 2.2, 1.1):
        clock.go_to(days=hours / 24)
        reputation.begin_migration()
        reputation.go_on_with_migration()
        domains.look_in_passing()
    clock.go_to(days=0.01)
    reputation.measure(host, days=0)
    reputation.read_rates()
    reputation.read_standing()
    host.tick()
    domains.check_due()
    domains.look_in_passing()
    mail.look_for_drift()  # so the rules were read in the last minutes
    host.fail_sink(mail.FAILING, 1000)
    messages.send(host, [messages.HELD, *messages.of_day(0), messages.FAILING])
    _tell()
