"""Stores that the receiving function delivers each message once, and where mail went before a domain changed hands."""

from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.models.people import Customer
from domains.models.domains import Domain
from receipt_rules.jobs import queue_customer_change
from receipt_rules.models.addresses import Address, CatchAll, FormerRoute, RequestedRecipient
from receipt_rules.models.live import ActiveRuleSet

ROUTES_AT_ONCE = 1_000


@transaction.atomic
def note_claims() -> None:
    """Store it once. Subdomain catch-alls that ended because of other customers' names may continue: queue them."""
    here = ActiveRuleSet.objects.filter(region=settings.AWS_REGION, claims_mail=False)
    if not here.update(claims_mail=True):
        return
    rows = CatchAll.objects.filter(subdomains=True, is_active=True, domain__region=settings.AWS_REGION)
    for row in rows.select_related("domain__customer").order_by("domain__customer"):
        if not row.is_served:
            queue_customer_change(row.domain.customer, None, recipients=[row.recipient], domains=[row.domain_id])


def keep_routes(*, domain: Domain, customer: Customer, until: datetime | None = None) -> None:
    """Store where this customer's mail was delivered until now: messages that are still being retried go there."""
    addresses = Address.objects.select_related("endpoint").filter(domain=domain)
    catch_alls = CatchAll.objects.select_related("domain", "endpoint").filter(domain=domain, is_active=True)
    known = {"domain_name": domain.name, "customer": customer, "until": until or timezone.now()}
    FormerRoute.objects.bulk_create(
        [
            FormerRoute(recipient=row.recipient, endpoint_id=_endpoint_of(row, customer), **known)
            for row in (*addresses, *catch_alls)
        ],
        batch_size=ROUTES_AT_ONCE,
    )


def _endpoint_of(row: RequestedRecipient, customer: Customer) -> str | None:
    is_own = row.is_active and row.endpoint is not None and row.endpoint.customer_id == customer.pk
    return row.endpoint_id if is_own else None
