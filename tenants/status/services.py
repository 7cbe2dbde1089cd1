"""Reads a tenant's sending status from SES, stores it layer by layer, and notifies of what changed.

An event or a page never sets a status: it causes a read. After a failed read the stored status stays, with the reason.
A change goes to the customer's owners, to webhooks, and to staff as an alert. `refresh` queues a read of status,
recommendations and rates, a job each.
"""

from collections.abc import Iterable
from datetime import datetime

import structlog
from django.core.cache import cache
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from accounts.people.selectors import owners_of
from audit import services as audit_services
from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsMissing, AwsProblem, RateLimited, Refused
from inbound_admin.lib.freshness import is_outdated
from notifications.alerts import core as alerts_core
from notifications.alerts import services as alerts_services
from notifications.email import services as email_services
from notifications.events import services as events_services
from tenants import jobs
from tenants.configuration_sets import services as configuration_sets_services
from tenants.customer_notices.core import RESUMED, is_current, owner_email
from tenants.jobs import queue_owner_email
from tenants.lifecycle import gateway as lifecycle_gateway
from tenants.lifecycle.core import ANOTHER, DEFAULT_OUTSIDE, GONE, NOT_ASSOCIATED, REJECTED, Entity
from tenants.lifecycle.selectors import default_sets_outside, tenant_subject, tenants_in_region
from tenants.models.tenants import StatusChange, Tenant, TenantResource, TenantStage
from tenants.reputation.services import sync_if_impact_changed
from tenants.status.core import (
    ACCOUNT_STOPPED,
    PAUSED_BY,
    LayerName,
    PausedBy,
    SendingStatus,
    TenantStatus,
    derive,
    is_settled,
    paused_by,
)

NOT_IN_USE = "Sends don’t name this tenant yet, so no mail is stopped."
STAFF = alerts_core.Staff("tenants.pause_tenant")
BY_AMAZON = "amazon"
BY_HAND = {True: "Paused in SES, outside this system.", False: "Enabled in SES, outside this system."}
UNDONE = "Somebody ended the pause in SES, so mail may be sent. Pause the tenant again, or resume it."


def notify_of_change(tenant: Tenant, *, old: str, now: datetime, confirmed: bool = False) -> None:
    """Notify of a changed status, in the transaction that stores it. The first read of a sending tenant is no news.

    `confirmed`: SES has just confirmed a pause or resume of ours. A pause is news, also if SES had stopped it before.
    """
    new = TenantStatus(tenant.standing)
    if confirmed and tenant.is_paused and new in (TenantStatus.PAUSED, old):
        _announce(tenant, "tenant.paused", TenantStatus.PAUSED, old=old, by=PausedBy.STAFF)
    elif new != old and new == TenantStatus.PAUSED:
        by = paused_by(tenant.staff_cause, by_us=tenant.is_paused)
        _announce(tenant, "tenant.paused", new, old=old, by=by)
    elif new != old and new == TenantStatus.SUSPENDED:
        _announce(tenant, "tenant.suspended", new, old=old, by=BY_AMAZON)
    elif new == TenantStatus.ACTIVE and old == TenantStatus.PAUSED:
        announce_resumed(tenant, old=old, by=PausedBy.OUTSIDE)
    elif new == TenantStatus.ACTIVE and old in (TenantStatus.SUSPENDED, TenantStatus.RESUMING):
        announce_resumed(tenant, old=old, by=PausedBy.STAFF if old == TenantStatus.RESUMING else BY_AMAZON)
    _warn_of_policy(tenant, now)
    _warn_of_undone(tenant, now, confirmed=confirmed)
    warn_of_rejected(tenant, now)


def announce_resumed(tenant: Tenant, *, old: str, by: str = PausedBy.STAFF) -> None:
    """Tell the owners and webhooks that the tenant sends again, in the transaction that decides or reads it."""
    _announce(tenant, "tenant.resumed", RESUMED, old=old, by=by)


def _announce(tenant: Tenant, event: str, what: str, *, old: str, by: str) -> None:
    if tenant.names_tenant or tenant.stops_receiving:
        queue_owner_email(tenant, str(what))
    data: dict[str, object] = {"tenant": tenant.name, "standing": str(tenant.standing), "before": str(old)}
    data |= {"by": str(by), "region": tenant.region, "through_tenant": tenant.names_tenant}
    why = ACCOUNT_STOPPED if tenant.account_stopped else "" if tenant.names_tenant else NOT_IN_USE
    data |= {"account_stopped": tenant.account_stopped} | ({"why": why} if why else {})
    events_services.emit(event=event, about=tenant_subject(tenant), data=data, now=timezone.now())


