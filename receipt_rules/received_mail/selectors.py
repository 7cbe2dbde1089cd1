"""Received mail visible to a viewer, delivery outcomes, and the health of an endpoint."""

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar

from django.db.models import Count, F, Max, OuterRef, Q, QuerySet, Subquery
from django.utils import timezone

from accounts.people.selectors import Viewer, of_own_customers, supports_everyone
from audit.services import Subject
from domains.domain_list.selectors import dns_form
from domains.models.domains import Domain
from inbound_admin.lib.kept_values import keep_value, kept_value
from inbound_admin.lib.lists import KEPT_SECONDS, MOST_COUNTED, ListFilters, Order, kept_counts
from receipt_rules.models.endpoints import Endpoint
from receipt_rules.models.received_mail import DeliveryOutcome, ReceivedMail
from receipt_rules.models.runs import ReceivingStop
from receipt_rules.received_mail.core import why_unrouted
from receipt_rules.route_lookup.selectors import routes_at

WINDOWS = (timedelta(hours=24), timedelta(days=7), timedelta(days=30))
HEALTH = timedelta(days=7)
RETRIED = timedelta(hours=26)  # Lambda for an hour, then a hundred times from the queue, every 15 minutes
RESUMED_FOR = timedelta(days=7)  # after a resume; what is stored of an older one waits for a person
_LONGEST_RUN = timedelta(minutes=15)  # of a Lambda function: between its lookup and its report
_NOT_YET = (DeliveryOutcome.FAILED, DeliveryOutcome.WAITING)
_FAILED = Q(outcome__in=(DeliveryOutcome.FAILED, DeliveryOutcome.HELD))


def received_mail_subject(mail: ReceivedMail) -> Subject:
    """Return its name in the change log: the recipient, since a message ID means nothing to people."""
    return Subject("received_mail", mail.pk, mail.recipient[:254], mail.customer_id or "")


def received_for(viewer: Viewer) -> QuerySet[ReceivedMail]:
    """Return mail of the viewer's customers; all mail for support staff, mail of no customer included."""
    rows = ReceivedMail.objects.select_related("endpoint", "customer", "domain")
    if supports_everyone(viewer):
        return rows
    return rows.filter(of_own_customers(viewer))


def undecided_mail() -> QuerySet[ReceivedMail]:
    """Return messages whose owner staff must decide: their name changed hands when SES received them."""
    return ReceivedMail.objects.filter(customer=None, is_undecided=True)


def resumed_mail(now: datetime) -> QuerySet[ReceivedMail]:
    """Return messages that are only stored because of a stop that ended lately, the oldest first.

    If the function looked up before the resume and reported after it, nothing says so: all of that time are included.
    """
    stops = ReceivingStop.objects.filter(is_stopped=False, asked_at__gte=now - RESUMED_FOR)
    at = stops.filter(customer=OuterRef("customer")).values("asked_at")[:1]
    rows = ReceivedMail.objects.filter(customer__in=list(stops.values_list("pk", flat=True))).annotate(resumed=at)
    around = (F("resumed") - _LONGEST_RUN, F("resumed") + _LONGEST_RUN)
    unsaid = Q(problem="", received_at__lt=F("resumed"), reported_at__range=around)
    stored = rows.filter(unsaid | Q(problem=why_unrouted("stopped")), outcome=DeliveryOutcome.UNROUTED)
    return stored.order_by("received_at", "pk")


def retried_mail(name: str, customer_id: str) -> QuerySet[ReceivedMail]:
    """Return messages of the customer at the name or below it that aren't delivered yet."""
    at_or_below = Q(recipient__endswith=f"@{name}") | Q(recipient__endswith=f".{name}")
    lately = {"received_at__gte": timezone.now() - RETRIED, "outcome__in": _NOT_YET}
    return ReceivedMail.objects.filter(at_or_below, customer=customer_id, **lately)


def kept_for_mail(endpoint: Endpoint) -> str:
    """Return why the endpoint must stay: messages of a domain that was lost go nowhere else. "" if it need not."""
    lately = {"received_at__gte": timezone.now() - RETRIED, "outcome__in": _NOT_YET}
    rows = ReceivedMail.objects.filter(endpoint=endpoint, customer=endpoint.customer_id, **lately).order_by()
    routes = routes_at([*rows.values_list("recipient", "received_at")[:MOST_COUNTED]])
    number = sum(route.former is not None and endpoint in (route.endpoint, route.waits_for) for route in routes)
    if not number:
        return ""
    what = "1 message isn’t" if number == 1 else f"{number:,} messages aren’t"
    return (
        f"{what} delivered yet, of a domain that was deleted or transferred, and {endpoint} is the only endpoint left. "
        "We go on trying for about a day; remove the endpoint after that."
    )


