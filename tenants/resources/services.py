"""Associates identities, configuration sets and templates with tenants.

The wanted associations are rows; the worker applies them, one AWS call each. SES lets an identity belong to many
tenants, we do not. Before an identity that we did not just create joins a tenant, SES is asked which tenants have it;
if another has it, the association waits for a person.

A send also uses its identity's default configuration set, and SES refuses it unless the tenant has that set too. So the
default set of each identity is read, and belongs to the same tenant, however the identity joins: `read_default_set`.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress
from datetime import timedelta

import structlog
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from accounts.models.people import Customer, User
from accounts.roles import require
from audit import services as audit_services
from inbound_admin.lib import aws, jobs
from inbound_admin.lib.errors import AwsBusy, AwsDenied, AwsMissing, AwsProblem, AwsUnreachable, Refused
from inbound_admin.lib.freshness import not_newer
from tenants.configuration_sets import services as configuration_sets_services
from tenants.jobs import lock_of, queue_associations
from tenants.lifecycle import gateway as lifecycle_gateway
from tenants.lifecycle.core import SET_GONE, kind_of, name_of, set_arn
from tenants.lifecycle.core import UNKNOWN as UNKNOWN  # noqa: PLC0414  an association's problem, which others name
from tenants.lifecycle.selectors import default_sets_outside, tenant_subject, tenants_in_region
from tenants.models.tenants import ResourceKind, Tenant, TenantResource, TenantStage
from tenants.status.services import entity_of, warn_of_rejected

CHECK_LASTS = timedelta(minutes=10)  # then SES is asked again which tenants have the identity
ELSEWHERE = "The resource belongs to another tenant in SES. Our team has to resolve this."
SOONEST, LATEST = timedelta(minutes=1), timedelta(hours=6)  # until SES is asked again for a resource that it lacks
ASK_AGAIN: dict[str, None] = {"missing_since": None, "retry_at": None}
log = structlog.get_logger(__name__)


def request_association(*, tenant: Tenant, arn: str, kind: str = "", free: bool = False) -> TenantResource:
    """Store that the resource should belong to the tenant.

    `free`: no other tenant has it, as known from its creation or a read just now. Raises Refused for a resource that
    can't be associated, or an identity that another tenant here has.
    """
    if kind_of(arn) not in ResourceKind.values or (kind and kind != kind_of(arn)):
        raise Refused("Only identities, configuration sets and templates can belong to a tenant.")
    with transaction.atomic():
        resource = store_association(tenant, arn, free=free)
        if not resource.associated_at:
            queue_associations(tenant)
    return resource


def forget_association(*, tenant: Tenant, arn: str) -> None:
    """Store that the resource should leave the tenant. No effect if there is no association."""
    with transaction.atomic():
        if TenantResource.objects.filter(tenant=tenant, arn=arn).update(wanted=False, problem="", held_by=""):
            queue_associations(tenant)


@transaction.atomic
def move(*, arn: str, to: Tenant | None, just_made: bool = False) -> None:
    """Remove the resource from every other tenant here, then add it to this one. `just_made`: SES has it in none."""
    others = TenantResource.objects.filter(arn=arn, wanted=True).exclude(tenant=to)
    if just_made:
        _delete_rows(TenantResource.objects.filter(arn=arn))
    for other in list(others.select_related("tenant")):
        forget_association(tenant=other.tenant, arn=arn)
    if to is not None:
        row = request_association(tenant=to, arn=arn, free=just_made)
        if just_made:  # a new identity has no default configuration set
            TenantResource.objects.filter(pk=row.pk).update(default_read_at=timezone.now())


def forget_identity(*, name: str, customer: Customer) -> None:
    """Delete the association rows of an identity that SES no longer has."""
    _delete_rows(TenantResource.objects.filter(kind=ResourceKind.IDENTITY, name=name, tenant__customer=customer))


@transaction.atomic
def _delete_rows(rows: QuerySet[TenantResource]) -> None:
    """Delete the rows. One that SES had lost may have been the last: the alerts end with it."""
    tenants = {row.tenant for row in rows.select_related("tenant")}
    rows.delete()
    for tenant in tenants:
        warn_of_rejected(tenant, timezone.now())


def release_identity(*, name: str, customer: Customer) -> None:
    """Remove the identity from the customer's tenants, by their own jobs. Another customer has proven ownership."""
    rows = TenantResource.objects.filter(kind=ResourceKind.IDENTITY, name=name, tenant__customer=customer, wanted=True)
    for row in list(rows.select_related("tenant")):
        forget_association(tenant=row.tenant, arn=row.arn)