def warn_of_rejected(tenant: Tenant, now: datetime) -> None:
    """Alert staff and the customer while SES rejects sends: the tenant, or one of its associations, is gone there."""
    lost = TenantResource.objects.filter(tenant=tenant, wanted=True).exclude(lost_at=None)
    names = [tenant.name] if tenant.is_gone else list(lost.values_list("name", flat=True)[:3])
    of_staff = f"{tenant.name}: {tenant.read_problem or NOT_ASSOCIATED} ({', '.join(names)})" if names else ""
    if not names and (outside := list(default_sets_outside([tenant])[:3])):
        pairs = ", ".join(f"{row.default_set} of {row.name}" for row in outside)
        of_staff = f"{tenant.name}: {DEFAULT_OUTSIDE} ({pairs})"
    told = bool(names) and tenant.sends_since is not None
    people = alerts_core.CustomerPeople(tenant.customer_id)
    _observe("tenant.incomplete", tenant, bool(of_staff), of_staff, STAFF, now)
    _observe("sending.rejected", tenant, told, REJECTED, people, now)


def _observe(kind: str, tenant: Tenant, firing: bool, why: str, audience: alerts_core.Audience, now: datetime) -> None:
    about = tenant_subject(tenant)
    alerts_services.observe(kind=kind, about=about, firing=firing, why=why, severity="high", audience=audience, now=now)


def _warn_of_policy(tenant: Tenant, now: datetime) -> None:
    """Warn staff of a pause by the policy or by somebody in SES. A pause by our own staff is no news, and ends none."""
    if tenant.standing == TenantStatus.UNKNOWN or tenant.is_paused:
        return
    why = f"{tenant.name} was paused {_whom(tenant)}. {tenant.staff_cause}".strip()
    _observe("tenant.paused", tenant, tenant.standing == TenantStatus.PAUSED, why, STAFF, now)


def _warn_of_undone(tenant: Tenant, now: datetime, *, confirmed: bool) -> None:
    """Warn staff of a pause of theirs that somebody ended in SES, until they pause or resume the tenant again."""
    if confirmed or (tenant.is_paused and not tenant.is_under_way and not tenant.is_gone):
        why = f"{tenant.name} was paused by our team. {UNDONE}"
        _observe("tenant.pause_undone", tenant, tenant.pause_is_undone, why, STAFF, now)


def warn_of_receiving(tenant: Tenant, problem: str, now: datetime) -> None:
    """Warn staff while SES refuses the stop of a customer's inbound mail, or its end."""
    why = f"Inbound mail of {tenant.customer} isn’t {'stopped' if tenant.stops_receiving else 'on again'}. {problem}"
    _observe("tenant.receiving", tenant, bool(problem), why, STAFF, now)


def _whom(tenant: Tenant) -> str:
    return PAUSED_BY[paused_by(tenant.staff_cause, by_us=False)]


def read_tenant(*, tenant_id: str) -> None:
    """Read its layers and configuration set now. Raises AwsProblem, which is also stored for the page."""
    tenant = tenants_in_region().filter(pk=tenant_id, stage=TenantStage.READY).first()
    if tenant is None:
        return
    try:
        read(tenant)
        configuration_sets_services.read_set(tenant=tenant)
        configuration_sets_services.read_suppression(tenant=tenant)
    except AwsProblem as problem:
        store_failed_read(Tenant.objects.filter(pk=tenant.pk, read_at=tenant.read_at), str(problem))
        raise


def store_failed_read(tenants: QuerySet[Tenant], why: str) -> None:
    """Store why they could not be read. One that is gone stays gone: a failed read says nothing about it."""
    tenants.exclude(read_problem__in=(GONE, ANOTHER)).update(read_problem=why)


def read(tenant: Tenant, *, after: Iterable[str] = ()) -> None:
    """Read only its layers, in one call if SES keeps a reputation of it. Raises AwsProblem.

    `after`: request IDs of the calls that this read confirms.
    """
    asked_at = timezone.now()
    with aws.recording() as request_ids:
        entity = entity_of(tenant)
    if entity is not None:
        store(tenant, entity, asked_at=asked_at, request_ids=[*after, *request_ids])


def entity_of(tenant: Tenant) -> Entity | None:
    """Return the reputation. None, which is stored: SES doesn't have the tenant.

    SES may keep no reputation of a tenant that never sent.
    """
    asked_at = timezone.now()
    try:
        return lifecycle_gateway.get_entity(tenant.arn)
    except AwsMissing:
        pass
    try:
        found = lifecycle_gateway.get_tenant(tenant.name)
    except AwsMissing:
        _record_gone(tenant, GONE, asked_at)
        return None
    if found.arn != tenant.arn:
        _record_gone(tenant, ANOTHER, asked_at)
        return None
    nothing = ("", "", None)
    return Entity(tenant.arn, tenant.ses_policy, nothing, nothing, found.status, "")


