"""Notifies the people who asked for it that a domain is verified: once, by email and their own webhooks.

The person who adds a domain asks for it by default; others who see it may ask too. The notices are sent as alerts, so
that each person's channels, digest and quiet hours apply, and people who lost access are left out.
"""

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from accounts.models.people import User
from audit import services as audit_services
from domains.domain_list.selectors import domain_subject
from domains.models.domains import Domain
from domains.models.verified_notices import VerifiedNotice
from inbound_admin.lib.errors import Refused
from notifications.alerts import services as alerts_services

KIND = "domain.verified"
DONE = "All required records are verified. SES can send and sign mail for this domain."


@dataclass(frozen=True)
class NoticeChoice:
    """One person's choice for one domain. `can_change`: the domain is not verified yet."""

    is_on: bool
    told_at: datetime | None
    can_change: bool


def notice_choice(person: User, domain: Domain) -> NoticeChoice:
    row = VerifiedNotice.objects.filter(domain=domain, person=person).first()
    return NoticeChoice(row is not None, row.told_at if row else None, domain.verified_at is None)


def request_notice(domain: Domain, person: User) -> None:
    """Request the notice when the domain is added, in that transaction and under its change log entry."""
    VerifiedNotice.objects.get_or_create(domain=domain, person=person)


@transaction.atomic
def set_notice(*, domain: Domain, person: User, wanted: bool) -> None:
    """Turn the notice on or off. Idempotent. Raises Refused if the domain is already verified."""
    locked = Domain.objects.select_for_update(no_key=True).get(pk=domain.pk)
    before = VerifiedNotice.objects.filter(domain=locked, person=person).exists()
    if before == wanted:
        return
    if locked.verified_at is not None:
        raise Refused(f"{locked} is already verified.", code="VERIFIED_ALREADY")
    if wanted:
        VerifiedNotice.objects.create(domain=locked, person=person)
    else:
        VerifiedNotice.objects.filter(domain=locked, person=person, told_at=None).delete()
    audit_services.record(
        "domain.verified_notice",
        about=domain_subject(locked),
        actor=person,
        before={"told": before},
        after={"told": wanted},
    )


def send_notices(domain: Domain, *, now: datetime) -> None:
    """Send the notices, in the transaction that found the domain verified."""
    why = DONE if domain.receiving.is_live or not domain.receives else f"{DONE} {domain.receiving.sentence}"
    waiting = VerifiedNotice.objects.filter(domain=domain, told_at=None)
    for row in waiting.select_for_update(of=("self",)).select_related("person"):
        alerts_services.announce(kind=KIND, about=domain_subject(domain), person=row.person, why=why, now=now)
        row.told_at = now
        row.save(update_fields=("told_at",))


def delete_notices(domain: Domain) -> None:
    """Delete all requests at a transfer: they were made by the former customer's people."""
    VerifiedNotice.objects.filter(domain=domain).delete()
    alerts_services.withdraw(kind=KIND, about=domain_subject(domain))