def record_verified(*, names: Collection[str], verified: bool) -> None:
    """Store whether SES verified the identities, as the domains app knows it. The caller writes the change log."""
    identities = TenantResource.objects.filter(kind=ResourceKind.IDENTITY, name__in=names)
    identities.exclude(verified=verified).update(verified=verified)


def tenant_to_join(customer: Customer) -> Tenant | None:
    """Return the customer's tenant, locked until the transaction ends, so it isn't deleted while it gets resources."""
    rows = tenants_in_region().select_for_update(of=("self",), no_key=True).filter(customer=customer)
    return rows.exclude(stage=TenantStage.DELETING).first()


def retry_associations(*, tenant: Tenant, actor: User | None) -> None:
    """Retry associations that another tenant had, or that SES didn't know. Raises NotAllowed."""
    require(actor, "tenants.manage_tenant", "Your role can't change a tenant's resources. Ask an operator.")
    with transaction.atomic():
        stuck = TenantResource.objects.filter(tenant=tenant, associated_at=None)
        stuck.update(held_by="", checked_at=None, **ASK_AGAIN)
        stuck.filter(lost_at=None).update(problem="")
        queue_associations(tenant)


def store_association(tenant: Tenant, arn: str, *, free: bool = False) -> TenantResource:
    """Store only the row. Raises Refused if another tenant here should have the identity."""
    checked = {"checked_at": timezone.now()} if free or kind_of(arn) != ResourceKind.IDENTITY else {}
    defaults = {"kind": kind_of(arn), "name": name_of(arn), "wanted": True, **ASK_AGAIN}
    try:
        with transaction.atomic():
            resource, _ = TenantResource.objects.update_or_create(tenant=tenant, arn=arn, defaults=defaults | checked)
    except IntegrityError as error:
        raise Refused(f"{name_of(arn)} belongs to another tenant here.", code="IN_ANOTHER_TENANT") from error
    return resource


def apply_associations(*, tenant_id: str, yields: bool = False) -> None:
    """Remove associations, then add the desired ones. Raises AwsProblem, stored on the row that failed.

    A row that SES refuses is left as it is, and the others go on. `yields`: after each call another queued job of the
    tenant goes first, and the rest is queued behind it.
    """
    tenant = tenants_in_region().filter(pk=tenant_id, stage=TenantStage.READY).first()
    if tenant is None:
        return
    failed: dict[int, AwsProblem] = {}
    for number, (resource, tell) in enumerate(_to_apply(tenant)):
        if yields and number and jobs.is_waited_for(lock_of(tenant.pk)):
            queue_associations(tenant)
            return
        if resource.pk in failed:  # an identity doesn't join before its default set is known
            continue
        try:
            _apply(resource, tell)
        except (AwsBusy, AwsDenied, AwsUnreachable):  # the next call would fail too
            raise
        except AwsProblem as problem:
            failed[resource.pk] = problem
    if failed:
        raise next(iter(failed.values()))


_Tell = Callable[[TenantResource, list[str]], None]


def _to_apply(tenant: Tenant) -> Iterator[tuple[TenantResource, _Tell]]:
    """Yield what is to be done, each once. Default sets are read before the identities join, and join after them.

    Those of identities that have joined before are read if the customer's sends already name the tenant.
    """
    rows = TenantResource.objects.filter(tenant=tenant).select_related("tenant")
    due = rows.filter(Q(retry_at=None) | Q(retry_at__lte=timezone.now()), wanted=True, held_by="")
    unread = due.filter(kind=ResourceKind.IDENTITY, default_read_at=None)
    coming = due.filter(associated_at=None)
    if tenant.is_gone:  # nothing can join it, or it is somebody else's
        coming.update(problem=tenant.read_problem)
        unread = coming = rows.none()

    def read(row: TenantResource, request_ids: list[str]) -> None:
        read_default_set(tenant=tenant, arn=row.arn)

    parts: list[tuple[QuerySet[TenantResource], _Tell]] = [(rows.filter(wanted=False), _dissociate)]
    parts += [(unread.filter(associated_at=None), read), (coming, _associate)]
    if tenant.sends_since:
        parts += [(unread, read), (coming, _associate)]
    done = set[tuple[int, _Tell]]()
    for part, tell in parts:
        for row in part.all():  # read when its turn comes: the part before may have stored rows
            if (row.pk, tell) not in done:
                done.add((row.pk, tell))
                yield row, tell


def read_default_set(*, tenant: Tenant, arn: str) -> None:
    """Read the default configuration set of an identity that belongs to the tenant, and store that it does as well.

    One call. Raises AwsProblem; AwsMissing if SES doesn't have the identity.
    """
    asked_at, name = timezone.now(), lifecycle_gateway.default_configuration_set(name_of(arn))
    with transaction.atomic():
        if name:
            store_association(tenant, set_arn(arn, name))
        TenantResource.objects.filter(tenant=tenant, arn=arn).update(default_read_at=asked_at, default_set=name)


