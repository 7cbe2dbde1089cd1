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
from django.db import connection, transaction
from django.db.models import Count

from accounts.models.people import Customer, User
from accounts.people.selectors import owners_of
from audit import services as audit_services
from inbound_admin.lib import isolation
from inbound_admin.lib.errors import RateLimited, Refused
from inbound_admin.lib.ids import new_id
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
from receipt_rules.received_mail.core import Report, redelivery_event, why_unrouted
from receipt_rules.received_mail.selectors import RETRIED, received_mail_subject, resumed_mail, undecided_mail
from receipt_rules.receiving_setup import gateway as receiving_setup_gateway
from receipt_rules.route_lookup.selectors import Route, possible_owners, route_lookup, routes_at

AGAIN_EVERY_SECONDS = 30
TOLD_EVERY = 24 * 60 * 60  # seconds
DECIDED_AT_ONCE = 1_000  # names and times in one query
DELETED_AT_ONCE = 10_000
RESUMED_AT_ONCE = 200
RESUMED_CONSIDERED = 5_000
DECIDE = "domains.transfer_domain"  # who decides whose a message is
_Key = tuple[str, str, str]  # message, recipient, customer ID or ""
_CHANGED = (
    "outcome",
    "problem",
    "size",
    "tries",
    "reported_at",
    "endpoint_id",
    "domain_id",
    "customer_id",
    "is_undecided",
)
_TRIED = (DeliveryOutcome.DELIVERED, DeliveryOutcome.FAILED)


@dataclass(frozen=True)
class _RecipientReport:
    """A report for one recipient, with its owner and endpoint from our rows."""

    report: Report
    route: Route
    endpoint: Endpoint | None

    @property
    def customer_id(self) -> str:
        """Delivered mail belongs to the endpoint's customer, other mail to who held the name when SES received it."""
        return self.endpoint.customer_id if self.endpoint else self.route.customer

    @property
    def is_undecided(self) -> bool:
        return bool(self.route.rivals) and not self.customer_id

    @property
    def key(self) -> _Key:
        return (self.report.message_id, self.route.recipient, self.customer_id)

    def repeats(self, stored: ReceivedMail | None) -> bool:
        """Return whether an earlier attempt delivered it: this one, for another endpoint or rule, read nothing."""
        is_stored, report = stored is not None and stored.outcome == DeliveryOutcome.DELIVERED, self.report
        is_unread = report.outcome == DeliveryOutcome.DELIVERED and report.size is None
        return is_stored and (is_unread or bool(report.storage_problem))

    @property
    def _domain_id(self) -> str | None:
        """Return the domain of the owner; of mail that belongs to nobody, the one by whose name staff search."""
        if (row := self.route.row) is not None and row.domain.customer_id == self.customer_id:
            return row.domain_id
        domain, holder = self.route.held
        return domain if domain and self.customer_id in ("", holder) else None

    @property
    def row(self) -> ReceivedMail:
        report = self.report
        return ReceivedMail(
            message_id=report.message_id,
            recipient=self.route.recipient,
            customer_id=self.customer_id or None,
            domain_id=self._domain_id,
            endpoint=self.endpoint,
            received_at=report.received_at,
            outcome=report.outcome,
            problem=report.problem or (why_unrouted(self.route.because) if report.outcome == "unrouted" else ""),
            size=report.size,
            tries=int(report.outcome in _TRIED),
            is_undecided=self.is_undecided,
            reported_at=report.at,
        )


def record_deliveries(*, reports: Sequence[Report], now: datetime) -> int:
    """Store the reports. Return the number of messages, each for one recipient. Idempotent."""
    resolved = _resolve_reports(reports)
    by_key: dict[_Key, _RecipientReport] = {}
    for each in sorted(resolved, key=lambda one: one.report.at):
        by_key[each.key] = each
    with transaction.atomic():
        _lock_messages({message for message, _, _ in by_key})
        stored = _stored_rows(by_key)
        news = {key: each for key, each in by_key.items() if not each.repeats(stored.get(key))}
        newer = ((stored[key], each) for key, each in news.items() if key in stored)
        changed = [_updated(row, each.row) for row, each in newer if each.report.at > row.reported_at]
        ReceivedMail.objects.bulk_update(changed, _CHANGED)
        new = [each.row for key, each in sorted(news.items()) if key not in stored]
        ReceivedMail.objects.bulk_create(new, ignore_conflicts=True)
    record_reports(reports)
    _update_endpoint_alerts(news.values(), now)
    _update_storage_alert(reports)
    for each in by_key.values():
        _tell_former_holder(each, now)
    if any(each.is_undecided for each in by_key.values()):
        update_undecided_alert()
    return len(by_key)


