"""Pauses and resumes a tenant's sending: stores the wanted status, tells SES, then reads it back.

Until the read-back proves it, the status is "pausing", never "paused". We cannot lift a suspension by AWS.
Staff are reminded of a pause on its review date.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from accounts.models.people import Customer, User
from accounts.roles import require, require_reason
from audit import services as audit_services
from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsProblem, Refused
from inbound_admin.lib.seen import refuse_if_changed
from notifications.email import services as email_services
from tenants.customer_notices.core import customer_text_for
from tenants.jobs import queue_status
from tenants.lifecycle import gateway as lifecycle_gateway
from tenants.lifecycle.selectors import due_for_review, tenant_subject, tenants_in_region, what_stopped
from tenants.models.tenants import PauseReason, SendingStatus, Tenant, TenantStage, TenantStatus
from tenants.status import services as status_services

LOOK_AGAIN_SECONDS = 2
NOT_YOURS = "Your role can't pause or resume tenants. Ask Trust & Safety."
SUSPENDED = (
    "AWS suspended this tenant's sending, and only AWS can lift a suspension. Open a case with AWS Support. "
    "This page shows when it is lifted."
)


def require_permission(actor: User) -> None:
    """Raises NotAllowed."""
    require(actor, "tenants.pause_tenant", NOT_YOURS)


def pause(
    *,
    tenant: Tenant,
    reason: str,
    text: str,
    told: str,
    review_on: date | None,
    stops_receiving: bool,
    actor: User,
    bulk_id: str = "",
) -> None:
    """Store the request; the worker tells SES. Raises Refused without a reason and text, or if it is already paused."""
    require_permission(actor)
    text = require_reason(text, "Enter a staff note.")
    if reason not in PauseReason.values:
        raise Refused("Choose a reason.", code="REASON_MISSING")
    _refuse_past(review_on)
    with transaction.atomic():
        locked = status_services.locked_tenant(tenant)
        before: dict[str, object] = {"paused": locked.is_paused}
        if locked.pause_is_undone:  # applied again, with what is given now; receiving stays stopped
            before["staff"], stops_receiving = locked.staff_status, stops_receiving or locked.stops_receiving
        elif locked.is_paused:
            raise Refused(f"{locked} is already {locked.standing_word.lower()}.", code="PAUSED_ALREADY")
        locked.is_paused, locked.pause_reason, locked.pause_text = True, reason, text
        locked.pause_is_ours = locked.staff_status != SendingStatus.DISABLED
        locked.pause_told, locked.pause_review_on = told.strip() or customer_text_for(reason), review_on
        locked.pause_reminded_on, locked.stops_receiving = None, stops_receiving
        _ask(locked, actor)
        _record("tenant.pause_asked", locked, actor, text, before, _logged_pause(locked), bulk_id)
    tenant.refresh_from_db()


def _logged_pause(paused: Tenant) -> dict[str, object]:
    """Return the pause as the change log shows it."""
    return {
        "paused": True,
        "reason": PauseReason(paused.pause_reason).label,
        "told": paused.pause_told or None,
        "review_on": _day(paused.pause_review_on),
        "stops_receiving": paused.stops_receiving or None,
    }


def _day(day: date | None) -> str | None:
    return day.isoformat() if day else None


def kept_pause(*, tenant: Tenant, because: str, actor: User) -> dict[str, object]:
    """Lock the tenant and return the fields of the pause that a restore applies again; empty if nothing stopped it.

    One that SES had stopped before it was deleted there is paused by us: nobody has decided that it may send. Run it in
    the transaction of the restore.
    """
    locked = status_services.locked_tenant(tenant)
    if not locked.is_stopped:
        return {}
    asked: dict[str, object] = {
        "status_asked_at": timezone.now(),
        "status_told_at": None,
        "status_proven_at": None,
        "status_problem": "",
    }
    if locked.is_paused:
        return asked
    text = f"{what_stopped(locked)} {because}".strip()
    after = {"paused": True, "reason": PauseReason.OTHER.label}
    _record("tenant.pause_asked", locked, actor, text, {"paused": False}, after, "")
    told = customer_text_for(PauseReason.OTHER)
    ours = {"is_paused": True, "pause_is_ours": True, "status_asked_by": actor, "pause_review_on": None}
    return asked | ours | {"pause_reason": PauseReason.OTHER, "pause_text": text, "pause_told": told}


def resume(*, tenant: Tenant, because: str, actor: User, bulk_id: str = "", seen: str = "") -> None:
    """Store the request; the worker tells SES. Raises Refused if staff didn't pause it, and nothing in SES did.

    While AWS suspends the tenant, only a pause by staff can be ended, and the suspension stays. `seen`: of the form.
    """
    require_permission(actor)
    because = require_reason(because, "Enter a reason.")
    with transaction.atomic():
        locked = status_services.locked_tenant(tenant)
        refuse_if_changed(seen, locked.shown_pause)
        refuse_resume(locked)
        before = {"paused": True, "reason": PauseReason(locked.pause_reason).label if locked.pause_reason else None}
        locked.is_paused, locked.pause_review_on, locked.stops_receiving = False, None, False
        locked.stopped_as = locked.stopped_as if locked.is_gone else ""
        locked.pause_reason = locked.pause_text = locked.pause_told = ""
        _ask(locked, actor)
        _record("tenant.resume_asked", locked, actor, because, before, {"paused": False}, bulk_id)
    tenant.refresh_from_db()


def refuse_resume(tenant: Tenant) -> None:
    """Raise Refused with who can lift the pause, or because nothing is paused. Used by page and service."""
    if tenant.amazon_status == SendingStatus.DISABLED and not tenant.is_paused:
        raise Refused(SUSPENDED, code="SUSPENDED_BY_AMAZON")
    if not tenant.is_paused and tenant.standing != TenantStatus.PAUSED:
        raise Refused(f"{tenant} is not paused.", code="NOT_PAUSED")


def keep_paused(*, tenant: Tenant, because: str, review_on: date | None, actor: User, seen: str = "") -> None:
    """Record the review's outcome: still paused, with or without a next review date.

    Raises Refused also if it isn't paused in SES, so that nobody believes that it is.
    """
    require_permission(actor)
    because = require_reason(because, "Enter a reason.")
    _refuse_past(review_on)
    with transaction.atomic():
        locked = status_services.locked_tenant(tenant)
        refuse_if_changed(seen, locked.shown_pause)
        if why := why_not_kept(locked):
            raise Refused(why, code="NOT_PAUSED")
        before = {"review_on": _day(locked.pause_review_on)}
        locked.pause_review_on, locked.pause_reminded_on = review_on, None
        locked.save(update_fields=("pause_review_on", "pause_reminded_on", "updated_at"))
        _record("tenant.pause_kept", locked, actor, because, before, {"review_on": _day(review_on)}, "")
    tenant.refresh_from_db()


def why_not_kept(tenant: Tenant) -> str:
    """Return why its pause can't be kept: there is none, or SES doesn't have it; "" if it can. For page and service."""
    if tenant.pause_is_undone:
        return f"{tenant} was paused, and is not any more. {status_services.UNDONE}"
    if tenant.is_paused and (tenant.is_under_way or tenant.is_gone):
        return f"{tenant} is not paused yet: SES hasn’t confirmed the pause."
    return "" if tenant.is_paused else f"{tenant} is not paused."


def lock_tenants(*, customer: Customer) -> list[Tenant]:
    """Lock the customer's tenants until the transaction ends."""
    own = tenants_in_region().filter(customer=customer).select_related("customer").order_by("pk")
    return list(own.select_for_update(of=("self",)))


