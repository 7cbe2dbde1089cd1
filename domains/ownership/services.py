"""Decides who holds a domain: the customer who proved it first. An unproven domain is displaced, whatever its stage.

A proof is a claim's TXT record, staff's approval, or records of this setup that SES confirmed. None of those records
existed when the domain was added, so their publisher controls the domain's DNS. The proof stays valid when that DNS
lapses.

Owners get an email about each change; the change is kept even if the email fails. Domains that nobody proves expire
after a time, with a warning before, because SES limits the number of identities.
"""

import secrets
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Length
from django.dispatch import Signal
from django.utils import timezone

from accounts.models.people import Customer, User
from accounts.people.selectors import owners_of
from audit import services as audit_services
from domains.deletion import services as deletion_services
from domains.domain_list import selectors as domain_list_selectors
from domains.domain_list.selectors import domain_subject
from domains.jobs import queue_checks, queue_identity_deletion
from domains.models.domains import Domain, Stage
from domains.names.core import DomainName, parse_existing_domain
from domains.ownership.core import PUBLIC_REASONS, TOO_LATE, ClaimReason
from domains.ownership.selectors import (
    below_or_above,
    expiring_domains,
    held_domains,
    is_found_unproven,
    name_and_parents,
    related_domains,
    unproven_domains,
    unproven_domains_left,
    unproven_limit_text,
)
from domains.sub_identities import services as sub_identities_services
from inbound_admin.lib import isolation
from inbound_admin.lib.errors import Refused
from inbound_admin.lib.filters import in_values
from inbound_admin.lib.mail_addresses import plain_address
from notifications.alerts import core as alerts_core
from notifications.alerts import selectors as alerts_selectors
from notifications.alerts import services as alerts_services
from tenants.resources import services as resources_services

DISPLACED, EXPIRING, UNDONE = "domain.displaced", "domain.expiring", "domain.undone"  # kinds of alerts
REMOVED, NOT_REMOVED = "domain.removed", "domain.not_removed"
STAFF = alerts_core.Staff("domains.approve_claim")
CLEARED = {
    "dkim_tokens": [],
    "dkim_zone": "",
    "verification_token": "",
    "ses_mail_from": "",
    "settings_unanswered": False,
    "last_ses_check": None,
    "adopted": False,
    "identity_status": "",
    "dkim_status": "",
    "mail_from_status": "",
    "verified_at": None,
    "ses_problem": "",
    "new_dkim_wanted": False,
    "former_dkim_key": False,
    "routes_unchecked": True,
}
# Sent with `domain`, in the transaction that proves or transfers it, before `proven_at`. A transfer adds `former`.
holder_changed = Signal()
tenure_ended = Signal()  # sent with `name`, `customer_id`, `since` and `until` as the last part of a transfer
handover_shown = Signal()  # sent with `domain` before staff transfer it or approve its claim; returns a sentence or ""
_CLAIM = (
    *("stage", "stage_problem", "claim_token", "claim_reason", "claim_proven_at", "proven_at"),
    *("unproven_warned_at", "next_check_at"),
)


