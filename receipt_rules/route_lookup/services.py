"""Stores which key our function uses, that it claims messages, and where mail went before a domain changed hands."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from receipt_rules.jobs import queue_customer_change
from receipt_rules.models.addresses import CatchAll, FormerRoute, RequestedRecipient
from receipt_rules.models.runs import ActiveRuleSet

ROUTES_AT_ONCE = 1_000
USE_STORED_EVERY = timedelta(minutes=1)


@transaction.atomic
def note_function(*, key: str, now: datetime) -> None:
    """Store, once a minute, with which API key (ID) our function looks up routes, and that it claims each message.

    Subdomain catch-alls that ended because of other customers' names may then continue: queue them.
    """
    here = ActiveRuleSet.objects.filter(region=settings.AWS_REGION)
    is_known = Q(claims_mail=True, function_key=key, function_key_at__gt=now - USE_STORED_EVERY)
    row = here.exclude(is_known).select_for_update(skip_locked=True).first()  # the function waits for the answer
    if row is None:
        return
    here.update(claims_mail=True, function_key=key, function_key_at=now)
    if not row.claims_mail:
        _queue_ended_catch_alls()


def _queue_ended_catch_alls() -> None:
    rows = CatchAll.objects.filter(subdomains=True, is_active=True, domain__region=settings.AWS_REGION)
    for row in rows.select_related("domain__customer").order_by("domain__customer"):
        if not row.is_served:
            queue_customer_change(row.domain.customer, None, recipients=[row.recipient], domains=[row.domain_id])


def keep_routes(rows: Iterable[RequestedRecipient], *, domain_name: str, customer_id: str) -> None:
    """Store where this customer's mail was delivered until now: messages that are still being retried go there.

    A catch-all that is off covers nothing; an address that is off has no endpoint.
    """
    known = {"domain_name": domain_name, "customer_id": customer_id, "until": timezone.now()}
    kept = (row for row in rows if row.is_active or not isinstance(row, CatchAll))
    FormerRoute.objects.bulk_create(
        [FormerRoute(recipient=row.recipient, endpoint_id=_endpoint_of(row, customer_id), **known) for row in kept],
        batch_size=ROUTES_AT_ONCE,
    )


def _endpoint_of(row: RequestedRecipient, customer_id: str) -> str | None:
    is_own = row.is_active and row.endpoint is not None and row.endpoint.customer_id == customer_id
    return row.endpoint_id if is_own else None
