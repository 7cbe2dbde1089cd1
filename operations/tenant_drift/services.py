"""Compares the tenants in SES with our rows, nightly and on demand, and applies decisions.

A decision changes the desired state in the rows of the tenants app, whose worker updates SES. Then the tenant is read
again.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery
from django.utils import timezone

from accounts.models.people import Customer, User
from accounts.roles import require
from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsProblem, Refused
from operations.drift import core as drift_core
from operations.drift.core import TENANTS_AREA, Decision, FoundDifference, SesTenant
from operations.drift_store import services as drift_store_services
from operations.jobs import queue_drift_check
from operations.models import Difference, DriftCheck
from operations.tenant_drift.selectors import our_tenants, owners_of_identities
from receipt_rules.auto_apply import services as auto_apply_services
from tenants.configuration_sets import services as configuration_sets_services
from tenants.lifecycle import services as lifecycle_services
from tenants.lifecycle.core import ANOTHER, GONE, NOT_ASSOCIATED, NOT_YET, Entity, TenantFound, name_of
from tenants.lifecycle.selectors import tenants_in_region
from tenants.lifecycle.services import TenantInventory
from tenants.models.tenants import ResourceKind, Tenant, TenantResource, TenantStage
from tenants.pause import services as pause_services
from tenants.policy import services as policy_services
from tenants.resources import services as resources_services
from tenants.status_pass import services as status_pass_services

MOST_NAMED = 20  # tenants that are checked as soon as a read shows a difference, three calls each
MOST_UNREAD = 20  # tenants of a part whose identities' default sets are read: once, one call for each identity
PART = 100  # tenants whose differences are stored together
MOST_AT_ONCE = 5_000  # tenants in one check
MOST_CALLS = 10_000  # after which a check ends, in 2.8 hours at one call a second; the next night continues
SET = ResourceKind.CONFIGURATION_SET
LOST = (drift_core.NOT_ASSOCIATED, drift_core.SET_GONE)
NOT_YET_IN = (drift_core.OUTSIDE, drift_core.DEFAULT_SET)
WAITS = ("", NOT_ASSOCIATED, NOT_YET)  # SES wasn't asked yet for an association that is to be made again
NOT_YOURS = "Your role can't resolve differences. Ask an operator."
CANNOT = {
    Decision.ADOPT: "This can’t be accepted. Restore it in SES, or ignore it with a reason.",
    Decision.RESTORE: "This can’t be restored from here. Accept it from SES, or ignore it with a reason.",
}


def work() -> None:
    """Apply decisions that need a call of their own, then run due checks. Raises AwsProblem, which is stored."""
    try:
        _apply_by_worker()
        if drift_store_services.is_requested(TENANTS_AREA):
            check_next(now=timezone.now())
        elif places := frozenset(_decided().values_list("place", flat=True)) | _unlisted():
            check_named(places, now=timezone.now())
    except AwsProblem as problem:
        drift_store_services.record_check(TENANTS_AREA, problem=str(problem))
        raise


def check_next(*, now: datetime) -> int:
    """Check tenants after the last check's cursor, as many as fit in a night. Returns how many differences are new.

    Each part is stored with the cursor. On AwsProblem, earlier parts are stored, and the next check continues there.
    """
    last, _ = DriftCheck.objects.get_or_create(region=settings.AWS_REGION, area=TENANTS_AREA)
    began = last.began_at if last.place and last.began_at else now
    with aws.recording() as calls:
        listed = _RemoteTenants.read()
        names = [name for name in listed.names if name > last.place]
        left, new = names[:MOST_AT_ONCE], 0
        while left and len(calls) < MOST_CALLS:
            part, left = left[:PART], left[PART:]
            new += _check_part(listed, frozenset(part), now=now)
            drift_store_services.record_check(TENANTS_AREA, place=part[-1], began_at=began)
    done = {"place": "", "at": began} if not left and len(names) <= MOST_AT_ONCE else {}
    drift_store_services.record_check(TENANTS_AREA, **done, calls=len(calls), tenants=len(listed.tenants), problem="")
    drift_store_services.end_request(TENANTS_AREA, began=now)
    return new


@dataclass(frozen=True)
class _RemoteTenants:
    """SES's lists at a time: one call for each hundred tenants, and one for each hundred reputation entities."""

    asked_at: datetime
    tenants: Mapping[str, TenantFound]
    entities: Mapping[str, Entity]

    @classmethod
    def read(cls) -> "_RemoteTenants":
        """Read the lists. Raises AwsProblem."""
        asked_at = timezone.now()
        entities = lifecycle_services.entities_in_ses()
        return cls(asked_at, {each.name: each for each in lifecycle_services.tenants_in_ses()}, entities)

    @property
    def names(self) -> list[str]:
        """Return sorted names of tenants in SES, of ours, and of those with a difference."""
        ours = tenants_in_region().values_list("name", flat=True)
        open_ones = Difference.objects.filter(region=settings.AWS_REGION, area=TENANTS_AREA, gone_at=None)
        return sorted({*self.tenants, *ours, *open_ones.values_list("place", flat=True)})