@dataclass(frozen=True)
class ReceivedFilters(ListFilters):
    """`q`: a complete address, domain or message ID. Newest first."""

    endpoint: str = ""
    domain: str = ""
    customer: str = ""

    columns: ClassVar[Mapping[str, str]] = {
        "endpoint": "endpoint_id",
        "domain": "domain_id",
        "customer": "customer_id",
    }
    sorts: ClassVar[Mapping[str, Order]] = {"newest": ("-received_at", "-id")}

    def groups(self) -> Mapping[str, Q]:
        """`nobody`: messages without an owner, which only staff see."""
        return {outcome.value: Q(outcome=outcome) for outcome in DeliveryOutcome} | {"nobody": Q(customer=None)}

    def conditions(self) -> Iterator[Q]:
        """Filter one column by its index: filtering several at once would read the whole table."""
        local, at, name = self.q.lower().rpartition("@")
        text = f"{local}{at}{name if name.isascii() else dns_form(name)}"
        if "@" in text:
            yield Q(recipient=text)
        elif text and (domains := list(Domain.objects.filter(name=text).values_list("pk", flat=True))):
            yield Q(domain__in=domains)
        elif text:
            yield Q(message_id=self.q)


@dataclass(frozen=True)
class DeliveryCounts:
    """Counts of an endpoint, over the time that received mail is kept."""

    total: int = 0
    successful: int = 0
    failed: int = 0
    last: datetime | None = None


def delivery_counts(endpoints: Collection[str]) -> dict[str, DeliveryCounts]:
    """Return counts by endpoint ID; endpoints without mail are left out. Large counts are cached for some minutes."""
    key = f"delivery_counts:{hashlib.sha256(repr(sorted(endpoints)).encode()).hexdigest()}"
    kept: dict[str, DeliveryCounts] | None = kept_value(key)
    if kept is not None:
        return kept
    found = _delivery_counts(endpoints)
    if sum(each.total for each in found.values()) > MOST_COUNTED:
        keep_value(key, found, KEPT_SECONDS)
    return found


_DELIVERED = Q(outcome=DeliveryOutcome.DELIVERED)
_COUNTS = {  # of DeliveryCounts, in its order
    "total": Count("pk"),
    "successful": Count("pk", filter=_DELIVERED),
    "failed": Count("pk", filter=_FAILED),
    "last": Max("reported_at", filter=_DELIVERED),
}


def _delivery_counts(endpoints: Collection[str]) -> dict[str, DeliveryCounts]:
    rows = ReceivedMail.objects.filter(endpoint__in=endpoints).order_by().values_list("endpoint_id")
    return {endpoint: DeliveryCounts(*counts) for endpoint, *counts in rows.annotate(**_COUNTS)}


def recent_deliveries(endpoint: Endpoint) -> QuerySet[ReceivedMail]:
    """Return the last ten messages of the endpoint, of its own customer."""
    return ReceivedMail.objects.filter(endpoint=endpoint, customer=endpoint.customer_id)[:10]


def received_counts(domain_id: str, *, customer_id: str, now: datetime) -> tuple[int, int, int]:
    """Return messages for a domain within a day, a week and 30 days, of its current holder only.

    Each recipient's message counts. Times are whole minutes, so that many callers share one cached count.
    """
    rows = ReceivedMail.objects.filter(domain=domain_id, customer=customer_id)
    minute = now.replace(second=0, microsecond=0)
    day, week, month = kept_counts(*(rows.filter(received_at__gte=minute - window) for window in WINDOWS))
    return day, week, month


def received_last_day(addresses: Collection[str], *, customer_id: str, now: datetime) -> dict[str, int]:
    """Return messages of the last 24 hours by recipient."""
    rows = ReceivedMail.objects.filter(
        recipient__in=addresses, customer=customer_id, received_at__gte=now - WINDOWS[0]
    ).order_by()
    return dict(rows.values("recipient").annotate(number=Count("pk")).values_list("recipient", "number"))


@dataclass(frozen=True)
class EndpointHealth:
    """The endpoint's deliveries of the last week; `problem` is its response at the last failure."""

    counts: DeliveryCounts
    problem: str = ""
    failed_at: datetime | None = None

    @property
    def is_failing(self) -> bool:
        """Return whether the last delivery failed."""
        return self.failed_at is not None and (self.counts.last is None or self.failed_at > self.counts.last)


def endpoint_health(endpoint_id: str, *, now: datetime) -> EndpointHealth:
    """Return the health over the week's last MOST_COUNTED messages."""
    lately = ReceivedMail.objects.filter(endpoint=endpoint_id, received_at__gte=now - HEALTH)
    found = lately.order_by("-received_at", "-id")[:MOST_COUNTED].aggregate(**_COUNTS)
    failed = lately.filter(outcome=DeliveryOutcome.FAILED).order_by("-received_at", "-id").first()
    return EndpointHealth(
        DeliveryCounts(**found), failed.problem if failed else "", failed.reported_at if failed else None
    )


def failing_endpoints(endpoint_ids: Iterable[str], *, now: datetime) -> frozenset[str]:
    """Return the endpoints that `endpoint_health` would report as failing, in one query."""
    lately = ReceivedMail.objects.filter(endpoint=OuterRef("pk"), received_at__gte=now - HEALTH)
    last = {
        outcome: Subquery(lately.filter(outcome=outcome).order_by("-received_at", "-id").values("reported_at")[:1])
        for outcome in (DeliveryOutcome.FAILED, DeliveryOutcome.DELIVERED)
    }
    rows = Endpoint.objects.filter(pk__in=list(endpoint_ids)).annotate(
        failed_at=last[DeliveryOutcome.FAILED], delivered_at=last[DeliveryOutcome.DELIVERED]
    )
    is_newest = Q(delivered_at=None) | Q(failed_at__gt=F("delivered_at"))
    return frozenset(rows.filter(is_newest, failed_at__isnull=False).values_list("pk", flat=True))
