"""Stores that the receiving function delivers each message once, and then brings back what waited for that."""

from django.conf import settings
from django.db import transaction

from receipt_rules.jobs import queue_customer_change
from receipt_rules.models.addresses import CatchAll
from receipt_rules.models.live import ActiveRuleSet


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
