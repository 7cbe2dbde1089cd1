"""What Amazon says of a tenant's sending is read, stored layer by layer, and what changed is told.

An event or a page never sets a status: it causes a read. What cannot be read stays as it was, and says why.
"""

from collections.abc import Iterable
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from changes import services as changes
from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsMissing, AwsProblem
from tenants.core.amazon import Entity
from tenants.core.standing import LayerName, Standing, derive, is_settled
from tenants.gateway import ses
from tenants.models import SesAccount, StatusChange, Tenant, TenantStage
from tenants.selectors import here
from tenants.services.announcing import announce
from tenants.services.subjects import tenant_subject
from tenants.services.weighing import after_reading

GONE = "Amazon does not know this tenant any more. See the differences."
ANOTHER = "At Amazon this name is another tenant now: it was deleted and made again there. See the differences."


def read_tenant(*, tenant_id: str) -> None:
    """Its layers and its configuration set, now. Raises AwsProblem, which is also stored for the page."""
    tenant = here().filter(pk=tenant_id, stage=TenantStage.READY).first()
    if tenant is None:
        return
    try:
        read(tenant)
        _read_set(tenant)
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
        return ses.get_entity(tenant.arn)
    except AwsMissing:
        pass
    try:
        found = ses.get_tenant(tenant.name)
    except AwsMissing:
        _gone(tenant, GONE)
        return None
    if found.arn != tenant.arn:
        _gone(tenant, ANOTHER)
        return None
    nothing = ("", "", None)
    return Entity(tenant.arn, tenant.ses_policy, nothing, nothing, found.status, "")


def read_all(*, now: datetime) -> int:
    """Every tenant in pages of a hundred, and the account; how many were read. Raises AwsProblem, and none is lost.

    A tenant that is not in the list is asked for by itself: SES may keep no reputation of one that never sent.
    """
    read_account()
    asked_at = timezone.now()
    with aws.recording() as request_ids:
        entities = {entity.arn: entity for entity in ses.all_pages(ses.list_entities)}
    tenants = list(here().filter(stage=TenantStage.READY))
    for tenant in tenants:
        if entity := entities.get(tenant.arn):
            store(tenant, entity, asked_at=asked_at, request_ids=request_ids)
        else:
            read_tenant(tenant_id=tenant.pk)
    return len(tenants)


def read_account() -> SesAccount:
    """The account's own state; where it cannot be asked, the reason is stored beside what was known."""
    account, _ = SesAccount.objects.get_or_create(region=settings.AWS_REGION)
    try:
        said = ses.get_account()
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
    if locked is None or any(later and later > asked_at for later in (locked.read_at, locked.status_told_at)):
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


def restand(locked: Tenant) -> None:
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
    old = locked.standing
    restand(locked)
    after = _seen(locked)
    if asked and locked.status_proven_at:
        _tell_proof(locked, before, after, request_ids)
    elif _by_amazon(before, after, asked=asked):
        changes.record(
            "tenant.standing",
            about=tenant_subject(locked),
            actor=changes.AMAZON,
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
    changes.record(
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
        sends = ses.get_configuration_set(tenant.configuration_set).sends
    except AwsMissing:
        sends = False
    with transaction.atomic():
        locked = Tenant.objects.select_for_update().get(pk=tenant.pk)
        old = "" if locked.set_sends is None else ("ENABLED" if locked.set_sends else "DISABLED")
        _note(locked, LayerName.CONFIGURATION_SET, old, "ENABLED" if sends else "DISABLED", "", None)
        Tenant.objects.filter(pk=tenant.pk).update(set_sends=sends)


@transaction.atomic
def _gone(tenant: Tenant, why: str) -> None:
    """Amazon itself says so. What it said before stays, since a page may still need it; the standing does not."""
    locked = Tenant.objects.select_for_update().get(pk=tenant.pk)
    locked.read_problem, locked.aggregate, locked.read_at = why, "", timezone.now()
    locked.amazon_status = locked.staff_status = ""
    restand(locked)
    locked.save()
