"""API operations on received mail: the receiving function reports delivery results, people and programs read them."""

from datetime import datetime
from typing import Annotated, Literal

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from django.utils import timezone
from ninja import Query, Status
from pydantic import AwareDatetime, Field, StringConstraints

from accounts.api_keys.api import ApiKeyWith, call_router, caller, reads, writes
from accounts.api_keys.core import Scope
from accounts.people.selectors import customers_for
from domains.domain_list.selectors import domains_for
from inbound_admin.lib.api.answers import ERRORS
from inbound_admin.lib.api.schemas import In, Out, Page, Paged, Text, page_of
from inbound_admin.lib.api.validation import require_id
from inbound_admin.lib.lists import kept_count
from receipt_rules.addresses.selectors import endpoints_for
from receipt_rules.models.received_mail import ReceivedMail
from receipt_rules.received_mail import services
from receipt_rules.received_mail.core import Report
from receipt_rules.received_mail.selectors import ReceivedFilters, received_for
from receipt_rules.route_lookup.api import MOST_RECIPIENTS, Recipient

router = call_router("Received mail")

MOST_REPORTS = 100
LARGEST_MESSAGE = 100_000_000  # bytes; SES takes 40 MB
# SES's message ids are letters and digits; what other systems call theirs has a few signs more.
MessageId = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[!-~]+$")]
Moment = Annotated[AwareDatetime, Field(strict=False)]
OutcomeName = Literal["delivered", "failed", "waiting", "held", "unrouted"]


class DeliveryIn(In):
    """The outcome of a message for some of its recipients; no content."""

    message_id: MessageId
    received_at: Moment
    recipients: Annotated[list[Recipient], Field(min_length=1, max_length=MOST_RECIPIENTS)]
    endpoint_id: Annotated[Text | None, Field(max_length=40)] = None
    outcome: OutcomeName
    problem: Text = ""
    storage_problem: Annotated[Text, Field(description="Why the stored message couldn't be read; only for staff")] = ""
    bytes: Annotated[int | None, Field(ge=0, le=LARGEST_MESSAGE)] = None
    at: Moment
    probe: Annotated[Text, Field(max_length=64, description="Token of a test message")] = ""


class DeliveriesIn(In):
    deliveries: Annotated[list[DeliveryIn], Field(min_length=1, max_length=MOST_REPORTS)]


class DeliveriesAccepted(Out):
    accepted: int


class ReceivedMailOut(Out):
    """A message for one recipient, with its last reported result."""

    id: str
    message_id: str
    recipient: str
    received_at: datetime
    domain_id: str | None
    endpoint_id: str | None
    endpoint_name: str | None
    customer_id: str | None
    outcome: OutcomeName = Field(
        description="unrouted: stored only; `problem` says why,  if the address had no active endpoint"
    )
    problem: str
    bytes: int | None
    tries: int
    reported_at: datetime


class DeliveryQuery(Paged):
    search: Text = Field("", description="A whole address, domain or message ID", examples=["orders@shop.example.com"])
    outcome: Literal["", "delivered", "failed", "waiting", "held", "unrouted"] = Field(
        "", description="The last reported result"
    )
    endpoint_id: Text | None = Field(None, description="An endpoint that you can see")
    domain_id: Text | None = Field(None, description="A domain that you can see")
    customer_id: Text | None = Field(None, description="A customer that you can see")


@router.post(
    "/v2/deliveries",
    auth=ApiKeyWith(Scope.REPORT),
    response={200: DeliveriesAccepted, **ERRORS},
    by_alias=True,
    summary="Report delivery results",
)
def report_deliveries(request: HttpRequest, asked: DeliveriesIn) -> DeliveriesAccepted:
    """Store what became of received messages. For the receiving function, with the scope `report`.

    Up to 100 reports. Repeating a report changes nothing, and neither does one that is older than the stored one.
    This call has no rate limit.
    """
    reports = [_report(each) for each in asked.deliveries]
    return DeliveriesAccepted(accepted=services.record_deliveries(reports=reports, now=timezone.now()))


@router.get("/v2/deliveries", **reads(Page[ReceivedMailOut]), summary="List received mail")
def list_received_mail(request: HttpRequest, query: Annotated[DeliveryQuery, Query()]) -> Page[ReceivedMailOut]:
    """Return received messages for each recipient, with the last reported result, newest first. No content.

    `search` is a whole address, domain or message ID. 400 for the ID of a domain, endpoint or customer that you
    can't see.
    """
    viewer = caller(request)
    require_id(query.endpoint_id, endpoints_for(viewer), "endpointId", "endpoint")
    require_id(query.domain_id, domains_for(viewer), "domainId", "domain")
    require_id(query.customer_id, customers_for(viewer), "customerId", "customer")
    filters = ReceivedFilters(
        q=query.search.strip(),
        show=query.outcome,
        endpoint=query.endpoint_id or "",
        domain=query.domain_id or "",
        customer=query.customer_id or "",
    )
    found = filters.search(received_for(viewer))
    rows, pagination = page_of(found, query, total=kept_count(found))
    return Page[ReceivedMailOut](data=[_delivery(row) for row in rows], pagination=pagination)


@router.post("/v2/deliveries/{mail_id}/again", **writes(ReceivedMailOut, status=202), summary="Redeliver a message")
def deliver_mail_again(request: HttpRequest, mail_id: str) -> Status[ReceivedMailOut]:
    """Deliver a stored message again, to the endpoint that its recipient has, or had until the domain changed hands.

    Returns 202: the receiving function delivers it and reports the result, which the list shows. Refused: 422
    `NO_ENDPOINT`, `NO_FUNCTION`, `RECEIVING_STOPPED`, `NO_OWNER` if it belongs to no customer, or `HOLDER_CHANGED` if
    the domain was another customer's when SES received the message.
    """
    row = get_object_or_404(received_for(caller(request)), pk=mail_id)
    services.deliver_again(mail=row, actor=caller(request))
    return Status(202, _delivery(row))


def _report(each: DeliveryIn) -> Report:
    return Report(
        message_id=each.message_id,
        received_at=each.received_at,
        recipients=tuple(each.recipients),
        endpoint_id=each.endpoint_id or "",
        outcome=each.outcome,
        at=each.at,
        problem=each.problem,
        storage_problem=each.storage_problem,
        size=each.bytes,
        probe=each.probe,
    )


def _delivery(row: ReceivedMail) -> ReceivedMailOut:
    return ReceivedMailOut.of(row, endpoint_name=row.endpoint.name if row.endpoint else None, bytes=row.size)
