"""Associates identities and configuration sets with tenants, lists the tenants in SES, and recreates a lost tenant.

The wanted associations are rows; the worker applies them, one AWS call each. SES lets an identity belong to many
tenants, we do not. Before an identity that we did not just create joins a tenant, SES is asked which tenants have it;
if another has it, the association waits for a person.

The inventory (`survey`) reads every tenant of the account, whoever created it, for migrations and drift.
`recreate_tenant` restores a tenant that is gone or was created again by somebody else.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

import structlog
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models.people import Customer, User
from accounts.roles import MANAGE, require
from audit import services as audit_services
from inbound_admin.lib import aws, jobs
from inbound_admin.lib.errors import AwsConflict, AwsMissing, AwsProblem, Refused
from tenants.jobs import associate_soon, create_soon, lock_of
from tenants.lifecycle import gateway as lifecycle_gateway
from tenants.lifecycle.core import Entity, Resource, TenantFound, kind_of, name_of
from tenants.lifecycle.selectors import tenant_subject, tenants_in_region
from tenants.models.tenants import ResourceKind, Tenant, TenantResource, TenantStage

ELSEWHERE = "The resource belongs to another tenant in SES. Our team has to resolve this."
UNKNOWN = "The resource does not exist in SES."
log = structlog.get_logger(__name__)


def request_association(*, tenant: Tenant, arn: str, kind: str = "", free: bool = False) -> TenantResource:
    """Store that it is to belong to the tenant. `free`: no other tenant has it, known from creating or a look just now.

    Raises Refused for what cannot be associated, and for an identity that another tenant here has.
    """
    if kind_of(arn) not in ResourceKind.values or (kind and kind != kind_of(arn)):
        raise Refused("Only identities, configuration sets and templates can belong to a tenant.")
    with transaction.atomic():
        resource = wish(tenant, arn, free=free)
        if not resource.associated_at:
            associate_soon(tenant)
    return resource


def forget_association(*, tenant: Tenant, arn: str) -> None:
    """Store that it is to leave the tenant; without effect when nothing is known of it."""
    with transaction.atomic():
        if TenantResource.objects.filter(tenant=tenant, arn=arn).update(wanted=False, problem="", held_by=""):
            associate_soon(tenant)


@transaction.atomic
def move(*, arn: str, to: Tenant | None, just_made: bool = False) -> None:
    """Out of every other tenant here, and then into this one. What was just made is in none, whatever rows say."""
    others = TenantResource.objects.filter(arn=arn, wanted=True).exclude(tenant=to)
    if just_made:
        TenantResource.objects.filter(arn=arn).delete()
    for other in list(others.select_related("tenant")):
        forget_association(tenant=other.tenant, arn=arn)
    if to is not None:
        request_association(tenant=to, arn=arn, free=just_made)


def forget_identity(*, name: str, customer: Customer) -> None:
    """It is gone at Amazon, and its associations with it."""
    TenantResource.objects.filter(kind=ResourceKind.IDENTITY, name=name, tenant__customer=customer).delete()


def release_identity(*, name: str, customer: Customer) -> None:
    """Out of the customer's tenants, by their own jobs: somebody else has proven that the domain is theirs."""
    rows = TenantResource.objects.filter(kind=ResourceKind.IDENTITY, name=name, tenant__customer=customer, wanted=True)
    for row in list(rows.select_related("tenant")):
        forget_association(tenant=row.tenant, arn=row.arn)


def note_verified(*, names: Collection[str], verified: bool) -> None:
    """What the app above knows of identities, for the layers. The caller has its line in the change log."""
    identities = TenantResource.objects.filter(kind=ResourceKind.IDENTITY, name__in=names)
    identities.exclude(verified=verified).update(verified=verified)


def tenant_to_join(customer: Customer) -> Tenant | None:
    """The customer's, locked until the transaction ends: it is not deleted while something comes to live in it."""
    rows = tenants_in_region().select_for_update(of=("self",), no_key=True).filter(customer=customer)
    return rows.exclude(stage=TenantStage.DELETING).first()


def look_again(*, tenant: Tenant, actor: User | None) -> None:
    """Try once more what another tenant had or Amazon did not know. Raises NotAllowed."""
    require(actor, MANAGE, "Your role can't change a tenant's resources. Ask an operator.")
    with transaction.atomic():
        stuck = TenantResource.objects.filter(tenant=tenant, associated_at=None)
        stuck.update(held_by="", problem="", checked_at=None)
        associate_soon(tenant)