@transaction.atomic
def store(tenant: Tenant, entity: Entity, *, asked_at: datetime | None = None, request_ids: Iterable[str] = ()) -> None:
    """Store the read, its changes and their effects in one transaction. `tenant` is refreshed.

    An answer to a request from before the last read, or from before the last change sent to SES, is dropped.
    """
    asked_at = asked_at or timezone.now()
    locked = Tenant.objects.select_for_update(of=("self",)).select_related("customer").filter(pk=tenant.pk).first()
    if locked is None or locked.arn != tenant.arn or is_outdated(asked_at, locked.read_at, locked.status_told_at):
        return
    before, impact = _statuses(locked), locked.impact
    comes_into_use = is_first_in_use(locked, asked_at)
    _record_layers(locked, entity)
    locked.ses_policy = entity.policy
    locked.staff_status, locked.staff_cause, locked.staff_since = entity.staff
    locked.amazon_status, locked.amazon_cause, locked.amazon_since = entity.amazon
    locked.aggregate, locked.impact = entity.aggregate, entity.impact
    locked.read_at, locked.read_problem = asked_at, ""
    if not locked.is_paused:
        locked.stopped_as = ""
    _conclude(locked, before, list(request_ids), comes_into_use=comes_into_use)
    locked.save()
    sync_if_impact_changed(locked, impact_before=impact, now=timezone.now())
    tenant.refresh_from_db()


def is_first_in_use(tenant: Tenant, asked_at: datetime) -> bool:
    """Return whether a read at that time is the first since the customer's sends began to name the tenant.

    A pause or suspension from before stops their mail from then on, which is news.
    """
    since, last = tenant.sends_since, tenant.read_at
    return since is not None and last is not None and last < since <= asked_at


def locked_tenant(tenant: Tenant) -> Tenant:
    """Return its row, locked until the transaction ends. Raises Refused if it is being deleted."""
    locked = Tenant.objects.select_for_update(of=("self",)).select_related("customer").filter(pk=tenant.pk).first()
    if locked is None or locked.stage == TenantStage.DELETING:
        raise Refused("This tenant is being deleted.", code="TENANT_DELETING")
    return locked


def status_of(tenant: Tenant) -> TenantStatus:
    """Derive the status from what we want and what SES has, by the row."""
    return derive(
        wants_pause=tenant.is_paused,
        under_way=tenant.is_under_way,
        amazon=tenant.amazon_status,
        aggregate=tenant.aggregate,
    )


def recompute_status(locked: Tenant) -> None:
    """Derive the status of a locked row again, after a request of ours. The caller saves it."""
    new = status_of(locked)
    if new != locked.standing:
        locked.standing, locked.standing_since = new, timezone.now()


def _conclude(locked: Tenant, before: dict[str, str], request_ids: list[str], *, comes_into_use: bool) -> None:
    asked = locked.is_under_way
    if asked and _is_confirmed(locked):
        locked.status_proven_at, locked.status_problem = timezone.now(), ""
        locked.pause_is_ours = locked.pause_is_ours and locked.is_paused
    old = locked.standing
    recompute_status(locked)
    if not asked:
        locked.status_problem = UNDONE if locked.pause_is_undone else ""
    after = _statuses(locked)
    if asked and locked.status_proven_at:
        _log_confirmed(locked, before, after, request_ids)
    elif _is_by_aws(before, after, asked=asked):
        _log_seen(locked, before, after, request_ids)
    confirmed = asked and locked.status_proven_at is not None
    old = TenantStatus.ACTIVE if comes_into_use else old
    notify_of_change(locked, old=old, now=timezone.now(), confirmed=confirmed)


def _is_confirmed(locked: Tenant) -> bool:
    return locked.status_told_at is not None and is_settled(
        wants_pause=locked.is_paused,
        staff=locked.staff_status,
        amazon=locked.amazon_status,
        aggregate=locked.aggregate,
    )


def _log_confirmed(locked: Tenant, before: dict[str, str], after: dict[str, str], request_ids: list[str]) -> None:
    what = "tenant.paused" if locked.is_paused else "tenant.resumed"
    audit_services.record(
        what, about=tenant_subject(locked), actor=None, before=before, after=after, aws_request_ids=request_ids
    )


