"""Reads a tenant's sending status from SES, stores it layer by layer, and notifies of what changed.

An event or a page never sets a status: it causes a read. After a failed read the stored status stays, with the reason.
A change goes to the customer's owners, to webhooks, and to staff as an alert. Staff are reminded of a pause on its
review date. `refresh` queues a read of status, recommendations and rates, a job each.
"""

from collections.abc import Iterable
from contextlib import suppress
from datetime import date, datetime, timedelta

import structlog
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.core.mail import send_mail
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from accounts.models.people import User
from accounts.people.selectors import owners_of
from accounts.roles import PAUSE
from audit import services as audit_services
from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsMissing, AwsProblem, RateLimited
from notifications.alerts import core as alerts_core
from notifications.alerts import services as alerts_services
from notifications.events import services as events_services
from tenants import jobs
from tenants.jobs import tell_soon
from tenants.lifecycle import gateway as lifecycle_gateway
from tenants.lifecycle.core import Entity
from tenants.lifecycle.selectors import due_for_review, tenant_subject, tenants_in_region
from tenants.models.tenants import SesAccount, StatusChange, Tenant, TenantStage
from tenants.reputation.services import after_reading
from tenants.status import core
from tenants.status.core import RESUMED, LayerName, Standing, derive, is_by_policy, is_settled

STOPPED = (Standing.PAUSED, Standing.SUSPENDED)
MOST_SKEW = timedelta(minutes=1)  # between the clocks of our machines


def announce(tenant: Tenant, *, old: str, now: datetime) -> None:
    """Part of the transaction that stores what was read. The first look at a tenant that sends is no news."""
    new = Standing(tenant.standing)
    if new != old and (new in STOPPED or (new == Standing.ACTIVE and old in (*STOPPED, Standing.RESUMING))):
        tell_soon(tenant, RESUMED if new == Standing.ACTIVE else new.value)
        event = "tenant.resumed" if new == Standing.ACTIVE else "tenant.suspended"
        if new == Standing.PAUSED and tenant.is_paused:
            event = "tenant.paused"
        by = "staff" if event == "tenant.paused" or old == Standing.RESUMING else "amazon"
        data = {"tenant": tenant.name, "standing": new.value, "before": str(old), "by": by, "region": tenant.region}
        events_services.emit(event=event, about=tenant_subject(tenant), data=data, now=now)
    _warn_of_policy(tenant, now)


def _warn_of_policy(tenant: Tenant, now: datetime) -> None:
    """What our own staff paused is no news to them; what the policy paused, or somebody at Amazon, is."""
    if tenant.standing == Standing.UNKNOWN:
        return
    alerts_services.observe(
        kind="tenant.paused",
        about=tenant_subject(tenant),
        firing=tenant.standing == Standing.PAUSED and not tenant.is_paused,
        why=f"{tenant.name} was paused {_by_whom(tenant.staff_cause)}. {tenant.staff_cause}".strip(),
        severity="high",
        audience=alerts_core.Staff(PAUSE),
        now=now,
    )


def _by_whom(cause: str) -> str:
    return "by the SES reputation policy" if is_by_policy(cause) else "outside this system"


GONE = "This tenant no longer exists in SES. See Drift."
ANOTHER = "The tenant was deleted and recreated in SES. See Drift."


def read_tenant(*, tenant_id: str) -> None:
    """Its layers and its configuration set, now. Raises AwsProblem, which is also stored for the page."""
    tenant = tenants_in_region().filter(pk=tenant_id, stage=TenantStage.READY).first()
    if tenant is None:
        return
    try:
        read(tenant)
        _read_set(tenant)
        _read_suppression(tenant)
    except AwsProblem as problem:
        Tenant.objects.filter(pk=tenant.pk).update(read_problem=str(problem))
        raise


def read(tenant: Tenant, *, after: Iterable[str] = ()) -> None:
    """Its layers alone, in one call where Amazon keeps a reputation of it. Raises AwsProblem.

    `after` are the request ids of the calls that it is to prove.
    """
    asked_at = timezone.now()
    with aws.recording() as request_ids:
        entity = entity_of(tenant)
    if entity is not None:
        store(tenant, entity, asked_at=asked_at, request_ids=[*after, *request_ids])


def entity_of(tenant: Tenant) -> Entity | None:
    """None when Amazon does not know the tenant, which is stored. SES may keep no reputation of one that never sent."""
    try:
        return lifecycle_gateway.get_entity(tenant.arn)
    except AwsMissing:
        pass
    try:
        found = lifecycle_gateway.get_tenant(tenant.name)
    except AwsMissing:
        _gone(tenant, GONE)
        return None
    if found.arn != tenant.arn:
        _gone(tenant, ANOTHER)
        return None
    nothing = ("", "", None)
    return Entity(tenant.arn, tenant.ses_policy, nothing, nothing, found.status, "")


