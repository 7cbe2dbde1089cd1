"""Stores the function's delivery reports, monitors endpoints, and asks the function to deliver a message again.

There is one row for each message and recipient, however often it is reported, and an older report changes nothing. The
owner of a message is decided when it arrives: a domain that changes hands keeps none of its mail.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from django.conf import settings
from django.core.cache import cache
from django.db import transaction

from accounts.models.people import User
from audit import services as audit_services
from inbound_admin.lib import isolation
from inbound_admin.lib.errors import RateLimited, Refused
from notifications.alerts import core as alerts_core
from notifications.alerts import services as alerts_services
from receipt_rules.addresses.selectors import endpoint_subject
from receipt_rules.alerts import services as receiving_alerts_services
from receipt_rules.deliveries.services import function_arn
from receipt_rules.endpoints.core import NOT_FORWARDED
from receipt_rules.forwarding.selectors import is_never_forwarded
from receipt_rules.models.endpoints import Endpoint
from receipt_rules.models.received_mail import DeliveryOutcome, ReceivedMail
from receipt_rules.probes.services import record_reports
from receipt_rules.received_mail import gateway
from receipt_rules.received_mail.core import Report, redelivery_event
from receipt_rules.received_mail.selectors import received_mail_subject
from receipt_rules.route_lookup.selectors import Route, route_lookup

AGAIN_EVERY_SECONDS = 30
DELETED_AT_ONCE = 10_000
_Key = tuple[str, str, str]  # message, recipient, customer ID or ""
_CHANGED = ("outcome", "problem", "size", "tries", "reported_at", "endpoint", "domain")
_TRIED = (DeliveryOutcome.DELIVERED, DeliveryOutcome.FAILED)


@dataclass(frozen=True)
class _RecipientReport:
    """A report for one recipient, with its owner and endpoint from our rows."""

    report: Report
    recipient: str
    customer_id: str
    domain_id: str | None
    endpoint: Endpoint | None

    @property
    def key(self) -> _Key:
        return (self.report.message_id, self.recipient, self.customer_id)

    @property
    def row(self) -> ReceivedMail:
        report = self.report
        return ReceivedMail(
            message_id=report.message_id,
            recipient=self.recipient,
            customer_id=self.customer_id or None,
            domain_id=self.domain_id,
            endpoint=self.endpoint,
            received_at=report.received_at,
            outcome=report.outcome,
            problem=report.problem,
            size=report.size,
            tries=int(report.outcome in _TRIED),
            reported_at=report.at,
        )


def record_deliveries(*, reports: Sequence[Report], now: datetime) -> int:
    """Store the reports. Return the number of messages, each for one recipient. Idempotent."""
    resolved = _resolve_reports(reports)
    by_key: dict[_Key, _RecipientReport] = {}
    for each in sorted(resolved, key=lambda one: one.report.at):
        by_key[each.key] = each
    with transaction.atomic():
        made = {key: each.row for key, each in sorted(by_key.items())}
        ReceivedMail.objects.bulk_create(made.values(), ignore_conflicts=True)
        _update_existing(by_key, {row.pk for row in made.values()})
    record_reports(reports)
    _update_endpoint_alerts(by_key.values(), now)
    _update_storage_alert(reports)
    return len(by_key)


def _resolve_reports(reports: Sequence[Report]) -> list[_RecipientReport]:
    recipients = sorted({recipient.strip().lower() for report in reports for recipient in report.recipients})
    routes = {route.recipient: route for route in route_lookup(recipients)}
    named = {report.endpoint_id for report in reports if report.endpoint_id}
    endpoints = Endpoint.objects.select_related("customer").in_bulk(named)
    return [
        _one(report, routes[recipient.strip().lower()], endpoints.get(report.endpoint_id))
        for report in reports
        for recipient in report.recipients
    ]


def _one(report: Report, route: Route, endpoint: Endpoint | None) -> _RecipientReport:
    """Delivered mail belongs to the endpoint's customer, other mail to the domain's holder at the time of arrival."""
    holder = "" if route.since and report.received_at < route.since else route.customer
    customer = endpoint.customer_id if endpoint else holder
    domain = route.row.domain_id if route.row and route.row.domain.customer_id == customer else None
    return _RecipientReport(report, route.recipient, customer, domain, endpoint)


def _update_existing(by_key: Mapping[_Key, _RecipientReport], new: set[str]) -> None:
    """Update rows that existed before, if the report is newer."""
    messages = {message for message, _, _ in by_key}
    rows = ReceivedMail.objects.select_for_update(of=("self",)).filter(message_id__in=messages).exclude(pk__in=new)
    changed = []
    for row in rows.order_by("pk"):
        newest = by_key.get((row.message_id, row.recipient, row.customer_id or ""))
        if newest is None or newest.report.at <= row.reported_at:
            continue
        fresh = newest.row
        fresh.tries += row.tries
        fresh.size = row.size if fresh.size is None else fresh.size
        for name in _CHANGED:
            setattr(row, name, getattr(fresh, name))
        changed.append(row)
    ReceivedMail.objects.bulk_update(changed, _CHANGED)


def _update_endpoint_alerts(resolved: Iterable[_RecipientReport], now: datetime) -> None:
    """Each report counts as one check of the endpoint; an endpoint that accepts anything isn't failing."""
    by_endpoint: dict[str, list[_RecipientReport]] = {}
    for each in resolved:
        if each.endpoint is not None and each.report.outcome in _TRIED:
            by_endpoint.setdefault(each.endpoint.pk, []).append(each)
    isolation.each_alone("endpoint alerts", by_endpoint.values(), partial(_update_endpoint_alert, now=now))


