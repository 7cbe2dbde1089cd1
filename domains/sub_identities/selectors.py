"""Reads the identities that SES has below customers' domains."""

from collections.abc import Sequence

from django.conf import settings
from django.db.models import QuerySet

from accounts.models.people import Customer
from domains.models.sub_identities import SubIdentity


def sub_identities_of(customers: Sequence[Customer] | QuerySet[Customer]) -> QuerySet[SubIdentity]:
    """Return the identities below these customers' domains, as of the last read, by name."""
    return SubIdentity.objects.filter(region=settings.AWS_REGION, domain__customer__in=customers).order_by("name")