def read_account() -> SesAccount:
    """The account's own state; where it cannot be asked, the reason is stored beside what was known."""
    account, _ = SesAccount.objects.get_or_create(region=settings.AWS_REGION)
    try:
        said = lifecycle_gateway.get_account()
    except AwsProblem as problem:
        account.problem = str(problem)
        account.save(update_fields=("problem",))
        return account
    if (account.enforcement, account.sends) != (said.enforcement, said.sends):
        account.since = timezone.now()
    account.enforcement, account.sends, account.in_production = said.enforcement, said.sends, said.in_production
    account.most_in_24_hours, account.sent_in_24_hours = said.most_in_24_hours, said.sent_in_24_hours
    account.read_at, account.problem = timezone.now(), ""
    account.save()
    return account


@transaction.atomic
def store(tenant: Tenant, entity: Entity, *, asked_at: datetime | None = None, request_ids: Iterable[str] = ()) -> None:
    """What was read, what changed by it, and what follows, in one transaction; `tenant` is refreshed.

    An answer to a question from before the newest look, or from before Amazon was told something, is let go.
    """
    asked_at = asked_at or timezone.now()
    locked = Tenant.objects.select_for_update(of=("self",)).select_related("customer").filter(pk=tenant.pk).first()
    if locked is None or any(_is_later(each, asked_at) for each in (locked.read_at, locked.status_told_at)):
        return
    before, impact = _seen(locked), locked.impact
    _note_layers(locked, entity)
    locked.ses_policy = entity.policy
    locked.staff_status, locked.staff_cause, locked.staff_since = entity.staff
    locked.amazon_status, locked.amazon_cause, locked.amazon_since = entity.amazon
    locked.aggregate, locked.impact = entity.aggregate, entity.impact
    locked.read_at, locked.read_problem = asked_at, ""
    _conclude(locked, before, list(request_ids))
    locked.save()
    after_reading(locked, impact_before=impact, now=timezone.now())
    tenant.refresh_from_db()


def _is_later(moment: datetime | None, asked_at: datetime) -> bool:
    """A moment in the future is from before the clock was set back, and holds up nothing."""
    return moment is not None and asked_at < moment < timezone.now() + MOST_SKEW


def recompute_standing(locked: Tenant) -> None:
    """Derive the standing anew of a locked row, after a wish of ours; the caller saves."""
    new = derive(
        wants_pause=locked.is_paused,
        under_way=locked.is_under_way,
        staff=locked.staff_status,
        amazon=locked.amazon_status,
        aggregate=locked.aggregate,
    )
    if new != locked.standing:
        locked.standing, locked.standing_since = new, timezone.now()


def _conclude(locked: Tenant, before: dict[str, str], request_ids: list[str]) -> None:
    asked = locked.is_under_way
    if asked and _is_proven(locked):
        locked.status_proven_at, locked.status_problem = timezone.now(), ""
        locked.pause_is_ours = locked.pause_is_ours and locked.is_paused
    old = locked.standing
    recompute_standing(locked)
    after = _seen(locked)
    if asked and locked.status_proven_at:
        _tell_proof(locked, before, after, request_ids)
    elif _by_amazon(before, after, asked=asked):
        audit_services.record(
            "tenant.standing",
            about=tenant_subject(locked),
            actor=audit_services.AMAZON,
            because=locked.amazon_cause or locked.staff_cause,
            before=before,
            after=after,
            aws_request_ids=request_ids,
        )
    announce(locked, old=old, now=timezone.now())


def _is_proven(locked: Tenant) -> bool:
    return locked.status_told_at is not None and is_settled(
        wants_pause=locked.is_paused,
        staff=locked.staff_status,
        amazon=locked.amazon_status,
        aggregate=locked.aggregate,
    )


def _tell_proof(locked: Tenant, before: dict[str, str], after: dict[str, str], request_ids: list[str]) -> None:
    what = "tenant.paused" if locked.is_paused else "tenant.resumed"
    audit_services.record(
        what, about=tenant_subject(locked), actor=None, before=before, after=after, aws_request_ids=request_ids
    )


def _by_amazon(before: dict[str, str], after: dict[str, str], *, asked: bool) -> bool:
    """Whether Amazon's side, its policy or a hand at its console changed something; never the first look at it."""
    watched = ("amazon",) if asked else ("amazon", "staff", "standing")
    return any(before[key] and before[key] != after[key] for key in watched) and before["standing"] != Standing.UNKNOWN


def _seen(tenant: Tenant) -> dict[str, str]:
    return {"standing": str(tenant.standing), "amazon": tenant.amazon_status, "staff": tenant.staff_status}