def wish(tenant: Tenant, arn: str, *, free: bool = False) -> TenantResource:
    """The row alone. Raises Refused when another tenant here is to have the identity."""
    checked = {"checked_at": timezone.now()} if free or kind_of(arn) != ResourceKind.IDENTITY else {}
    defaults = {"kind": kind_of(arn), "name": name_of(arn), "wanted": True}
    try:
        with transaction.atomic():
            resource, _ = TenantResource.objects.update_or_create(tenant=tenant, arn=arn, defaults=defaults | checked)
    except IntegrityError as error:
        raise Refused(f"{name_of(arn)} belongs to another tenant here.", code="IN_ANOTHER_TENANT") from error
    return resource


def carry_out_associations(*, tenant_id: str, yields: bool = False) -> None:
    """What is to go goes first, then what is to come. Raises AwsProblem, stored at the row that it hit.

    `yields`: after each call another job of the tenant that waits goes first, and the rest is queued behind it.
    """
    tenant = tenants_in_region().filter(pk=tenant_id, stage=TenantStage.READY).first()
    if tenant is None:
        return
    rows = TenantResource.objects.filter(tenant=tenant).select_related("tenant")
    going = [(row, _let_go) for row in rows.filter(wanted=False)]
    coming = [(row, _take_in) for row in rows.filter(wanted=True, associated_at=None, held_by="")]
    for number, (resource, tell) in enumerate((*going, *coming)):
        if yields and number and jobs.is_waited_for(lock_of(tenant.pk)):
            associate_soon(tenant)
            return
        _told(resource, tell)


def resources_at_amazon(tenant_name: str) -> tuple[tuple[str, str], ...]:
    """(kind, arn) of each association, all pages. Raises AwsMissing when Amazon does not know the tenant."""
    found: Iterable[Resource] = lifecycle_gateway.all_pages(lifecycle_gateway.resources_of, tenant_name)
    return tuple((one.kind, one.arn) for one in found)


def holders_at_amazon(arn: str) -> tuple[str, ...]:
    """The names of the tenants that have it, all pages. Raises AwsMissing when Amazon does not know it."""
    return tuple(lifecycle_gateway.all_pages(lifecycle_gateway.tenants_of, arn))


def dissociate_everywhere(resource_arn: str) -> None:
    """Take an identity out of every SES tenant, since SES refuses to delete it before. AwsMissing: it is gone."""
    done: set[str] = set()
    while (
        names := set(lifecycle_gateway.tenants_of(resource_arn)[0]) - done
    ):  # one that Amazon lists still is not taken out twice
        for name in sorted(names):
            with suppress(AwsMissing):  # the tenant went meanwhile, and its associations with it
                lifecycle_gateway.dissociate(name, resource_arn)
        done |= names


def take_over(tenant: Tenant, found: Iterable[tuple[str, str]]) -> None:
    """Associations that Amazon has already become rows; an identity that another tenant here has is left out."""
    for kind, arn in found:
        if kind not in ResourceKind.values:
            log.warning("unknown kind of tenant resource", arn=arn)
            continue
        with suppress(Refused):
            resource = wish(tenant, arn)
            TenantResource.objects.filter(pk=resource.pk).update(associated_at=timezone.now(), problem="")


def associate(resource: TenantResource) -> None:
    """One call, then the row. Raises AwsProblem."""
    with suppress(AwsConflict):  # it is there already: an attempt of ours whose answer was lost, or by hand
        lifecycle_gateway.associate(resource.tenant.name, resource.arn)
    resource.associated_at = timezone.now()
    _store(resource, associated_at=resource.associated_at, problem="", held_by="")


def _told(resource: TenantResource, tell: Callable[[TenantResource, list[str]], None]) -> None:
    with aws.recording() as request_ids:
        try:
            tell(resource, request_ids)
        except AwsMissing as missing:
            _store(resource, problem=UNKNOWN)
            log.warning("tenant resource unknown at Amazon", arn=resource.arn, problem=str(missing))
        except AwsProblem as problem:
            _store(resource, problem=str(problem))
            raise


def _let_go(resource: TenantResource, request_ids: list[str]) -> None:
    with suppress(AwsMissing):  # the tenant is gone, and its associations with it
        lifecycle_gateway.dissociate(resource.tenant.name, resource.arn)
    with transaction.atomic():
        deleted, _ = TenantResource.objects.filter(pk=resource.pk, wanted=False).delete()
        if deleted:
            _log("tenant.dissociated", resource, request_ids)