def _check_part(listed: _RemoteTenants, names: frozenset[str], *, now: datetime) -> int:
    """Check a part.

    A tenant of ours that was created or changed since the list, or isn't in it, is read individually.
    """
    ours = tenants_in_region().filter(name__in=names)
    changed = set(ours.filter(updated_at__gte=listed.asked_at).values_list("name", flat=True))
    single = frozenset(ours.values_list("name", flat=True)) - (listed.tenants.keys() - changed)
    several = [listed.tenants[name] for name in sorted(names - single) if name in listed.tenants]
    surveyed = lifecycle_services.read_inventories(several, listed.entities)
    status_pass_services.store_listed(_entities(surveyed), asked_at=listed.asked_at)
    resources_services.queue_unread(tenants=names, most=MOST_UNREAD)
    return _recheck(single, names, surveyed, now=now, since=listed.asked_at)


def queue_if_unlisted() -> None:
    """Queue a check if the last read of a tenant shows a difference that isn't listed yet."""
    if _unlisted():
        queue_drift_check()


def _unlisted() -> frozenset[str]:
    """Return tenants that are gone, or whose policy, suppression list or set differs, without an open difference.

    Also those of which SES took or refused an association that was to be restored.
    """
    differs = Q(policy_told=F("policy")) & ~Q(ses_policy__in=("", F("policy")))
    differs |= Q(suppression_told=F("suppression")) & ~Q(ses_suppression__in=("", F("suppression")))
    gone = Q(read_problem__in=(GONE, ANOTHER)) | Q(set_gone_at__isnull=False)
    ready = tenants_in_region().filter(gone | differs, stage=TenantStage.READY)
    listed = Difference.objects.filter(region=settings.AWS_REGION, area=TENANTS_AREA, gone_at=None).values("place")
    made, refused = _associations(lost_at=None).exclude(associated_at=None), _associations(associated_at=None)
    over = Exists(made) | Exists(refused.exclude(problem__in=WAITS)) & Q(problem="")
    restored = _restored().filter(over).values_list("place", flat=True)[:MOST_NAMED]
    return frozenset(ready.exclude(name__in=listed).values_list("name", flat=True)[:MOST_NAMED]) | set(restored)


def check_named(places: frozenset[str], *, now: datetime) -> int:
    """Check only the tenants with these names: three calls each. Raises AwsProblem."""
    return _recheck(places, places, (), now=now, since=timezone.now())


def _recheck(
    single: frozenset[str],
    places: frozenset[str],
    known: tuple[TenantInventory, ...],
    *,
    now: datetime,
    since: datetime,
) -> int:
    """Compare what was read with our rows. A pause or resume requested after `since`, when the read began, is newer."""
    asked_at = timezone.now()
    read = lifecycle_services.read_inventories_of(single)
    status_pass_services.store_listed(_entities(read), asked_at=asked_at)
    _read_lost_sets((*known, *read))
    resources_services.check_default_sets(tenants=places)
    found = _compare(tenants_in_region().filter(name__in=places), (*known, *read), since)
    lost = {(each.place, each.subject) for each in found if each.kind in LOST}
    listed = {(each.tenant.name, arn) for each in (*known, *read) for _, arn in each.resources}
    lifecycle_services.record_lost(tenants=places, lost=lost, listed=listed)
    new = drift_store_services.store(area=TENANTS_AREA, found=found, now=now, places=places)
    _record_refused(places)
    return new


def _read_lost_sets(surveyed: Iterable[TenantInventory]) -> None:
    """Read the tenants' own sets that SES doesn't list, one call each: a restore creates those that are gone."""
    listed = {each.tenant.name: {name_of(arn) for kind, arn in each.resources if kind == SET} for each in surveyed}
    for tenant in tenants_in_region().filter(name__in=listed, stage=TenantStage.READY):
        if tenant.set_gone_at or tenant.configuration_set not in listed[tenant.name]:
            configuration_sets_services.read_set(tenant=tenant)


def _associations(**fields: object) -> QuerySet[TenantResource]:
    """Return the associations that differences are about, of their tenant and ARN, for a subquery."""
    return TenantResource.objects.filter(tenant__name=OuterRef("place"), arn=OuterRef("subject"), wanted=True, **fields)