def lock_zone(name: DomainName) -> None:
    """Lock the zone until the transaction ends: nobody else adds, proves or loses a name of it.
    Lock it before any row.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"zone {name.zone}"])


def lock_names(name: DomainName) -> None:
    """Lock the zone, then all domains at, above and below the name in the order of their IDs, whoever has them.

    Call it before a proof or a transfer, which changes several of them: rivals, and the new holder's own.
    """
    lock_zone(name)
    _locked(Domain.objects.filter(Q(name=name.ascii) | below_or_above(name)))


def lock_domains(*, of: Iterable[str], customer: Customer) -> None:
    """Lock the customer's domains at and above these names or addresses, as typed, until the transaction ends.

    Who locks several domains one after the other calls it first: all lock them in the order of their IDs, so that
    nobody waits in a circle.
    """
    names = {each for text in of for each in name_and_parents(_plain_name(text))}
    own = Domain.objects.select_for_update(of=("self",)).filter(in_values("name", names), customer=customer)
    list(own.order_by("pk").values_list("pk"))


def _plain_name(text: str) -> str:
    """Return the name in the text; "" if there is none, which is refused later."""
    try:
        return parse_existing_domain(plain_address(text).rpartition("@")[2])
    except Refused:
        return ""


def open_claim(domain: Domain, reason: ClaimReason) -> None:
    """Turn the row into a claim. SES is not called until it is proven. The caller holds the row's lock.

    Alerts about what it was end: no check would resolve them, and a new deadline needs a new warning.
    """
    alerts_services.resolve_silently(about=domain_subject(domain))
    domain.stage, domain.stage_problem = Stage.CLAIM, ""
    domain.claim_token, domain.claim_reason = secrets.token_urlsafe(24), reason
    domain.claim_proven_at = domain.proven_at = domain.unproven_warned_at = None
    domain.next_check_at = timezone.now()
    domain.save(update_fields=_CLAIM)
    after = {"reason": PUBLIC_REASONS[reason]}
    audit_services.record("domain.claim_required", about=domain_subject(domain), actor=None, after=after)
    for held in held_nearby(domain):
        audit_services.record(
            "domain.claimed_nearby", about=domain_subject(held), actor=None, after={"name": domain.name}
        )


def held_nearby(claimed: Domain) -> QuerySet[Domain]:
    """Return other customers' held domains below or above the claimed one."""
    related = related_domains(claimed.parsed).exclude(customer_id=claimed.customer_id)
    return related.select_related("customer")


def prove(domain: Domain) -> None:
    """Mark the row as proven and displace other customers' claims. The caller has locked row and zone, and saves the
    row.
    """
    if domain.proven_at is None:
        displace(domain.parsed, winner=domain.customer)
        holder_changed.send(sender=Domain, domain=domain)
        domain.proven_at = timezone.now()  # last: until the commit, route lookup gives mail to the former holder


def displace(name: DomainName, *, winner: Customer) -> None:
    """Displace unproven rows at, below and above a name that is now proven. The caller holds the zone's lock."""
    rivals = unproven_domains().exclude(customer=winner).exclude(stage=Stage.DELETING)
    nearby = Q(name=name.ascii) | (below_or_above(name) & ~Q(stage=Stage.CLAIM))
    for rival in _locked(rivals.filter(nearby)):
        if rival.stage != Stage.CLAIM:
            revert_to_claim(rival, ClaimReason.RIVAL if rival.name == name.ascii else ClaimReason.RELATED)
        if rival.name == name.ascii:
            _notify_displaced(rival, name)
        else:
            _notify_related(rival)


def _locked(rows: QuerySet[Domain]) -> Iterable[Domain]:
    return list(rows.select_for_update(of=("self",)).select_related("customer").order_by("pk"))


def revert_to_claim(rival: Domain, reason: ClaimReason) -> None:
    """Delete its identity, unless a new owner creates it again: then our deletion job would delete theirs. The caller
    notifies its owners.
    """
    is_taken_over = reason is ClaimReason.RIVAL
    Domain.objects.filter(pk=rival.pk).update(**CLEARED, identity_deletion_wanted=not is_taken_over)
    rival.record_checks.all().delete()
    rival.refresh_from_db()
    resources_services.release_identity(name=rival.name, customer=rival.customer)
    sub_identities_services.leave_tenants(rival, rival.customer)
    open_claim(rival, reason)
    if not is_taken_over:
        queue_identity_deletion(rival)


def _notify_displaced(rival: Domain, name: DomainName) -> None:
    if rival.stage_problem == TOO_LATE:
        return
    Domain.objects.filter(pk=rival.pk).update(stage_problem=TOO_LATE)
    why = (
        f"Another account has proven ownership of {name}, so your entry can't be set up. "
        "If you own the domain, contact support. Otherwise, delete the entry."
    )
    _announce_displaced(rival, why)


def _notify_related(rival: Domain) -> None:
    why = (
        f"Another account has proven ownership of a domain related to {rival}, so {rival} is no longer set up. "
        "Publish the record shown on its page to set it up again."
    )
    _announce_displaced(rival, why)


