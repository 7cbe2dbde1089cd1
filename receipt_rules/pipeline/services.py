"""Measures what happens to mail after SES accepts it: CloudWatch metrics, the function's log, and the bucket's objects.

Each part is read separately, so a failed read hides no other part. No message is opened.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Generic, TypeVar

from django.conf import settings
from django.core.cache import cache
from django.db.models import Count
from django.utils import timezone

from domains.models.domains import Domain
from inbound_admin.lib.cloudwatch import MOST_QUERIES
from inbound_admin.lib.errors import AwsMissing, AwsProblem
from receipt_rules.alerts import services as alerts_services
from receipt_rules.function_key.selectors import key_report, last_lookup
from receipt_rules.live import selectors as live_selectors
from receipt_rules.models.received_mail import DeliveryOutcome, ReceivedMail
from receipt_rules.permissions import services as permissions_services
from receipt_rules.pipeline import gateway
from receipt_rules.pipeline.core import (
    ACTIVE,
    OF_A_RULE,
    DeadLetters,
    FunctionMetric,
    Health,
    LogLine,
    QueueMetric,
    RuleMetric,
    Series,
    StoredMail,
    health,
)
from receipt_rules.receiving_setup import gateway as receiving_setup_gateway

Part = TypeVar("Part")
KEPT_SECONDS = 60  # ten viewers of the page cost one read
PAGES_OF_OBJECTS = 5  # of a thousand objects each
PAGES_OF_LOG = 10
MOST_LINES = 50
MOST_NAMED = 3  # endpoints, in the alert
ERROR = "ERROR"  # the level as Lambda's logger writes it
LOST_FOR = timedelta(hours=24)
IN_QUEUE_FOR = timedelta(hours=2)  # CloudWatch has a full hour's values by then
NO_LOOKUP = (
    "In that time no route lookup was answered, so no mail was delivered: the function doesn't reach this site, or "
    "its API key isn't one of ours. Its log has the answer; docs/receiving.md says how to replace the key."
)
TRIED_AGAIN = "SES retries for up to 36 hours, then the message is lost."


@dataclass(frozen=True)
class ReadResult(Generic[Part]):
    """A value, or a sentence why it couldn't be read; never both."""

    value: Part | None
    problem: str = ""


def rule_metrics(*, start: datetime, end: datetime) -> ReadResult[tuple[Series, ...]]:
    """Return hourly metrics of the active set and of every rule in the set as last read."""
    return _read_cached(f"rules {start:%Y%m%d%H}", lambda: _rules(start, end))


def function_metrics(*, start: datetime, end: datetime) -> ReadResult[tuple[Series, ...]]:
    return _read_cached(f"functions {start:%Y%m%d%H}", lambda: _functions(start, end))


def last_errors(*, since: datetime, domain: Domain | None) -> ReadResult[tuple[LogLine, ...]]:
    """Return the newest errors of the deployment's function first; with a domain, those that name it."""
    return _read_cached(f"log {since:%Y%m%d%H} {domain.pk if domain else ''}", lambda: _errors(since, domain))


def dead_letters(*, now: datetime) -> ReadResult[DeadLetters]:
    """Return what the function couldn't deliver for a day, in the queue as the template names it."""
    queue = f"{settings.RECEIVING_FUNCTION.rpartition(':function:')[2]}-dead-letters"
    return _read_cached(f"queue {queue}", lambda: _dead_letters(queue, now))


def recently_stored(*, prefix: str) -> ReadResult[StoredMail]:
    return _read_cached(f"stored {prefix}", lambda: _stored(str(settings.RECEIVING_BUCKET), prefix))


def check_for_lost_mail(*, now: datetime) -> Health:
    """Update the alerts for lost mail (PublishExpired above zero) and failures.

    Raises AwsProblem without changing them.
    """
    found = health(_rules(now - LOST_FOR, now))
    lost = f"{_messages(found.lost)} lost in a day. {_where(found.losing_rules)}"
    failing = f"Delivery failed {found.failed} times in a day. {TRIED_AGAIN} {_where(found.failing_rules)}"
    update = partial(alerts_services.observe, now=now)
    with ExitStack() as both:  # if one raises, the others are still done
        both.callback(_check_function, now)
        both.callback(update, "receiving.failing", failing if found.failed else "", severity="medium")
        both.callback(update, "receiving.lost", lost if found.lost else "")
    return found


def _check_function(now: datetime) -> None:
    since, why = now - timedelta(hours=1), ""
    if errors := int(sum(one.total for one in _functions(since, now) if one.metric == FunctionMetric.ERRORS)):
        why = f"The function failed {errors} times in the last hour. {_failing_because(since, now)}".strip()
    alerts_services.observe("function.failing", why, severity="medium", now=now)


def check_function_key(*, now: datetime) -> None:
    """Update the alerts for the function's API key: before it expires, and once a call with it is refused."""
    found = key_report(now)
    alerts_services.observe("function.key_refused", found.refused, now=now)
    severity = "medium" if found.stage == 1 else "high"  # a later stage is sent again
    alerts_services.observe("function.key_expiring", found.expiring, severity=severity, harmed=found.stage, now=now)