def _update_endpoint_alert(some: Sequence[_RecipientReport], *, now: datetime) -> None:
    endpoint = some[0].endpoint
    failed = [each for each in some if each.report.outcome == DeliveryOutcome.FAILED]
    if endpoint is None:
        return
    alerts_services.observe(
        kind="endpoint.failing",
        about=endpoint_subject(endpoint),
        firing=len(failed) == len(some),
        why=failed[-1].report.problem if failed else "",
        severity="medium",
        audience=alerts_core.CustomerPeople(endpoint.customer_id),
        now=now,
    )


def _update_storage_alert(reports: Iterable[Report]) -> None:
    """Alert operators when the function can't read a stored message; the next one that it reads resolves it."""
    newest = max(
        (each for each in reports if each.storage_problem or each.size is not None),
        key=lambda each: each.at,
        default=None,
    )
    if newest is not None:
        receiving_alerts_services.update_storage_alert(newest.storage_problem)


def deliver_again(*, mail: ReceivedMail, actor: User) -> None:
    """Ask the function to deliver it to the current endpoint. The function reports. Raises Refused, AwsProblem."""
    arn = (mail.endpoint.lambda_arn if mail.endpoint else "") or function_arn()
    if not arn:
        raise Refused("No function delivers mail here: RECEIVING_FUNCTION isn't set.", code="NO_FUNCTION")
    goes_to = redelivery_endpoint(mail)
    because = audit_services.reason_for(actor=actor, customer_id=mail.customer_id or "")
    if not cache.add(f"deliver-again:{mail.pk}", 1, AGAIN_EVERY_SECONDS):
        sentence = f"You can deliver a message again every {AGAIN_EVERY_SECONDS} seconds."
        raise RateLimited(sentence, retry_after=AGAIN_EVERY_SECONDS)
    audit_services.record(
        "received_mail.again",
        about=received_mail_subject(mail),
        actor=actor,
        because=because,
        before={"outcome": mail.outcome},
        after={"endpoint": str(goes_to)},
    )
    gateway.invoke(arn, redelivery_event(mail.message_id, [mail.recipient], mail.received_at))


def redelivery_endpoint(mail: ReceivedMail) -> Endpoint:
    """Return the endpoint that another delivery would go to. Raises Refused if there is none.

    The customer who holds the name now must be the owner of the message.
    """
    (route,) = route_lookup([mail.recipient], received_at=mail.received_at)
    if not mail.customer_id or route.customer != mail.customer_id:
        raise Refused("The recipient's domain now belongs to another customer.", code="HOLDER_CHANGED")
    if route.because == "stopped":
        raise Refused("Our team has turned off inbound mail.", code="RECEIVING_STOPPED")
    endpoint = route.endpoint or route.waits_for
    if endpoint is None:
        raise Refused(f"{mail.recipient} has no active endpoint. Choose one first.", code="NO_ENDPOINT")
    if is_never_forwarded(endpoint):
        raise Refused(f"{endpoint} forwards mail. {NOT_FORWARDED}", code="NO_ENDPOINT")
    return endpoint


def delete_expired(*, now: datetime) -> int:
    """Delete in batches, so that no lock is long, and return the number of rows. RECEIVED_MAIL_DAYS=0 keeps all."""
    if not settings.RECEIVED_MAIL_DAYS:
        return 0
    old = ReceivedMail.objects.filter(received_at__lt=now - timedelta(days=settings.RECEIVED_MAIL_DAYS)).order_by()
    deleted = 0
    while keys := list(old.values_list("pk", flat=True)[:DELETED_AT_ONCE]):
        deleted += ReceivedMail.objects.filter(pk__in=keys).delete()[0]
    return deleted
