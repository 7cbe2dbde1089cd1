"""A look that a program asked for: at whatever may be looked at now, and silent about the rest."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Q

from domains.models import Domain, Stage
from domains.services import checking, claiming
from inbound_admin.lib import aws, slow_work


def look_at(domains: Sequence[Domain], *, now: datetime) -> None:
    """DNS and Amazon, all in one; none that was looked at a moment ago, is held, on its way or of another region."""
    customers = {domain.customer_id for domain in domains}
    with slow_work.place(customer=customers.pop() if len(customers) == 1 else ""):
        _look_at(_take_turns(domains, now), now)


def _look_at(due: Sequence[Domain], now: datetime) -> None:
    claimed = [domain for domain in due if domain.stage == Stage.CLAIM]
    if claimed:
        claiming.look_at(claimed)
    with aws.patience(settings.AWS_PAGE_PATIENCE_SECONDS):
        checking.check([domain for domain in due if domain.stage == Stage.READY], now=now)


def _take_turns(domains: Sequence[Domain], now: datetime) -> list[Domain]:
    """As of one domain in `checking`: of several who ask at the same moment one looks."""
    latest = now - timedelta(seconds=settings.CHECK_NOW_EVERY_SECONDS)
    free = Q(last_dns_check=None) | Q(last_dns_check__lte=latest)
    can_be = Q(held_at__isnull=True, region=settings.AWS_REGION, stage__in=(Stage.READY, Stage.CLAIM))
    taken = [
        domain
        for domain in domains
        if Domain.objects.filter(free & can_be, pk=domain.pk).update(last_dns_check=now, watched_from=now)
    ]
    for domain in taken:
        domain.last_dns_check = domain.watched_from = now
    return taken