def check_default_sets(*, tenants: Collection[str]) -> None:
    """Read the default sets of identities in those of these tenants that sends name: one call each.

    Somebody may choose another in SES at any time. Nothing is associated. Those that were never read are left to the
    tenant's job. Raises AwsProblem.
    """
    named = tenants_in_region().filter(name__in=tenants, stage=TenantStage.READY, sends_since__isnull=False)
    rows = TenantResource.objects.filter(tenant__in=named, kind=ResourceKind.IDENTITY, wanted=True)
    began, same = timezone.now(), list[int]()
    told = {row.tenant for row in default_sets_outside(named)}
    for row in rows.exclude(associated_at=None).exclude(default_read_at=None):
        asked_at = timezone.now()
        with suppress(AwsMissing):  # drift of identities finds one that is gone
            if (name := lifecycle_gateway.default_configuration_set(row.name)) == row.default_set:
                same.append(row.pk)
            else:
                found = TenantResource.objects.filter(not_newer("default_read_at", asked_at), pk=row.pk)
                found.update(default_set=name, default_read_at=asked_at)
    TenantResource.objects.filter(not_newer("default_read_at", began), pk__in=same).update(default_read_at=began)
    for tenant in told | {row.tenant for row in default_sets_outside(named)}:
        with transaction.atomic():
            warn_of_rejected(tenant, timezone.now())


def queue_unread(*, tenants: Collection[str], most: int) -> None:
    """Queue reads of default sets that were never read, of at most so many of these tenants that sends name."""
    unread = TenantResource.objects.filter(kind=ResourceKind.IDENTITY, wanted=True, default_read_at=None, held_by="")
    whose = unread.filter(tenant__name__in=tenants).values("tenant")
    for tenant in tenants_in_region().filter(pk__in=whose, sends_since__isnull=False).order_by("name")[:most]:
        queue_associations(tenant)


def forget_default_sets(*, tenant: Tenant) -> None:
    """Store that the default sets of the tenant's identities must be read again: each may have changed since."""
    TenantResource.objects.filter(tenant=tenant, kind=ResourceKind.IDENTITY).update(default_read_at=None)


def resources_in_ses(tenant_name: str) -> tuple[tuple[str, str], ...]:
    """Return (kind, ARN) of each association, all pages. Raises AwsMissing if SES doesn't have the tenant."""
    found = lifecycle_gateway.all_pages(lifecycle_gateway.resources_of, tenant_name)
    return tuple((one.kind, one.arn) for one in found)


def tenants_with_resource(arn: str) -> tuple[str, ...]:
    """Return the names of the tenants that have the resource, all pages. Raises AwsMissing if SES doesn't have it."""
    return tuple(lifecycle_gateway.all_pages(lifecycle_gateway.tenants_of, arn))


def dissociate_everywhere(resource_arn: str) -> None:
    """Remove an identity from every SES tenant, which SES requires before its deletion. AwsMissing: it is gone."""
    done: set[str] = set()
    # SES may still list an association that was just removed.
    while names := set(lifecycle_gateway.tenants_of(resource_arn)[0]) - done:
        for name in sorted(names):
            with suppress(AwsMissing):  # the tenant was deleted meanwhile, with its associations
                lifecycle_gateway.dissociate(name, resource_arn)
        done |= names


def adopt_associations(tenant: Tenant, found: Iterable[tuple[str, str]]) -> None:
    """Store rows for associations that SES has. An identity that another tenant here has is left out."""
    for kind, arn in found:
        if kind not in ResourceKind.values:
            log.warning("unknown kind of tenant resource", arn=arn)
            continue
        with suppress(Refused):
            resource = store_association(tenant, arn)
            own = TenantResource.objects.filter(pk=resource.pk)
            own.update(associated_at=timezone.now(), problem="", lost_at=None)


def adopt_association(*, tenant: Tenant, arn: str) -> None:
    """Store one that SES has. Raises Refused if another tenant here should have the identity."""
    with transaction.atomic():
        store_association(tenant, arn)
        adopt_associations(tenant, [(kind_of(arn), arn)])
        queue_associations(tenant)  # which reads the default configuration set
        warn_of_rejected(tenant, timezone.now())  # an identity's default set may have been missing


def associate(resource: TenantResource) -> None:
    """Associate the resource: one call, then the row. Raises AwsProblem."""
    lifecycle_gateway.associate(resource.tenant.name, resource.arn)
    _store_associated(resource)