def _log_seen(locked: Tenant, before: dict[str, str], after: dict[str, str], request_ids: list[str]) -> None:
    """Record a change that we saw in SES. One of our side's status by hand isn't an act of AWS."""
    was_off, is_off = (side["staff"] == SendingStatus.DISABLED for side in (before, after))
    is_of_staff = before["amazon"] == after["amazon"] and was_off != is_off
    is_by_hand = is_of_staff and paused_by(locked.staff_cause, by_us=False) is PausedBy.OUTSIDE
    because = f"{BY_HAND[is_off]} {locked.staff_cause}" if is_by_hand else locked.amazon_cause or locked.staff_cause
    audit_services.record(
        "tenant.standing",
        about=tenant_subject(locked),
        actor=None if is_by_hand else audit_services.AMAZON,
        because=because.strip(),
        before=before,
        after=after,
        aws_request_ids=request_ids,
    )


def _is_by_aws(before: dict[str, str], after: dict[str, str], *, asked: bool) -> bool:
    """Return whether AWS, its policy or somebody in the SES console changed a status. Never for the first read."""
    watched = ("amazon",) if asked else ("amazon", "staff", "standing")
    return (
        any(before[key] and before[key] != after[key] for key in watched) and before["standing"] != TenantStatus.UNKNOWN
    )


def _statuses(tenant: Tenant) -> dict[str, str]:
    return {"standing": str(tenant.standing), "amazon": tenant.amazon_status, "staff": tenant.staff_status}


def _record_layers(locked: Tenant, entity: Entity) -> None:
    """Record changes of both sides. The first read of a layer in its normal state is no change."""
    sides = (
        (LayerName.STAFF, locked.staff_status, entity.staff),
        (LayerName.AMAZON, locked.amazon_status, entity.amazon),
    )
    for layer, old, (new, cause, since) in sides:
        if old != new and (old or new != SendingStatus.ENABLED):
            change = StatusChange(tenant=locked, layer=layer, old=old, new=new, cause=cause, since=since)
            change.save()


@transaction.atomic
def _record_gone(tenant: Tenant, why: str, asked_at: datetime) -> None:
    """Record that SES doesn't have the tenant, unless a newer read is stored.

    SES's earlier values are kept for the page; the status is not. What stopped it is kept apart, since a deletion by
    hand ends no pause.
    """
    locked = Tenant.locked(tenant.pk)
    if locked.arn != tenant.arn or is_outdated(asked_at, locked.read_at):
        return
    locked.stopped_as = locked.stopped_as or _stopped_as(locked)
    locked.read_problem, locked.aggregate, locked.read_at = why, "", asked_at
    locked.amazon_status = locked.staff_status = ""
    recompute_status(locked)
    locked.save()
    warn_of_rejected(locked, timezone.now())


def _stopped_as(tenant: Tenant) -> str:
    """Return what SES, its policy or somebody there did with it. A pause of ours is in `is_paused`."""
    if tenant.amazon_status == SendingStatus.DISABLED:
        return TenantStatus.SUSPENDED
    is_ours = tenant.is_paused or tenant.is_under_way
    return "" if is_ours or tenant.aggregate != SendingStatus.DISABLED else TenantStatus.PAUSED


log = structlog.get_logger(__name__)


def notify_owners(*, tenant_id: str, what: str) -> None:
    """Email the customer's owners.

    Raises SMTPException or OSError, so the job is retried until it is sent or outdated.
    """
    tenant = Tenant.objects.select_related("customer").filter(pk=tenant_id).first()
    if tenant is None or not _is_current(tenant, what):
        return
    mail = owner_email(what, tenant.notice)
    if mail is None:
        return
    owners = [owner.email for owner in owners_of(tenant.customer)]
    if not owners:
        log.warning("nobody to tell", tenant=tenant.pk, what=what)
        return
    email_services.send(title=mail[0], text=mail[1], to=owners)


def _is_current(tenant: Tenant, what: str) -> bool:
    """Return whether the email is still true. A pause of ours is, also while AWS suspends the tenant."""
    below = what == TenantStatus.PAUSED and tenant.is_paused and tenant.standing == TenantStatus.SUSPENDED
    return below or is_current(what, tenant.standing)


EVERY_SECONDS = 30


def refresh(*, tenant: Tenant) -> None:
    """Queue a read. Raises RateLimited, since it uses three of the one SES call a second that we have."""
    if not cache.add(f"tenant-asked-again:{tenant.pk}", "asked", EVERY_SECONDS):
        raise RateLimited("This tenant was read from SES a moment ago.", retry_after=EVERY_SECONDS)
    with transaction.atomic():
        jobs.queue_read(tenant)
        jobs.queue_recommendations_sync(tenant)
        jobs.queue_metrics_sync(tenant)