def _announce_displaced(rival: Domain, why: str) -> None:
    audit_services.record("domain.displaced", about=domain_subject(rival), actor=None)
    alerts_services.observe(kind=DISPLACED, about=domain_subject(rival), firing=True, why=why, severity="high")


def resolve_alerts(domain: Domain) -> None:
    """Resolve the alerts of a domain that is now proven."""
    for kind in (DISPLACED, EXPIRING, UNDONE):
        alerts_services.observe(kind=kind, about=domain_subject(domain), firing=False, why="", severity="high")


def is_held_by_another(domain: Domain) -> bool:
    return held_domains().filter(name=domain.name).exclude(pk=domain.pk).exists()


CHECKED_WITHIN = timedelta(hours=2)  # before a removal. The worker removes every hour, and has it checked before
LATE_AFTER = timedelta(days=3)  # after the deadline: then staff are alerted
BECAUSE = "Ownership wasn't proven in time."


def check_unproven_limit(customer: Customer, actor: User | None) -> None:
    """Raise Refused if the customer has reached the limit of unproven domains. Staff have no limit.

    Call it in the transaction that adds: the customer's row is locked, so concurrent requests cannot exceed it.
    """
    if unproven_domains_left(customer, actor) is None:
        return
    Customer.locked(customer.pk)
    if unproven_domains_left(customer, actor) == 0:
        raise Refused(unproven_limit_text(), code="TOO_MANY_UNPROVEN")


def expire_unproven_domains(*, now: datetime) -> int:
    """Warn about expiring domains, and delete those that were warned long enough ago; return the number of deletions
    begun.
    """
    if not settings.UNPROVEN_DOMAIN_DAYS:
        _report_kept({}, (), now)
        return 0
    _warn(now)
    return _remove(now)


def _overdue(now: datetime, days: int) -> Iterable[Domain]:
    here = domain_list_selectors.domains_in_region().filter(
        pk__in=expiring_domains().values("pk"), held_at=None, created_at__lte=now - timedelta(days=days)
    )
    return here.select_related("customer").order_by(Length("name").desc())  # subdomains before their parents


def _warn(now: datetime) -> None:
    overdue = _overdue(now, settings.UNPROVEN_DOMAIN_DAYS - settings.UNPROVEN_WARNING_DAYS)
    unwarned = [domain for domain in overdue if domain.unproven_warned_at is None]
    isolation.each_alone("expiring domains", unwarned, partial(_warn_owners, now=now))


def _lock_expiring(domain: Domain, warned_at: datetime | None) -> Domain | None:
    """Lock the zone and read again. None if it was proven, verified, held or transferred since the list was read."""
    lock_zone(domain.parsed)
    same = expiring_domains().filter(pk=domain.pk, customer=domain.customer_id, unproven_warned_at=warned_at)
    return same.filter(held_at=None).select_related("customer").first()


@transaction.atomic
def _warn_owners(domain: Domain, now: datetime) -> None:
    if _lock_expiring(domain, None) is None:
        return
    domain.unproven_warned_at = now
    domain.save(update_fields=("unproven_warned_at",))
    until = domain.removal_at or now
    why = f"{domain} isn't verified yet. Publish its records by {until:%-d %B %Y}, or it will be removed."
    about = domain_subject(domain)
    alerts_services.observe(kind=EXPIRING, about=about, firing=True, why=why, severity="medium", now=now)
    audit_services.record("domain.expiring", about=about, actor=None, after={"until": f"{until:%Y-%m-%d}"})


@transaction.atomic
def withdraw_warning(domain: Domain) -> None:
    """Owners are warned again before a removal: the domain was on hold, or nobody could be sent the warning."""
    if domain.unproven_warned_at is None:
        return
    domain.unproven_warned_at = None
    domain.save(update_fields=("unproven_warned_at",))
    alerts_services.observe(kind=EXPIRING, about=domain_subject(domain), firing=False, why="", severity="medium")