def _resolve_reports(reports: Sequence[Report]) -> list[_RecipientReport]:
    asked = [(recipient, report.received_at) for report in reports for recipient in report.recipients]
    routes = iter(routes_at(asked))
    named = {report.endpoint_id for report in reports if report.endpoint_id}
    endpoints = Endpoint.objects.select_related("customer").in_bulk(named)
    return [
        _RecipientReport(report, next(routes), endpoints.get(report.endpoint_id))
        for report in reports
        for _ in report.recipients
    ]


def _lock_messages(messages: Iterable[str]) -> None:
    """Lock messages until the transaction ends: of two reports at the same moment, one creates the row."""
    with connection.cursor() as cursor:
        lock = "SELECT pg_advisory_xact_lock(hashtextextended(name, 0)) FROM unnest(%s::text[]) AS name"
        cursor.execute(lock, [[f"message {each}" for each in sorted(messages)]])


def _stored_rows(by_key: Mapping[_Key, _RecipientReport]) -> dict[_Key, ReceivedMail]:
    """Return the row of each message that has one.

    A message stays in its row: a report without an owner is of the customer whose row it is, and a row without an owner
    becomes the row of the first.
    """
    messages = {message for message, _, _ in by_key}
    rows: dict[tuple[str, str], dict[str, ReceivedMail]] = {}
    for row in ReceivedMail.objects.select_for_update(of=("self",)).filter(message_id__in=messages).order_by("pk"):
        rows.setdefault((row.message_id, row.recipient), {})[row.customer_id or ""] = row
    found = ((key, _row_for(newest, rows.get(key[:2], {}))) for key, newest in by_key.items())
    return {key: row for key, row in found if row is not None}


def _row_for(newest: _RecipientReport, rows: Mapping[str, ReceivedMail]) -> ReceivedMail | None:
    own = rows.get(newest.customer_id)
    if own is None or not newest.customer_id:
        owned = [row for owner, row in rows.items() if owner]
        own = owned[0] if len(owned) == 1 and newest.endpoint is None else own
    return own or rows.get("")


def _updated(row: ReceivedMail, fresh: ReceivedMail) -> ReceivedMail:
    fresh.tries += row.tries
    fresh.size = row.size if fresh.size is None else fresh.size
    fresh.customer_id = row.customer_id or fresh.customer_id
    fresh.domain_id = fresh.domain_id or row.domain_id
    fresh.is_undecided = fresh.is_undecided and not fresh.customer_id
    for name in _CHANGED:
        setattr(row, name, getattr(fresh, name))
    return row


def _tell_former_holder(each: _RecipientReport, now: datetime) -> None:
    """Notify owners once a day that mail of a domain that they no longer hold ends undelivered."""
    is_ended = each.report.outcome == DeliveryOutcome.UNROUTED and each.route.because == "former"
    row = ReceivedMail.objects.filter(message_id=each.report.message_id, recipient=each.route.recipient)
    mail = row.filter(customer=each.customer_id or None).first() if is_ended and each.customer_id else None
    if mail is None or not cache.add(
        f"mail-ended:{mail.customer_id}:{mail.recipient.rpartition('@')[2]}", 1, TOLD_EVERY
    ):
        return
    why = f"A message for {mail.recipient} is kept, but not delivered. {mail.problem} Received shows all such messages."
    owners, about = owners_of(each.customer_id), received_mail_subject(mail)
    alerts_services.announce(kind="mail.ended", about=about, people=owners, why=why, now=now)


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


def deliver_again(*, mail: ReceivedMail, actor: User, because: str = "") -> None:
    """Ask the function to deliver it to the current endpoint. The function reports. Raises Refused, AwsProblem."""
    arn = (mail.endpoint.lambda_arn if mail.endpoint else "") or function_arn()
    if not arn:
        raise Refused("No function delivers mail here: RECEIVING_FUNCTION isn't set.", code="NO_FUNCTION")
    goes_to = redelivery_endpoint(mail)
    because = audit_services.reason_for(actor=actor, customer_id=mail.customer_id or "", because=because)
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
    asked = {"request": new_id("req"), "problem": mail.problem}
    receiving_setup_gateway.invoke(arn, redelivery_event(mail.message_id, [mail.recipient], mail.received_at, **asked))
    cache.set(_requested(mail), 1, RETRIED.total_seconds())


def _requested(mail: ReceivedMail) -> str:
    """Return the key that is in the cache while the function retries a requested delivery."""
    return f"delivery-requested:{mail.pk}"