def _failing_because(since: datetime, now: datetime) -> str:
    """Return the cause: a refused key, no lookup that reached us, or else the endpoints that don't accept mail."""
    if refused := key_report(now).refused:
        return refused
    last = last_lookup()
    if last is None or last < since:
        return NO_LOOKUP
    return _failing_endpoints(since)


def _failing_endpoints(since: datetime) -> str:
    """Return sentences naming endpoints that cause failures, and failures that no endpoint causes.

    The function fails, and is retried, for each.
    """
    failed = ReceivedMail.objects.filter(outcome=DeliveryOutcome.FAILED, reported_at__gte=since).order_by()
    at_endpoints = failed.filter(endpoint__isnull=False).values_list("endpoint__name", "customer__name")
    others = failed.filter(endpoint=None).values_list("problem").annotate(number=Count("pk")).order_by("-number")
    counted = at_endpoints.annotate(number=Count("pk")).order_by("-number")
    named = [f"{name} of {customer} ({_mails(number)})" for name, customer, number in counted]
    more = f" and {len(named) - MOST_NAMED} more" if len(named) > MOST_NAMED else ""
    sentences = [f"{problem} ({_mails(number)})" for problem, number in others[:MOST_NAMED]]
    if named:
        sentences.append(f"Endpoints that don't accept mail: {', '.join(named[:MOST_NAMED])}{more}.")
    return " ".join(sentences)


def _mails(number: int) -> str:
    return "1 message" if number == 1 else f"{number:,} messages"


def _messages(number: int) -> str:
    return "1 message was" if number == 1 else f"{number:,} messages were"


def _where(rules: Sequence[str]) -> str:
    if rules:
        return f"Rules: {', '.join(rules)}."
    return "SES counts failures without a retry for the whole rule set only, not for each rule."


def _rules(start: datetime, end: datetime) -> tuple[Series, ...]:
    latest = live_selectors.last_read()
    names = latest.rule_set.names if latest else ()
    wanted = [(ACTIVE, metric) for metric in RuleMetric] + [(name, metric) for name in names for metric in OF_A_RULE]
    return _measured(wanted, start, end)


def _functions(start: datetime, end: datetime) -> tuple[Series, ...]:
    names = [arn.rpartition(":function:")[2] for arn in permissions_services.functions()]
    return _measured([(name, metric) for name in names for metric in FunctionMetric], start, end)


def _dead_letters(queue: str, now: datetime) -> DeadLetters:
    (series,) = _measured([(queue, QueueMetric.WAITING)], now - IN_QUEUE_FOR, now)
    if not series.points:
        return DeadLetters(queue)
    at, number = series.points[-1]
    return DeadLetters(queue, int(number), at)


def _measured(wanted: Sequence[gateway.Wanted], start: datetime, end: datetime) -> tuple[Series, ...]:
    parts = (wanted[first : first + MOST_QUERIES] for first in range(0, len(wanted), MOST_QUERIES))
    return tuple(one for part in parts for one in gateway.metric_data(part, start=start, end=end))


def _errors(since: datetime, domain: Domain | None) -> tuple[LogLine, ...]:
    """Read the last hour on its own: CloudWatch returns the oldest lines first, and we don't read all of very many."""
    lately = timezone.now() - timedelta(hours=1)
    found = _errors_since(lately, domain)
    if len(found) < MOST_LINES and since < lately:
        found |= _errors_since(since, domain)
    return tuple(sorted(found, key=lambda line: line.at, reverse=True)[:MOST_LINES])


def _errors_since(since: datetime, domain: Domain | None) -> set[LogLine]:
    """The log group is created by the function's first invocation; until then there are no errors."""
    group = f"/aws/lambda/{settings.RECEIVING_FUNCTION.rpartition(':function:')[2]}"
    found: set[LogLine] = set()
    token = ""
    for _ in range(PAGES_OF_LOG):
        try:
            lines, token = gateway.log_events(group, start=since, word=domain.name if domain else ERROR, token=token)
        except AwsMissing:
            return set()
        found |= {line for line in lines if ERROR in line.text}
        if not token:
            break
    return found


def _stored(bucket: str, prefix: str) -> StoredMail:
    moments: list[datetime] = []
    token = ""
    for _ in range(PAGES_OF_OBJECTS):
        page, token = receiving_setup_gateway.list_objects(bucket, prefix, token=token)
        moments += page
        if not token:
            break
    return StoredMail(bucket, prefix, len(moments), max(moments, default=None), is_all=not token)


def _read_cached(name: str, read: Callable[[], Part]) -> ReadResult[Part]:
    key = f"receiving pipeline {settings.AWS_REGION} {settings.AWS_ENDPOINT_URL} {name}".replace(" ", "-")
    known: ReadResult[Part] | None = cache.get(key)
    if known is not None:
        return known
    try:
        result = ReadResult(read())
    except AwsProblem as problem:
        return ReadResult(None, str(problem))  # not cached: the next read may succeed
    cache.set(key, result, KEPT_SECONDS)
    return result