def _restored() -> QuerySet[Difference]:
    """Return the open differences whose association was decided to be restored."""
    rows = Difference.objects.filter(region=settings.AWS_REGION, area=TENANTS_AREA, gone_at=None)
    return rows.filter(decision=Decision.RESTORE, kind__in=(*LOST, *NOT_YET_IN))


def _record_refused(places: frozenset[str]) -> None:
    """Store on a difference why the association that was to be restored could not be made."""
    refused = _associations(associated_at=None).exclude(problem__in=WAITS)
    for row in _restored().filter(place__in=places).annotate(why=Subquery(refused.values("problem")[:1])):
        if row.why:
            Difference.objects.filter(pk=row.pk).update(problem=row.why)


def _entities(surveyed: Iterable[TenantInventory]) -> list[Entity]:
    return [each.entity for each in surveyed if each.entity is not None]


def ignore(*, difference: Difference, because: str, actor: User) -> None:
    """Ignore it until it changes. Raises Refused."""
    if difference.kind != drift_core.STATUS or not actor.has_perm("tenants.pause_tenant"):
        require(actor, "tenants.manage_tenant", NOT_YOURS)
    with transaction.atomic():
        drift_store_services.record_decision(
            difference=difference, decision=Decision.IGNORE, because=because, actor=actor
        )


def restore(*, difference: Difference, because: str, actor: User) -> None:
    """Make SES match our rows. Raises Refused, NotAllowed."""
    _refuse(difference, difference.may_restore, Decision.RESTORE, actor)
    with transaction.atomic():
        drift_store_services.record_decision(
            difference=difference, decision=Decision.RESTORE, because=because, actor=actor
        )
        if difference.kind not in BY_WORKER:
            _RESTORES[difference.kind](_tenant(difference), difference, because, actor)
        queue_drift_check()


def adopt(*, difference: Difference, because: str, actor: User, customer: Customer | None = None) -> None:
    """Store what SES has; an unknown tenant becomes this customer's. Raises Refused, AwsProblem."""
    _refuse(difference, difference.may_adopt, Decision.ADOPT, actor)
    if difference.kind == drift_core.UNKNOWN:
        _adopt_unknown(difference, because, actor, customer)
        return
    with transaction.atomic():
        drift_store_services.record_decision(
            difference=difference, decision=Decision.ADOPT, because=because, actor=actor
        )
        _ADOPTS[difference.kind](_tenant(difference), difference, because, actor)
        queue_drift_check()


def _adopt_unknown(difference: Difference, because: str, actor: User, customer: Customer | None) -> None:
    if customer is None:
        raise Refused("Choose the customer for this tenant.", code="CUSTOMER_MISSING")
    if not because.strip():
        raise Refused("Enter a reason.", code="REASON_MISSING")
    drift_store_services.check_present(difference)
    lifecycle_services.adopt_tenant(customer=customer, name=difference.subject, actor=actor)
    with transaction.atomic():
        drift_store_services.record_decision(
            difference=difference, decision=Decision.ADOPT, because=because, actor=actor
        )
        Difference.objects.filter(pk=difference.pk).update(customer=customer)
        queue_drift_check()


def _refuse(difference: Difference, may: bool, decision: Decision, actor: User) -> None:
    """Accepting or restoring a sending status is a pause or a resume, so Trust & Safety decides, and nobody else."""
    if difference.kind == drift_core.STATUS:
        require(actor, "tenants.pause_tenant", pause_services.NOT_YOURS)
    else:
        require(actor, "tenants.manage_tenant", NOT_YOURS)
    if not may:
        raise Refused(CANNOT[decision], code="NOT_POSSIBLE")


def _tenant(difference: Difference) -> Tenant:
    found = tenants_in_region().select_related("customer").filter(name=difference.place).first()
    if found is None:
        raise Refused(f"Tenant {difference.place} no longer exists here. Check again.", code="GONE")
    return found


def _recreate(tenant: Tenant, difference: Difference, because: str, actor: User) -> None:
    """Create it again, or adopt the one that has its name by now."""
    kept = pause_services.kept_pause(tenant=tenant, because=because, actor=actor)
    arn = str(difference.found["arn"]) if difference.kind == drift_core.REPLACED else ""
    lifecycle_services.recreate_tenant(tenant=tenant, arn=arn, pause=kept)


def _accept_status(tenant: Tenant, difference: Difference, because: str, actor: User) -> None:
    Customer.locked(tenant.customer_id)  # before the tenant, as operations.pause
    pause_services.accept_status(tenant=tenant, because=because, actor=actor)
    if not tenant.is_paused:  # the pause that also stopped receiving is over
        auto_apply_services.resume(customer=tenant.customer, because=because, actor=actor)


