"""A month of the demo's company, day by day, under a clock that is moved. Each act is one of the product's services.

Safe to repeat: what is there stays, and what was begun is finished.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import connection
from django.test.utils import override_settings
from django.utils import timezone

from audit import services as audit_services
from notifications.email import services as email_services
from receipt_rules.models.received_mail import ReceivedMail
from sandbox import mail_story, story
from sandbox.client import ControlClient
from sandbox.company import domains, mail, messages, people, reputation, webhooks
from sandbox.company.past import Past, past
from sandbox.panel import control

DAYS = 30
SECONDS = 60.0
WHY = "As the customer asked."
SHOWN_DAYS = 7
HOURS_A_STEP = 2
OLD = ("northwind-books.com", "harbourdental.co.uk")


def make() -> None:
    """Raises Problem when the sandbox does not answer or refuses."""
    story.people()
    if ReceivedMail.objects.filter(recipient=messages.FAILING[0]).exists():  # the last that happens
        return
    with _as_in_the_past(), control(SECONDS) as host, past(host) as clock, audit_services.acting(lambda: WHY):
        clock.go_to(days=DAYS)
        _begin(host, clock)
        with messages.product_answers(host):
            _weeks(host, clock)
            _last_days(host, clock)
    _forget_jobs()


def _forget_jobs() -> None:
    """What the jobs ask for is done. Whatever is not, the worker's sweep finds, as after any job that was lost."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_jobs WHERE status = 'todo'")


@contextmanager
def _as_in_the_past() -> Iterator[None]:
    """Mail of weeks ago goes to nobody, and a commit does not wait for the disk: there are thousands."""
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit TO off")
    try:
        with override_settings(EMAIL_BACKEND="django.core.mail.backends.dummy.EmailBackend"):
            yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("RESET synchronous_commit")


def _begin(host: ControlClient, clock: Past) -> None:
    """Customers come, receiving is set up."""
    people.add_customers()
    webhooks.add_targets(host)
    reputation.create_waiting()
    reputation.measure(host, days=DAYS)
    story.domains(only=OLD)
    domains.verified(host)
    clock.go_to(days=25)
    mail.wish(host)
    mail_story.mail()
    mail.apply("Receiving begins.")
    moved = mail.publish_mx(host, settings.AWS_REGION)
    domains.notice(host, *moved)


def _weeks(host: ControlClient, clock: Past) -> None:
    """From day to day what Amazon counts, what comes in, and what somebody does."""
    happens: dict[int, Callable[[], object]] = {
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
    letters = {day: (recipient, subject) for day, recipient, subject in messages.BY_DAY}
    for day in range(24, 2, -1):
        clock.go_to(days=day)
        reputation.measure(host, days=day)
        happens.get(day, _nothing)()
        if day in letters:
            messages.send(host, [letters[day]])
        if day <= SHOWN_DAYS:
            messages.send(host, messages.of_day(day))
        _night(day)
        if day <= SHOWN_DAYS:
            _by_the_clock(clock, since=day, until=day - 1)


def _suspend_pelican(host: ControlClient) -> None:
    reputation.suspend_pelican(host)
    reputation.read_standing()


def _nothing() -> None:
    """A quiet day."""


def _by_the_clock(clock: Past, *, since: float, until: float) -> None:
    """What the worker does every hour, for the plots of the last days; here every second hour."""
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


def _last_days(host: ControlClient, clock: Past) -> None:
    clock.go_to(days=2)
    _before_yesterday(host)
    _by_the_clock(clock, since=2, until=1)
    clock.go_to(days=1)
    reputation.measure(host, days=1)
    clock.go_to(days=0.9)
    _yesterday(host)
    _by_the_clock(clock, since=0.9, until=0.15)
    _today(host, clock)


def _before_yesterday(host: ControlClient) -> None:
    story.domains(only=[each.name for each in story.STORIES if each.name not in OLD])
    domains.fresh(host)
    reputation.measure(host, days=2)
    messages.send(host, messages.of_day(2))
    _tell()


def _yesterday(host: ControlClient) -> None:
    domains.take_away(host, domains.BROKEN_LATER, "dkim-3")
    mail.add_stray_rule()
    mail.look_for_drift()
    messages.send(host, messages.of_day(1))


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
    host.fail_sink(mail.FAILING, 1000)
    messages.send(host, [messages.HELD, *messages.of_day(0), messages.FAILING])
    _tell()