def _note_layers(locked: Tenant, entity: Entity) -> None:
    _note(locked, LayerName.STAFF, locked.staff_status, entity.staff[0], entity.staff[1], entity.staff[2])
    _note(locked, LayerName.AMAZON, locked.amazon_status, entity.amazon[0], entity.amazon[1], entity.amazon[2])


def _note(locked: Tenant, layer: LayerName, old: str, new: str, cause: str, since: datetime | None) -> None:
    """One row for a layer that changed; the first look at a layer that is as it should be is no change."""
    if old == new or (not old and new == "ENABLED"):
        return
    StatusChange.objects.create(tenant=locked, layer=layer, old=old, new=new, cause=cause, since=since)


def _read_set(tenant: Tenant) -> None:
    """Whether its configuration set may send. One that is gone sends nothing."""
    try:
        found = lifecycle_gateway.get_configuration_set(tenant.configuration_set)
        sends, measures = found.sends, found.measures
    except AwsMissing:
        sends = measures = False
    with transaction.atomic():
        locked = Tenant.objects.select_for_update().get(pk=tenant.pk)
        old = "" if locked.set_sends is None else ("ENABLED" if locked.set_sends else "DISABLED")
        _note(locked, LayerName.CONFIGURATION_SET, old, "ENABLED" if sends else "DISABLED", "", None)
        Tenant.objects.filter(pk=tenant.pk).update(set_sends=sends, set_measures=measures)


def _read_suppression(tenant: Tenant) -> None:
    """A tenant that is gone was noted by the read before."""
    with suppress(AwsMissing):
        found = lifecycle_gateway.get_tenant(tenant.name)
        Tenant.objects.filter(pk=tenant.pk, arn=found.arn).update(ses_suppression=found.suppression)


@transaction.atomic
def _gone(tenant: Tenant, why: str) -> None:
    """Amazon itself says so. What it said before stays, since a page may still need it; the standing does not."""
    locked = Tenant.objects.select_for_update().get(pk=tenant.pk)
    locked.read_problem, locked.aggregate, locked.read_at = why, "", timezone.now()
    locked.amazon_status = locked.staff_status = ""
    recompute_standing(locked)
    locked.save()


log = structlog.get_logger(__name__)


def tell_owners(*, tenant_id: str, what: str) -> None:
    """Raises SMTPException or OSError: the job is done again until it is sent, unless it no longer holds by then."""
    tenant = Tenant.objects.select_related("customer").filter(pk=tenant_id).first()
    if tenant is None or not core.still_holds(what, tenant.standing):
        return
    title, text = core.mail(
        what, customer=tenant.customer.name, told=tenant.pause_told, stops_receiving=tenant.stops_receiving
    )
    owners = [owner.email for owner in owners_of(tenant.customer)]
    if not owners:
        log.warning("nobody to tell", tenant=tenant.pk, what=what)
        return
    send_mail(title, text, settings.DEFAULT_FROM_EMAIL, owners)


def remind_of_reviews(*, today: date) -> int:
    """Whoever may pause is told once of each pause whose day has come; how many were told of. Raises as above."""
    due = [tenant for tenant in due_for_review(today) if tenant.pause_reminded_on != tenant.pause_review_on]
    people = [person.email for person in _who_may_pause()]
    if not due or not people:
        return 0
    lines = [
        f"{tenant.customer} ({tenant}), since {tenant.standing_since:%-d %B %Y}: {tenant.pause_text}" for tenant in due
    ]
    text = "These pauses are due for review:\n\n" + "\n".join(lines) + "\n"
    send_mail(
        f"{len(due):,} paused tenant{'' if len(due) == 1 else 's'} due for review",
        text,
        settings.DEFAULT_FROM_EMAIL,
        people,
    )
    for tenant in due:
        Tenant.objects.filter(pk=tenant.pk).update(pause_reminded_on=tenant.pause_review_on)
    return len(due)


def _who_may_pause() -> QuerySet[User]:
    people = get_user_model()._default_manager.with_perm(
        PAUSE, include_superusers=False, backend="django.contrib.auth.backends.ModelBackend"
    )
    return people.filter(is_active=True, is_staff=True)


EVERY_SECONDS = 30


def refresh(*, tenant: Tenant) -> None:
    """Raises RateLimited: three calls of our one a second are not to be had by pressing a button often."""
    if not cache.add(f"tenant-asked-again:{tenant.pk}", "asked", EVERY_SECONDS):
        raise RateLimited("This tenant was read from SES a moment ago.", retry_after=EVERY_SECONDS)
    with transaction.atomic():
        jobs.read_soon(tenant)
        jobs.find_out_soon(tenant)
        jobs.measure_soon(tenant)
