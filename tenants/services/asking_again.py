"""A person wants to know now what Amazon says: status, findings and rates, each a job of its own."""

from django.core.cache import cache
from django.db import transaction

from inbound_admin.lib.errors import RateLimited
from tenants.models import Tenant
from tenants.services import queue

EVERY_SECONDS = 30


def ask_again(*, tenant: Tenant) -> None:
    """Raises RateLimited: three calls of our one a second are not to be had by pressing a button often."""
    if not cache.add(f"tenant-asked-again:{tenant.pk}", "asked", EVERY_SECONDS):
        raise RateLimited("Amazon was asked about this tenant a moment ago.", retry_after=EVERY_SECONDS)
    with transaction.atomic():
        queue.read_soon(tenant)
        queue.find_out_soon(tenant)
        queue.measure_soon(tenant)