@transaction.atomic
def record_receiving(*, customer: Customer, asked_at: datetime | None, problem: str = "") -> None:
    """Record whether the receipt rules in SES have the requested stop of inbound mail, or its end.

    `asked_at`: when that was requested; None: the rules have it. While they don't and `problem` says why, those who
    may pause are alerted. A problem of an earlier request is dropped.
    """
    for tenant in lock_tenants(customer=customer):
        if asked_at is not None and tenant.receiving_asked_at is not None and tenant.receiving_asked_at > asked_at:
            continue
        Tenant.objects.filter(pk=tenant.pk).update(receiving_asked_at=asked_at, receiving_problem=problem)
        status_services.warn_of_receiving(tenant, problem, timezone.now())


def reapply_status(*, tenant: Tenant, because: str, actor: User) -> None:
    """Send the desired status to SES again, after somebody changed it there. Raises Refused."""
    require_permission(actor)
    because = require_reason(because, "Enter a reason.")
    with transaction.atomic():
        locked = status_services.locked_tenant(tenant)
        if not locked.is_paused:
            refuse_resume(locked)
        _ask(locked, actor)
        what = "tenant.pause_asked" if locked.is_paused else "tenant.resume_asked"
        _record(what, locked, actor, because, {"staff": locked.staff_status}, {"paused": locked.is_paused}, "")
    tenant.refresh_from_db()