def _remove(now: datetime) -> int:
    gone: list[Domain] = []
    kept: dict[str, str] = {}
    over = [each for each in _overdue(now, settings.UNPROVEN_DOMAIN_DAYS) if each.removal_at and each.removal_at <= now]
    isolation.each_alone("expired domains", over, partial(_remove_one, now=now, gone=gone, kept=kept))
    _report_kept(kept, over, now)
    return len(gone)


def _remove_one(domain: Domain, *, now: datetime, gone: list[Domain], kept: dict[str, str]) -> None:
    """Remove it if a check after its deadline, and not long ago, found it unproven. Otherwise have it checked."""
    try:
        with transaction.atomic():
            locked = _lock_expiring(domain, domain.unproven_warned_at)
            if locked is None or locked.removal_at is None:
                return
            if alerts_selectors.is_unsent(EXPIRING, object_id=domain.pk):
                withdraw_warning(locked)
                return
            if not is_found_unproven(locked, since=max(locked.removal_at, now - CHECKED_WITHIN)):
                Domain.objects.filter(pk=domain.pk).update(next_check_at=now)
                queue_checks()
                kept[domain.pk] = f"{_UNCLEAR} Last result: {locked.stage_problem or locked.summary or 'none'}"
                return
            deletion_services.mark_for_deletion(domain=domain, typed_name=domain.name, actor=None, because=BECAUSE)
            _notify_removed(locked, now)
    except Refused as refused:  # a person must first remove its subdomains or addresses
        kept[domain.pk] = str(refused)
        return
    gone.append(domain)


_UNCLEAR = "No check since then shows that it isn't verified."
_WAY_OUT = "Ask its customer, then approve its claim or delete it."


def _report_kept(kept: Mapping[str, str], over: Collection[Domain], now: datetime) -> None:
    """Alert staff of domains that stay long after their deadline. `kept`: why, by ID. `over`: all whose turn it was."""
    late = [each for each in over if each.pk in kept and each.removal_at and each.removal_at <= now - LATE_AFTER]
    settled = set(alerts_selectors.open_objects(NOT_REMOVED)).difference(each.pk for each in over)
    rows = [*late, *domain_list_selectors.domains_in_region().filter(pk__in=settled)]
    isolation.each_alone("domains past their deadline", rows, partial(_observe_kept, kept=kept, now=now))


def _observe_kept(domain: Domain, *, kept: Mapping[str, str], now: datetime) -> None:
    is_kept, until = domain.pk in kept, domain.removal_at or now
    why = f"It was to be removed on {until:%-d %B %Y}. {kept[domain.pk]} {_WAY_OUT}" if is_kept else ""
    alerts_services.observe(
        kind=NOT_REMOVED,
        about=domain_subject(domain),
        firing=is_kept,
        why=why,
        severity="medium",
        audience=STAFF,
        now=now,
    )


def _notify_removed(domain: Domain, now: datetime) -> None:
    """Queue the email in the transaction of the removal. It is about the customer, whose page stays."""
    why = (
        f"We removed {domain} because it wasn't verified within {settings.UNPROVEN_DOMAIN_DAYS} days. "
        "You can add it again when you're ready to publish its records."
    )
    about, owners = replace(domain_subject(domain), type="customer", id=domain.customer_id), owners_of(domain.customer)
    alerts_services.announce(kind=REMOVED, about=about, people=owners, why=why, now=now)


def announce_transfer(domain: Domain, before: Customer) -> None:
    """Queue the emails in the transaction of the transfer. The former customer's is about its own page."""
    about, to, now = domain_subject(domain), domain.customer, timezone.now()
    left = replace(about, type="customer", id=before.pk, customer_id=before.pk)
    out = (
        f"Support moved {domain} out of {before}. Mail received before is still delivered to your endpoints, so keep "
        "them for a day. Its share links no longer work. If you didn't expect this, contact support."
    )
    come = (
        f"Support moved {domain} into {to}. Its addresses and catch-alls come with it, without endpoints: mail is only "
        "stored until you choose endpoints for them. If you didn't expect this, contact support."
    )
    alerts_services.announce(kind="domain.moved_in", about=about, people=owners_of(to), why=come, now=now)
    alerts_services.announce(kind="domain.moved_out", about=left, people=owners_of(before), why=out, now=now)