def _associate_again(tenant: Tenant, difference: Difference, because: str, actor: User) -> None:
    row = TenantResource.objects.filter(tenant=tenant, arn=difference.subject)
    row.update(associated_at=None, checked_at=None, default_read_at=None)
    resources_services.request_association(tenant=tenant, arn=difference.subject)
    row.update(problem=NOT_YET if difference.kind in NOT_YET_IN else NOT_ASSOCIATED)


def _create_set_again(tenant: Tenant, difference: Difference, because: str, actor: User) -> None:
    configuration_sets_services.request_set(tenant=tenant)
    _associate_again(tenant, difference, because, actor)


def _adopt_association(tenant: Tenant, difference: Difference, because: str, actor: User) -> None:
    resources_services.adopt_association(tenant=tenant, arn=difference.subject)


def _as_found(act: Callable[..., None], name: str) -> "_Act":
    """Accept the value of the setting that the difference shows, whatever SES has by now."""
    return lambda tenant, difference, because, actor: act(
        tenant=tenant, because=because, actor=actor, **{name: str(difference.found[name])}
    )


def _as_wanted(act: Callable[..., None], name: str) -> "_Act":
    """Request the value of the setting that our row has."""
    return lambda tenant, difference, because, actor: act(
        tenant=tenant, because=because, actor=actor, **{name: getattr(tenant, name)}
    )


_Act = Callable[[Tenant, Difference, str, User], None]
_RESTORES: dict[str, _Act] = {
    drift_core.MISSING: _recreate,
    drift_core.POLICY: _as_wanted(policy_services.change_policy, "policy"),
    drift_core.STATUS: lambda tenant, difference, because, actor: pause_services.reapply_status(
        tenant=tenant, because=because, actor=actor
    ),
    drift_core.SUPPRESSION: _as_wanted(policy_services.change_suppression, "suppression"),
    drift_core.NOT_ASSOCIATED: _associate_again,
    drift_core.SET_GONE: _create_set_again,
    drift_core.OUTSIDE: _associate_again,
    drift_core.DEFAULT_SET: _associate_again,
}
_ADOPTS: dict[str, _Act] = {
    drift_core.REPLACED: _recreate,
    drift_core.POLICY: _as_found(policy_services.accept_policy, "policy"),
    drift_core.STATUS: _accept_status,
    drift_core.SUPPRESSION: _as_found(policy_services.accept_suppression, "suppression"),
    drift_core.ALSO_ASSOCIATED: _adopt_association,
    drift_core.DEFAULT_SET: _adopt_association,
}


BY_WORKER = (drift_core.ALSO_ASSOCIATED, drift_core.UNMEASURED)  # applied by the worker: no row has this state


def _decided() -> QuerySet[Difference]:
    """Return differences with a decision since their last check."""
    rows = Difference.objects.filter(region=settings.AWS_REGION, area=TENANTS_AREA, gone_at=None)
    return rows.filter(decision__in=(Decision.ADOPT, Decision.RESTORE), decided_at__gt=F("last_seen_at"))


def _apply_by_worker() -> None:
    """Remove associations that aren't ours, and turn on metrics of sets: one call each, harmless when repeated.

    Raises AwsProblem.
    """
    for row in _decided().filter(kind=drift_core.ALSO_ASSOCIATED, decision=Decision.RESTORE):
        resources_services.dissociate(tenant_name=row.place, arn=row.subject)
    measured = _decided().filter(kind=drift_core.UNMEASURED, decision=Decision.RESTORE).values("place")
    for tenant in tenants_in_region().filter(name__in=measured, set_measures=False):
        configuration_sets_services.enable_metrics(tenant=tenant)


def _compare(
    tenants: QuerySet[Tenant], surveyed: Iterable[TenantInventory], since: datetime
) -> tuple[FoundDifference, ...]:
    rows = list(tenants.select_related("customer"))
    on_their_way = {tenant.name for tenant in rows if tenant.stage != TenantStage.READY}
    ours = our_tenants([tenant for tenant in rows if tenant.name not in on_their_way], since)
    theirs = [_remote(each) for each in surveyed if each.tenant.name not in on_their_way]
    return drift_core.compare_tenants(
        ours, theirs, owners_of_identities(arn for each in theirs for arn in each.resources)
    )


def _remote(each: TenantInventory) -> SesTenant:
    entity = each.entity
    return SesTenant(
        name=each.tenant.name,
        arn=each.tenant.arn,
        resources=frozenset(arn for _, arn in each.resources),
        policy=entity.policy if entity else "",
        staff=entity.staff[0] if entity else "",
        staff_cause=entity.staff[1] if entity else "",
    )