def accept_status(*, tenant: Tenant, because: str, actor: User) -> None:
    """Make the status that somebody set in SES the desired one. SES isn't called. Raises Refused."""
    require_permission(actor)
    because = require_reason(because, "Enter a reason.")
    with transaction.atomic():
        locked = status_services.locked_tenant(tenant)
        paused = locked.staff_status == SendingStatus.DISABLED
        if locked.is_under_way or locked.is_paused == paused:
            raise Refused(f"{locked} already has its requested status, or is changing to it.", code="NO_DIFFERENCE")
        before = {"paused": locked.is_paused}
        locked.is_paused, locked.pause_is_ours = paused, False
        locked.pause_reason = PauseReason.OTHER if paused else ""
        locked.pause_text, locked.pause_told = (because, "") if paused else ("", "")
        locked.pause_review_on, locked.stops_receiving = None, False
        locked.status_problem, old = "", locked.standing
        status_services.recompute_status(locked)
        locked.save()
        if not paused and old == TenantStatus.UNDONE:
            status_services.announce_resumed(locked, old=old)
        status_services.notify_of_change(locked, old=locked.standing, now=timezone.now(), confirmed=not paused)
        _record("tenant.standing", locked, actor, because, before, {"paused": paused}, "")
    tenant.refresh_from_db()


def remind_of_reviews(*, today: date) -> int:
    """Remind those who may pause, once for each pause on its review date. Returns the number.

    Raises SMTPException or OSError, so the job is retried.
    """
    due = [tenant for tenant in due_for_review(today) if tenant.pause_reminded_on != tenant.pause_review_on]
    people = [person.email for person in _who_may_pause()]
    if not due or not people:
        return 0
    lines = [
        f"{tenant.customer} ({tenant}), {tenant.standing_word.lower()} since "
        f"{tenant.standing_since:%-d %B %Y}: {tenant.pause_text}"
        for tenant in due
    ]
    text = "These pauses are due for review:\n\n" + "\n".join(lines) + "\n"
    title = f"{len(due):,} pause{'' if len(due) == 1 else 's'} due for review"
    email_services.send(title=title, text=text, to=people)
    for tenant in due:
        Tenant.objects.filter(pk=tenant.pk).update(pause_reminded_on=tenant.pause_review_on)
    return len(due)


def _who_may_pause() -> QuerySet[User]:
    people = get_user_model()._default_manager.with_perm(
        "tenants.pause_tenant", include_superusers=False, backend="django.contrib.auth.backends.ModelBackend"
    )
    return people.filter(is_active=True, is_staff=True)


def apply_status(*, tenant_id: str) -> None:
    """Set the status in SES and read it back until SES confirms it.

    Raises AwsProblem, which is also stored for the page.
    """
    tenant = tenants_in_region().filter(pk=tenant_id, stage=TenantStage.READY).first()
    if tenant is None or not tenant.is_under_way:
        return
    try:
        request_ids = _set_status(tenant) if tenant.status_told_at is None else []
        status_services.read(tenant, after=request_ids)
    except AwsProblem as problem:
        _store(tenant, status_problem=str(problem))
        raise
    if tenant.is_under_way:
        _queue_recheck(tenant)


