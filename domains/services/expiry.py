"""Domains that nobody proves end after a time: Amazon's identities are few. Their owners are told before."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Length

from alerts import services as alerts
from changes import services as changes
from domains.core.claims import OUR_REASONS
from domains.models import Domain, Stage
from domains.selectors import finding
from domains.selectors.ownership import unproven_domains
from domains.services import deleting
from domains.services.ownership import EXPIRING
from domains.services.subjects import subject
from domains.services.telling import tell
from inbound_admin.lib.errors import Refused
from tenants.models import Customer, User
from tenants.selectors import supports_everyone

BECAUSE = "Its ownership was not proven in time."
log = structlog.get_logger(__name__)


def refuse_more(customer: Customer, actor: User | None) -> None:
    """Raises Refused when the customer has as many unproven domains as they may; our staff add more for them.

    Inside the transaction that adds: the customer's row is locked, so that many requests at once add no more.
    """
    most = settings.UNPROVEN_DOMAINS_PER_CUSTOMER
    if not most or (actor is not None and supports_everyone(actor)):
        return
    Customer.objects.select_for_update(no_key=True).get(pk=customer.pk)
    if _ending().filter(customer=customer).count() >= most:
        raise Refused(
            f"{most:,} of your domains are not verified yet, which is the most at a time. "
            "Verify or delete some of them first, or ask our support to add this one.",
            code="TOO_MANY_UNPROVEN",
        )


def end_unproven(*, now: datetime) -> int:
    """Warn of what will be removed, and remove what was warned of long enough ago; how many are on their way out."""
    if not settings.UNPROVEN_DOMAIN_DAYS:
        return 0
    _warn(now)
    return _remove(now)


def _ending() -> QuerySet[Domain]:
    """What our staff brought in waits for as long as it takes, and so does what was verified once."""
    rows = unproven_domains().filter(verified_at=None).exclude(claim_reason__in=OUR_REASONS)
    return rows.exclude(stage=Stage.DELETING)


def _over(now: datetime, days: int) -> Iterable[Domain]:
    here = finding.here().filter(
        pk__in=_ending().values("pk"), held_at=None, created_at__lte=now - timedelta(days=days)
    )
    return here.select_related("customer").order_by(Length("name").desc())  # sub-domains before what they lie under


def _warn(now: datetime) -> None:
    for domain in _over(now, settings.UNPROVEN_DOMAIN_DAYS - settings.UNPROVEN_WARNING_DAYS):
        if domain.unproven_warned_at is None:
            _warn_of(domain, now)


@transaction.atomic
def _warn_of(domain: Domain, now: datetime) -> None:
    domain.unproven_warned_at = now
    domain.save(update_fields=("unproven_warned_at",))
    until = domain.removal_at or now
    why = f"{domain} is not verified yet. Publish its records by {until:%-d %B %Y}, or it is removed from your list."
    audience = alerts.CustomerPeople(domain.customer_id)
    alerts.observe(
        kind=EXPIRING, about=subject(domain), firing=True, why=why, severity="medium", audience=audience, now=now
    )
    changes.record("domain.expiring", about=subject(domain), actor=None, after={"until": f"{until:%Y-%m-%d}"})


def _remove(now: datetime) -> int:
    gone: dict[Customer, list[str]] = defaultdict(list)
    for domain in _over(now, settings.UNPROVEN_DOMAIN_DAYS):
        if domain.removal_at is None or domain.removal_at > now:
            continue
        try:
            deleting.mark(domain=domain, typed_name=domain.name, actor=None, because=BECAUSE)
        except Refused as refused:  # what stands at it or below it goes first, by a person's hand
            log.info("unproven domain not removed", domain=domain.pk, problem=str(refused))
            continue
        gone[domain.customer].append(str(domain))
    for customer, names in gone.items():
        _tell_gone(customer, names)
    return sum(map(len, gone.values()))


def _tell_gone(customer: Customer, names: list[str]) -> None:
    shown = "\n".join(names)
    text = (
        f"We removed these domains, since they were not verified in {settings.UNPROVEN_DOMAIN_DAYS} days:\n\n"
        f"{shown}\n\n"
        "Add them again when you are ready to publish their records.\n"
    )
    tell(customer, f"{len(names):,} unverified {'domain' if len(names) == 1 else 'domains'} removed", text)
