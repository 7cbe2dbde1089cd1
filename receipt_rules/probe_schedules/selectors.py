"""A domain's schedule of test messages, and the address that the next one goes to."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import F, QuerySet

from domains.models.domains import Domain, Stage
from domains.receiving.core import DELIVERED, ReceivingState
from receipt_rules.addresses.selectors import holder_of
from receipt_rules.models.addresses import Address, CatchAll, Wish
from receipt_rules.models.probes import ProbeSchedule
from receipt_rules.probe_schedules.core import ProbeVerdict

MOST_LOOKED_AT = 50  # addresses of a domain; one that takes mail is among the first
LOCAL_PART = "test"  # of what is sent to a catch-all
ARRIVING = (ReceivingState.LIVE, ReceivingState.COPIED)
NO_ADDRESS = "We can't send test messages: {domain} has no address with an active endpoint."
NOT_LIVE = "We can't send test messages yet. {why}"


@dataclass(frozen=True)
class ProbeTarget:
    """Where the message goes, or why it can go nowhere."""

    recipient: str = ""
    why_none: str = ""


def schedule_of(domain: Domain) -> ProbeSchedule | None:
    """None is off. What a former holder wished counts for nothing."""
    rows = ProbeSchedule.objects.select_related("last_probe")
    return rows.filter(domain=domain, customer=domain.customer_id).first()


def schedules_over() -> "QuerySet[ProbeSchedule]":
    """Of domains that changed hands, are being deleted, or are set to send only."""
    kept = ProbeSchedule.objects.filter(customer=F("domain__customer"), domain__receives=True)
    rows = ProbeSchedule.objects.select_related("domain__customer")
    return rows.exclude(pk__in=kept.exclude(domain__stage=Stage.DELETING).values("pk"))


def schedules_kept() -> "QuerySet[ProbeSchedule]":
    """Those whose domain takes mail as far as we are concerned: set up, proven, not held."""
    rows = ProbeSchedule.objects.filter(
        customer=F("domain__customer"),
        domain__receives=True,
        domain__stage=Stage.READY,
        domain__proven_at__isnull=False,
        domain__held_at=None,
    )
    return rows.select_related("domain__customer", "last_probe")


def schedules_to_judge() -> "QuerySet[ProbeSchedule]":
    """Their last message is on its way, or is missing and may still come; those first that waited longest."""
    open_ = schedules_kept().filter(verdict__in=(ProbeVerdict.WAITING, ProbeVerdict.MISSING), last_probe__isnull=False)
    return open_.order_by(F("judged_at").asc(nulls_first=True), "pk")


def schedules_due(now: datetime) -> "QuerySet[ProbeSchedule]":
    """None while the domain's last message is on its way."""
    return schedules_kept().filter(next_at__lte=now).exclude(verdict=ProbeVerdict.WAITING).order_by("next_at", "pk")


def target_of(domain: Domain) -> ProbeTarget:
    """The first address of the domain that is live and has an endpoint; else, under a catch-all, one of its own."""
    rows = Address.objects.filter(domain=domain, rules__in=DELIVERED).order_by("address")
    wishes: list[Wish] = [each for each in rows.select_related("endpoint")[:MOST_LOOKED_AT] if _has_place(each, domain)]
    recipients = {id(each): str(each) for each in wishes}
    everything = CatchAll.objects.filter(domain=domain, subdomains=False).select_related("endpoint").first()
    own = f"{LOCAL_PART}@{domain.name}"
    if everything and _has_place(everything, domain) and not Address.objects.filter(address=own).exists():
        wishes.append(everything)
        recipients[id(everything)] = own
    for wish in wishes:
        if wish.receiving.state in ARRIVING and holder_of(wish.mail_name) == domain:
            return ProbeTarget(recipients[id(wish)])
    if wishes:
        return ProbeTarget(why_none=NOT_LIVE.format(why=wishes[0].receiving.sentence))
    return ProbeTarget(why_none=NO_ADDRESS.format(domain=domain))


def _has_place(wish: Wish, domain: Domain) -> bool:
    """Without an endpoint its mail stays in the store, which would prove the half."""
    wish.domain = domain
    endpoint = wish.own_endpoint
    return wish.is_active and not wish.refused_because and endpoint is not None and endpoint.is_active