def _take_in(resource: TenantResource, request_ids: list[str]) -> None:
    for going in TenantResource.objects.filter(arn=resource.arn, wanted=False).select_related("tenant"):
        _told(going, _let_go)  # the tenant that it leaves: never in two at once
    if not resource.checked_at and not _is_free(resource):
        return
    with suppress(AwsConflict):
        lifecycle_gateway.associate(resource.tenant.name, resource.arn)
    with transaction.atomic():
        if _store(resource, associated_at=timezone.now(), problem="", held_by=""):
            _log("tenant.associated", resource, request_ids)


def _is_free(resource: TenantResource) -> bool:
    others = [name for name in holders_at_amazon(resource.arn) if name != resource.tenant.name]
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
    """False when nobody wants it any more, or another worker was first."""
    for name, value in fields.items():
        setattr(resource, name, value)
    rows = TenantResource.objects.filter(pk=resource.pk, wanted=resource.wanted)
    if "associated_at" in fields:
        rows = rows.filter(associated_at=None)
    return bool(rows.update(**fields))


@dataclass(frozen=True)
class Surveyed:
    """One tenant at Amazon: `resources` as (kind, ARN); `entity` None where Amazon keeps no reputation of it."""

    tenant: TenantFound
    resources: tuple[tuple[str, str], ...]
    entity: Entity | None = None


def tenants_at_amazon() -> tuple[TenantFound, ...]:
    """A call for each hundred. Raises AwsProblem, and nothing is known: half a list would show the rest as gone."""
    return tuple(lifecycle_gateway.all_pages(lifecycle_gateway.list_tenants))


def entities_at_amazon() -> dict[str, Entity]:
    """By the tenant's ARN; a call for each hundred. Raises AwsProblem."""
    return {entity.arn: entity for entity in lifecycle_gateway.all_pages(lifecycle_gateway.list_entities)}


def survey(tenants: Iterable[TenantFound], entities: Mapping[str, Entity]) -> tuple[Surveyed, ...]:
    """A call for each tenant. One deleted meanwhile is left out. Raises AwsProblem."""
    found = []
    for tenant in tenants:
        try:
            found.append(Surveyed(tenant, resources_at_amazon(tenant.name), entities.get(tenant.arn)))
        except AwsMissing:
            continue
    return tuple(found)


def survey_of(names: frozenset[str]) -> tuple[Surveyed, ...]:
    """Of the tenants of these names alone; three calls each. One that Amazon does not know is left out."""
    found = []
    for name in sorted(names):
        try:
            tenant = lifecycle_gateway.get_tenant(name)
            found.append(Surveyed(tenant, resources_at_amazon(name), _entity_of(tenant)))
        except AwsMissing:
            continue
    return tuple(found)


def take_out(*, tenant_name: str, arn: str) -> None:
    """An association that no row of ours wants; repeatable. Raises AwsProblem."""
    with suppress(AwsMissing):  # the tenant is gone, and its associations with it
        lifecycle_gateway.dissociate(tenant_name, arn)


def _entity_of(tenant: TenantFound) -> Entity | None:
    with suppress(AwsMissing):  # SES may keep no reputation of one that never sent
        return lifecycle_gateway.get_entity(tenant.arn)
    return None


def taken_identities(tenants: tuple[TenantFound, ...]) -> dict[str, str]:
    """ARN of each identity that these tenants have, and the name of the tenant; a call for each. Raises AwsProblem."""
    taken: dict[str, str] = {}
    for tenant in tenants:
        try:
            resources = resources_at_amazon(tenant.name)
        except AwsMissing:
            continue
        taken |= {arn: tenant.name for kind, arn in resources if kind == "identity"}
    return taken


def recreate_tenant(*, tenant: Tenant, arn: str = "") -> None:
    """Inside a transaction: created anew under its name, or, with an ARN, the one that stands there is taken.

    Policy, configuration set, associations and a pause are asserted again. The caller writes who wanted it and why.
    """
    fields: dict[str, object] = {
        "stage": TenantStage.CREATING,
        "stage_problem": "",
        "adopted": False,
        "arn": arn,
        "ses_id": arn.rpartition("/")[2],
        "policy_told": "",
        "set_sends": None,
        "read_problem": "",
    }
    if tenant.is_paused:
        fields |= {"status_asked_at": timezone.now(), "status_told_at": None, "status_proven_at": None}
    Tenant.objects.filter(pk=tenant.pk, stage=TenantStage.READY).update(**fields, updated_at=timezone.now())
    TenantResource.objects.filter(tenant=tenant).update(associated_at=None, problem="", held_by="")
    create_soon(tenant)