def _apply(resource: TenantResource, tell: _Tell) -> None:
    with aws.recording() as request_ids:
        try:
            try:
                tell(resource, request_ids)
            except AwsMissing as missing:
                _store_missing(resource)
                log.warning("tenant resource unknown at Amazon", arn=resource.arn, problem=str(missing))
        except AwsProblem as problem:
            _store(resource, problem=str(problem))
            raise


def _store_missing(resource: TenantResource) -> None:
    """Store what SES lacks. It is asked again for a resource after as long as it has lacked it, at most `LATEST`."""
    problem = _what_is_missing(resource)
    if problem not in (UNKNOWN, SET_GONE):
        _store(resource, problem=problem)
        return
    now = timezone.now()
    since = resource.missing_since or now
    retry_at = now + min(max(now - since, SOONEST), LATEST)
    _store(resource, problem=problem, missing_since=since, retry_at=retry_at)


def _what_is_missing(resource: TenantResource) -> str:
    """Return whether SES lacks the tenant or its set, which is recorded, or another resource: up to three calls.

    Raises AwsProblem.
    """
    tenant = resource.tenant
    entity_of(tenant)
    tenant.refresh_from_db()
    if tenant.is_gone:
        return tenant.read_problem
    if (resource.kind, resource.name) != (ResourceKind.CONFIGURATION_SET, tenant.configuration_set):
        return UNKNOWN
    configuration_sets_services.read_set(tenant=tenant)
    return SET_GONE if tenant.set_gone_at else UNKNOWN


def _dissociate(resource: TenantResource, request_ids: list[str]) -> None:
    # From here until SES answers, it is unknown whether SES has it: if it is requested again, it is associated again.
    TenantResource.objects.filter(pk=resource.pk, wanted=False).update(associated_at=None)
    dissociate(tenant_name=resource.tenant.name, arn=resource.arn)
    with transaction.atomic():
        row = TenantResource.objects.filter(pk=resource.pk)
        if row.filter(wanted=False).delete()[0]:
            _log("tenant.dissociated", resource, request_ids)
            warn_of_rejected(resource.tenant, timezone.now())  # it may have been the last that SES had lost
        elif row.update(associated_at=None):  # it was requested again while SES removed it
            queue_associations(resource.tenant)


def _associate(resource: TenantResource, request_ids: list[str]) -> None:
    for going in TenantResource.objects.filter(arn=resource.arn, wanted=False).select_related("tenant"):
        _apply(going, _dissociate)  # the tenant that it leaves: never in two at once
    if resource.kind == ResourceKind.IDENTITY and not _is_checked(resource) and not _is_free(resource):
        return
    is_set = resource.kind == ResourceKind.CONFIGURATION_SET
    if is_set and configuration_sets_services.create_requested(resource=resource):
        _log("tenant.set_created", resource, request_ids)
    lifecycle_gateway.associate(resource.tenant.name, resource.arn)
    with transaction.atomic():
        if _store_associated(resource):
            _log("tenant.associated", resource, request_ids)


def _is_checked(resource: TenantResource) -> bool:
    return resource.checked_at is not None and resource.checked_at > timezone.now() - CHECK_LASTS


def _is_free(resource: TenantResource) -> bool:
    others = [name for name in tenants_with_resource(resource.arn) if name != resource.tenant.name]
    if others:
        _store(resource, problem=ELSEWHERE, held_by=others[0])
        return False
    return _store(resource, checked_at=timezone.now())


def _log(what: str, resource: TenantResource, request_ids: list[str]) -> None:
    values = {resource.kind: resource.name}
    before, after = (values, {}) if what == "tenant.dissociated" else ({}, values)
    audit_services.record(
        what, about=tenant_subject(resource.tenant), actor=None, before=before, after=after, aws_request_ids=request_ids
    )


def _store(resource: TenantResource, **fields: object) -> bool:
    """Return False if the association is no longer desired, or another worker was first."""
    for name, value in fields.items():
        setattr(resource, name, value)
    rows = TenantResource.objects.filter(pk=resource.pk, wanted=resource.wanted)
    if "associated_at" in fields:
        rows = rows.filter(associated_at=None)
    return bool(rows.update(**fields))


def _store_associated(resource: TenantResource) -> bool:
    """Store that SES has it. One that was lost may have been the last: the alerts end with it."""
    was_lost = resource.is_lost or resource.kind == ResourceKind.CONFIGURATION_SET
    stored = _store(resource, associated_at=timezone.now(), problem="", held_by="", lost_at=None, **ASK_AGAIN)
    if stored and was_lost:
        warn_of_rejected(resource.tenant, timezone.now())
    return stored


def dissociate(*, tenant_name: str, arn: str) -> None:
    """Remove an association in SES only. Repeatable. Raises AwsProblem."""
    with suppress(AwsMissing):  # the tenant is gone, with its associations
        lifecycle_gateway.dissociate(tenant_name, arn)