def deliver_resumed(*, now: datetime, limit: int = RESUMED_AT_ONCE) -> int:
    """Have mail delivered that reached the function while its customer's receiving was stopped, once it is resumed.

    Returns for how many messages the function was asked. It repeats an event itself for a day; one that it hasn't
    reported by then is asked for again by the same request, which it carries out once. Earlier, many copies would wait
    for it and run at the same moment. Raises AwsProblem.
    """
    waiting = list(resumed_mail(now)[:RESUMED_CONSIDERED])
    requested = cache.get_many([_requested(mail) for mail in waiting])
    rows = [mail for mail in waiting if _requested(mail) not in requested][:limit]
    arn = function_arn() if rows else ""
    for mail in rows if arn else ():
        asked = redelivery_event(mail.message_id, [mail.recipient], mail.received_at, request=f"resumed {mail.pk}")
        receiving_setup_gateway.invoke(arn, asked)
        cache.set(_requested(mail), 1, RETRIED.total_seconds())
    return len(rows) if arn else 0


def redelivery_endpoint(mail: ReceivedMail) -> Endpoint:
    """Return the endpoint that another delivery would go to. Raises Refused if there is none.

    It is its customer's, also if another holds the name now: the message was received for the former holder.
    """
    if not mail.customer_id:
        raise Refused("The message belongs to no customer, so it can't be delivered.", code="NO_OWNER")
    (route,) = route_lookup([mail.recipient], received_at=mail.received_at)
    if not route.customer:
        raise Refused("The recipient's domain was deleted, and nobody holds it now.", code="NO_ENDPOINT")
    if route.customer != mail.customer_id:
        sentence = "The recipient's domain was another customer's when SES received the message."
        raise Refused(sentence, code="HOLDER_CHANGED")
    if route.because == "stopped":
        raise Refused("Our team has turned off inbound mail.", code="RECEIVING_STOPPED")
    endpoint = route.endpoint or route.waits_for
    if endpoint is None and route.because == "former":
        raise Refused(why_unrouted("former"), code="NO_ENDPOINT")
    if endpoint is None:
        raise Refused(f"{mail.recipient} has no active endpoint. Choose one first.", code="NO_ENDPOINT")
    if is_never_forwarded(endpoint):
        raise Refused(f"{endpoint} forwards mail. {NOT_FORWARDED}", code="NO_ENDPOINT")
    return endpoint


def owner_choices(mail: ReceivedMail) -> frozenset[str]:
    """Return the customers (IDs) to whom staff may give a message that belongs to nobody."""
    return possible_owners([(mail.recipient, mail.received_at)])[0]


def decide_owner(*, mail: ReceivedMail, customer: Customer, because: str, actor: User) -> None:
    """Give a message that belongs to nobody to a customer, and deliver it to their endpoint.

    Raises Refused without a reason, for a customer who never held its name, or if it has an owner; then also what
    `deliver_again` raises: the decision stays.
    """
    if not (because := because.strip()):
        raise Refused("Enter the reason for the decision.")
    with transaction.atomic():
        locked = ReceivedMail.locked(mail.pk)
        if locked.customer_id is not None:
            raise Refused("The message belongs to a customer already. Reload the page.", code="DECIDED")
        if customer.pk not in owner_choices(locked):
            raise Refused(f"{customer} didn't hold the domain at that time.", code="NOT_A_HOLDER")
        was_undecided, locked.customer = locked.is_undecided, customer
        locked.is_undecided = False
        locked.problem = locked.problem if locked.outcome == DeliveryOutcome.HELD else ""
        locked.save(update_fields=("customer", "is_undecided", "problem"))
        audit_services.record(
            "received_mail.decided",
            about=received_mail_subject(locked),
            actor=actor,
            because=because,
            after={"customer": customer.name},
            for_staff=True,
        )
        if was_undecided:
            update_undecided_alert()
    deliver_again(mail=locked, actor=actor, because=because)


def update_undecided_alert() -> None:
    """Alert staff of messages that they can decide. What was deleted, or belongs to a customer who was, ends it."""
    counted = list(undecided_mail().order_by().values_list("recipient", "received_at").annotate(number=Count("pk")))
    decidable = 0
    for start in range(0, len(counted), DECIDED_AT_ONCE):
        some = counted[start : start + DECIDED_AT_ONCE]
        owners = possible_owners((recipient, at) for recipient, at, _ in some)
        decidable += sum(number for (*_, number), possible in zip(some, owners, strict=True) if possible)
    receiving_alerts_services.update_undecided_alert(decidable)


def delete_expired(*, now: datetime) -> int:
    """Delete in batches, so that no lock is long, and return the number of rows. RECEIVED_MAIL_DAYS=0 keeps all."""
    if not settings.RECEIVED_MAIL_DAYS:
        return 0
    old = ReceivedMail.objects.filter(received_at__lt=now - timedelta(days=settings.RECEIVED_MAIL_DAYS)).order_by()
    deleted = 0
    while keys := list(old.values_list("pk", flat=True)[:DELETED_AT_ONCE]):
        deleted += ReceivedMail.objects.filter(pk__in=keys).delete()[0]
    return deleted