def retry_status(*, tenant: Tenant, actor: User) -> None:
    """Tell SES a requested status now instead of at the next attempt. Raises Refused if none is under way."""
    require_permission(actor)
    if tenant.pause_is_undone:
        raise Refused(f"{tenant} was paused, and {status_services.UNDONE}", code="PAUSE_UNDONE")
    if not tenant.is_under_way or tenant.stage != TenantStage.READY:
        raise Refused(f"{tenant} already has its requested status.", code="NO_DIFFERENCE")
    queue_status(tenant)


def _set_status(tenant: Tenant) -> list[str]:
    """Return the request ID of the SES call."""
    asked_at = tenant.status_asked_at
    if tenant.is_paused:
        status = SendingStatus.DISABLED
    else:
        status_services.read(tenant)  # new recommendations decide which status the resume sets
        status = tenant.resumes_as
    with aws.recording() as request_ids:
        lifecycle_gateway.set_status(tenant.arn, status)
    unsent = Tenant.objects.filter(pk=tenant.pk, status_asked_at=asked_at, status_told_at=None)
    if not unsent.update(status_told_at=timezone.now()):
        _repeat_newer(tenant, asked_at)
    tenant.refresh_from_db()
    return request_ids


@transaction.atomic
def _repeat_newer(tenant: Tenant, asked_at: datetime | None) -> None:
    """Set a status that was requested meanwhile again.

    Another worker that took this one for dead may have set it already, and our older call may have arrived after it.
    """
    rows = Tenant.objects.select_for_update(of=("self",)).filter(pk=tenant.pk, stage=TenantStage.READY)
    locked = rows.exclude(status_asked_at=asked_at).first()
    if locked is None:
        return
    locked.status_told_at = locked.status_proven_at = None
    status_services.recompute_status(locked)
    locked.save()
    queue_status(locked)


def _queue_recheck(tenant: Tenant) -> None:
    """SES doesn't report the desired status yet: queue another read. After a while, record that and tell SES again."""
    told_at = tenant.status_told_at
    if told_at is None or (timezone.now() - told_at).total_seconds() < settings.PAUSE_PROOF_SECONDS:
        queue_status(tenant, in_seconds=LOOK_AGAIN_SECONDS)
        return
    wanted = "paused" if tenant.is_paused else "resumed"
    why = f"Requested at {told_at.astimezone(UTC):%H:%M} UTC, SES still reports {tenant.aggregate}, not {wanted}."
    if _store(tenant, status_problem=why, status_told_at=None):
        queue_status(tenant, in_seconds=settings.PAUSE_PROOF_SECONDS)


def _store(tenant: Tenant, **fields: object) -> bool:
    """Return False if another status was requested meanwhile; that one has its own job."""
    return bool(Tenant.objects.filter(pk=tenant.pk, status_asked_at=tenant.status_asked_at).update(**fields))


def _ask(locked: Tenant, actor: User) -> None:
    locked.status_asked_at, locked.status_asked_by = timezone.now(), actor
    locked.status_told_at = locked.status_proven_at = None
    locked.status_problem = ""
    status_services.recompute_status(locked)
    locked.save()
    if locked.stage == TenantStage.READY:
        queue_status(locked)


def _refuse_past(day: date | None) -> None:
    if day is not None and day <= timezone.localdate():
        raise Refused("Choose a date after today for the review, or leave blank.")


def _record(
    what: str,
    locked: Tenant,
    actor: User,
    because: str,
    before: Mapping[str, object],
    after: Mapping[str, object],
    bulk_id: str,
) -> None:
    audit_services.record(
        what,
        about=tenant_subject(locked),
        actor=actor,
        because=because,
        before=before,
        after=after,
        bulk_id=bulk_id,
        for_staff=True,
    )
