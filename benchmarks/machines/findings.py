"""Counts the results: in the AWS stand-in, our rows, the change log and the queue."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from django.db import connection
from django.db.models import Q
from django.utils import timezone
from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateJob

from audit.models import Change
from benchmarks.machines.fire import Fire
from benchmarks.machines.work import Wish, Work, told
from benchmarks.rows import Row, at_least, at_most, shown
from domains.models.domains import Domain, Stage
from sandbox.values import Call
from tenants.models.tenants import Tenant

PACED = ("ses", "sesv2")
WINDOW = 10.0  # seconds of the sliding window
LATE = 2  # calls that a machine started when it was cut off; they arrive once it is connected again
CALLS_TO_PAUSE = 3.0
REST = 12.0  # seconds after which a killed process works again
ON_ITS_WAY = 3.0  # seconds in which a request makes further calls after SES confirmed it
FEWEST_CALM = 2
LONGEST = 90.0  # seconds: up to three workers in a row may die over it, each time 15 s of silence and 5 s until a check
PERIODIC_TWICE = """
    SELECT count(*) FROM (
        SELECT 1 FROM procrastinate_jobs WHERE args ? 'timestamp' GROUP BY task_name, args ->> 'timestamp'
        HAVING count(*) > 1
    ) AS twice
"""
PERIODIC = "SELECT count(*) FROM procrastinate_jobs WHERE args ? 'timestamp'"


def of_the_pace(calls: Sequence[Call], pace: float) -> Iterator[Row]:
    """Check the rate limit until the end phase. Sending mail has a limit of its own."""
    moments = sorted(
        call.at.timestamp() for call in calls if call.service in PACED and not call.operation.startswith("Send")
    )
    took = moments[-1] - moments[0] if moments else 0.0
    yield shown("calls that reached Amazon", len(moments), "calls")
    yield at_most("calls a second, on average", len(moments) / took if took else 0.0, "1/s", pace * 1.01)
    yield at_most(f"most calls within {WINDOW:g} s", most_within(moments, WINDOW), "calls", pace * WINDOW + 1 + LATE)


def most_within(moments: Sequence[float], seconds: float) -> int:
    """Return the largest number of `moments`, which are in order, within a window."""
    most, first = 0, 0
    for number, moment in enumerate(moments):
        while moment - moments[first] > seconds:
            first += 1
        most = max(most, number - first + 1)
    return most


def of_the_urgent(calls: Sequence[Call], wishes: Sequence[Wish], fire: Fire, pace: float) -> Iterator[Row]:
    """Measure from our response to the call at AWS, while bulk work waits. In the first rows nothing else is urgent."""
    reached = told(list(calls), list(wishes))
    waits = [(wish, max(0.0, reached[id(wish)] - wish.answered) * pace) for wish in wishes if id(wish) in reached]
    asked = [wish for wish in wishes if wish.answered]
    yield at_most("pauses and resumes that never reached Amazon", len(asked) - len(waits), "", 0)
    free = [(wish, wait) for wish, wait in waits if not wish.held]
    calm = [
        wait
        for wish, wait in free
        if fire.is_calm(wish.asked, reached[id(wish)], rest=REST) and is_alone(wish, wishes, reached)
    ]
    yield at_least("pauses and resumes while nothing was wrong and no other waited", len(calm), "", FEWEST_CALM)
    yield at_most("the slowest of them", max(calm, default=0.0), "calls' time", CALLS_TO_PAUSE)
    yield shown("pauses and resumes while something was wrong or another waited", len(free) - len(calm), "")
    yield shown("the slowest of those", max((wait for _, wait in free), default=0.0), "calls' time")
    held = [wait for wish, wait in waits if wish.held]
    yield shown("pauses and resumes while a job of the same tenant was not over", len(held), "")
    yield at_most("the slowest of those", max(held, default=0.0), "calls' time", LONGEST * pace)


def is_alone(wish: Wish, wishes: Sequence[Wish], reached: Mapping[int, float]) -> bool:
    """Return whether no earlier request was pending: those of a dead worker come together, once it is detected."""
    before = (each for each in wishes if each.asked < wish.asked)
    return all(reached.get(id(each), wish.asked + 1) + ON_ITS_WAY < wish.asked for each in before)


def of_the_clock() -> Iterator[Row]:
    """Check scheduled tasks, in three workers with several parts each."""
    with connection.cursor() as cursor:
        cursor.execute(PERIODIC)
        yield at_least("jobs by the clock", cursor.fetchone()[0], "", 1)
        cursor.execute(PERIODIC_TWICE)
        yield at_most("jobs by the clock that were queued twice for one moment", cursor.fetchone()[0], "", 0)


def of_the_queue() -> Iterator[Row]:
    """Check failed jobs. A scheduled job whose worker died fails if the next one waits, which does the same."""
    failed = ProcrastinateJob.objects.filter(status="failed").exclude(task_name__in=by_clock())
    names = ", ".join(sorted(set(failed.values_list("task_name", flat=True))))
    yield Row("jobs that failed for good", failed.count(), "", 0, not names, names)
    yield at_most("jobs that nobody finished", unfinished(), "", 0)


def unfinished() -> int:
    """Return running or due jobs, without scheduled ones."""
    waiting = Q(status="doing") | Q(status="todo") & ~Q(scheduled_at__gt=timezone.now())
    return ProcrastinateJob.objects.filter(waiting).exclude(task_name__in=by_clock()).count()


def by_clock() -> set[str]:
    return {each.task.name for each in app.periodic_registry.periodic_tasks.values()}


def of_the_domains(work: Work, calls: Iterable[Call]) -> Iterator[Row]:
    rows = Counter(Domain.objects.filter(name__in=work.names).values_list("name", flat=True))
    ready = Domain.objects.filter(name__in=work.names, stage=Stage.READY).count()
    yield shown("domains asked for", len(work.names), "")
    yield at_most("domains lost", len(set(work.names) - set(rows)), "", 0)
    yield at_most("domains that are there twice", sum(number > 1 for number in rows.values()), "", 0)
    yield at_most("domains not set up", len(rows) - ready, "", 0)
    made = Counter(call.subject for call in calls if (call.operation, call.outcome) == ("CreateEmailIdentity", "ok"))
    yield at_most("identities lost at Amazon", len(set(work.names) - set(made)), "", 0)
    yield at_most("identities created twice", sum(number > 1 for number in made.values()), "", 0)
    for what in ("domain.added", "domain.set_up"):
        logged = Counter(Change.objects.filter(what=what).values_list("object_name", flat=True))
        wrong = sum(logged[name] != 1 for name in work.names)
        yield at_most(f"domains without just one entry {what} in the change log", wrong, "", 0)


def of_the_tenants(work: Work) -> Iterator[Row]:
    """Check that the last request is in effect, and logged as often as it was made."""
    last = {wish.arn: wish.paused for wish in work.wishes if wish.answered}
    stands = {tenant.arn: tenant.staff_status != "ENABLED" for tenant in Tenant.objects.filter(arn__in=last)}
    yield at_most(
        "tenants that are not as asked last", sum(stands.get(arn) != paused for arn, paused in last.items()), "", 0
    )
    for what, paused in (("tenant.pause_asked", True), ("tenant.resume_asked", False)):
        asked = sum(wish.paused is paused for wish in work.wishes if wish.answered)
        yield at_most(
            f"entries {what} too many or too few", abs(Change.objects.filter(what=what).count() - asked), "", 0
        )
