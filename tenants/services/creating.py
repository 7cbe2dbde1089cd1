"""A customer's tenant is made or adopted at Amazon: five calls, each harmless when repeated.

Every line stores what Amazon answered before the next call, so a process that dies anywhere is carried on from there.
SES takes no token of ours, so after "it exists already" our tag tells whether a lost attempt of our own made it.
"""

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from changes import services as changes
from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsConflict, AwsMissing, AwsProblem, Refused
from inbound_admin.lib.ids import new_id
from tenants.core.amazon import TenantFound
from tenants.core.naming import is_tenant_name, tenant_name
from tenants.core.standing import Policy
from tenants.gateway import ses
from tenants.models import Customer, ResourceKind, Tenant, TenantResource, TenantStage, User, new_tenant_id
from tenants.selectors import here
from tenants.services import associating, statuses
from tenants.services.allowing import MANAGE, require
from tenants.services.queue import associate_soon, create_soon, status_soon
from tenants.services.subjects import tenant_subject

SUFFIX = 8  # characters of Crockford's base 32 that keep two customers of one name apart
NOT_YOURS = "Your role cannot create tenants. Ask an operator."


def create_tenant(*, customer: Customer, actor: User | None, policy: str = "", sends_at_once: bool = False) -> Tenant:
    """Store the wish; the worker then makes it. Raises Refused when the customer has one, or NotAllowed.

    `sends_at_once` is for a customer who has nothing yet that sends without a tenant.
    """
    require(actor, MANAGE, NOT_YOURS)
    tenant = Tenant(pk=new_tenant_id(), customer=customer, policy=_policy(policy or settings.TENANT_POLICY))
    tenant.name = tenant.configuration_set = _name(tenant)
    return _store_new(tenant, actor, sends_at_once=sends_at_once)


def adopt_tenant(*, customer: Customer, name: str, actor: User) -> Tenant:
    """Take a tenant over that is at Amazon already; asks Amazon once. Raises Refused, NotAllowed, AwsProblem."""
    require(actor, MANAGE, NOT_YOURS)
    if not is_tenant_name(name):
        raise Refused("That is no name of a tenant: letters, digits, - and _ alone, at most 64.")
    _refuse_second(customer)
    try:
        ses.get_tenant(name)
    except AwsMissing as missing:
        raise Refused(f"Amazon knows no tenant {name} in {settings.AWS_REGION}.", code="TENANT_MISSING") from missing
    tenant = Tenant(customer=customer, name=name, adopted=True, policy=_policy(settings.TENANT_POLICY))
    return _store_new(tenant, actor, sends_at_once=False)


@transaction.atomic
def _store_new(tenant: Tenant, actor: User | None, *, sends_at_once: bool) -> Tenant:
    _refuse_second(tenant.customer)
    tenant.region, tenant.created_by = settings.AWS_REGION, actor
    tenant.sends_since = timezone.now() if sends_at_once else None
    try:
        with transaction.atomic():
            tenant.save(force_insert=True)
    except IntegrityError as error:
        _refuse_second(tenant.customer)  # has the right sentence for whoever was a moment too late
        raise Refused(f"The tenant {tenant.name} belongs to another customer here.", code="TENANT_TAKEN") from error
    after = {"name": tenant.name, "customer": tenant.customer.name, "adopted": tenant.adopted or None}
    changes.record("tenant.added", about=tenant_subject(tenant), actor=actor, after=after)
    create_soon(tenant)
    return tenant


def carry_out_creation(*, tenant_id: str) -> None:
    """Carry the creation on from where it is. Raises AwsProblem, which is also stored for the page."""
    tenant = here().select_related("customer").filter(pk=tenant_id, stage=TenantStage.CREATING).first()
    if tenant is None:
        return
    with aws.recording() as request_ids:
        try:
            if all(step(tenant) for step in (_tenant, _taken_over, _told_policy, _set, _own_set_in, _read)):
                _finish(tenant, request_ids)
        except AwsProblem as problem:
            _store(tenant, stage_problem=str(problem))
            raise


def _tenant(tenant: Tenant) -> bool:
    if tenant.arn:
        return True
    if tenant.adopted:
        return _adopted(tenant)
    try:
        return _store_found(tenant, ses.create_tenant(tenant.name, ours=tenant.pk))
    except AwsConflict:
        found = ses.get_tenant(tenant.name)
    if (ses.OURS, tenant.pk) in found.tags:  # our own first attempt, whose answer was lost
        return _store_found(tenant, found)
    return _rename(tenant) and _tenant(tenant)


def _adopted(tenant: Tenant) -> bool:
    try:
        return _store_found(tenant, ses.get_tenant(tenant.name))
    except AwsMissing:
        _store(tenant, stage_problem="Amazon does not know this tenant any more. Delete it here, and create one.")
        return False


def _store_found(tenant: Tenant, found: TenantFound) -> bool:
    try:
        with transaction.atomic():
            fields = {"ses_id": found.ses_id, "arn": found.arn, "ses_created_at": found.created_at}
            return _store(tenant, **fields)
    except IntegrityError:
        tenant.arn = ""
        _store(tenant, stage_problem="This tenant is another customer's here. Delete it here, and create one.")
        return False


def _rename(tenant: Tenant) -> bool:
    """Somebody else's tenant has the name, so ours takes another."""
    name = _name(tenant, new_id("")[-SUFFIX:])
    return _store(tenant, name=name, configuration_set=name)


def _taken_over(tenant: Tenant) -> bool:
    """An adopted tenant's policy, associations and configuration set are taken as they are."""
    if not tenant.adopted or tenant.policy_told:
        return True
    associating.take_over(tenant, associating.resources_at_amazon(tenant.name))
    entity = statuses.entity_of(tenant)
    known = entity is not None and entity.policy in tuple(Policy)
    if entity is None or not known:  # what Amazon does not name, or we do not know, is set by the next step
        return True
    return _store(tenant, policy=entity.policy, ses_policy=entity.policy, policy_told=entity.policy)


def _told_policy(tenant: Tenant) -> bool:
    """Explicitly: sources disagree on which policy a new tenant has."""
    if tenant.policy_told:
        return True
    ses.set_policy(tenant.arn, Policy(tenant.policy))
    return _store(tenant, policy_told=tenant.policy, ses_policy=tenant.policy)


def _set(tenant: Tenant) -> bool:
    if tenant.set_sends is not None:
        return True
    if tenant.adopted and not tenant.configuration_set and not _found_set(tenant):
        _store(tenant, configuration_set=_name(tenant))
    if tenant.adopted and _is_associated(tenant, tenant.configuration_set):  # taking over writes nothing
        return _store(tenant, set_sends=ses.get_configuration_set(tenant.configuration_set).sends)
    try:
        ses.create_configuration_set(tenant.configuration_set, ours=tenant.pk)
    except AwsConflict:
        found = ses.get_configuration_set(tenant.configuration_set)
        adopted = _is_associated(tenant, tenant.configuration_set)
        if (ses.OURS, tenant.pk) in found.tags or adopted:
            return _store(tenant, set_sends=found.sends)
        return _store(tenant, configuration_set=_name(tenant, new_id("")[-SUFFIX:])) and _set(tenant)
    return _store(tenant, set_sends=True)


def _found_set(tenant: Tenant) -> bool:
    """The first of the configuration sets that an adopted tenant has becomes the customer's."""
    sets = TenantResource.objects.filter(
        tenant=tenant, kind=ResourceKind.CONFIGURATION_SET, associated_at__isnull=False
    )
    first = sets.order_by("name").first()
    return first is not None and _store(tenant, configuration_set=first.name)


def _is_associated(tenant: Tenant, name: str) -> bool:
    known = TenantResource.objects.filter(tenant=tenant, kind=ResourceKind.CONFIGURATION_SET, name=name)
    return known.filter(associated_at__isnull=False).exists()


def _own_set_in(tenant: Tenant) -> bool:
    """Without a configuration set of its own a tenant cannot send."""
    arn = ses.configuration_set_arn(tenant.configuration_set)
    resource = associating.wish(tenant, arn)
    if not resource.associated_at:
        associating.associate(resource)
    return True


def _read(tenant: Tenant) -> bool:
    statuses.read(tenant)
    return True


@transaction.atomic
def _finish(tenant: Tenant, request_ids: list[str]) -> None:
    """Only one of two workers that raced here finds the stage unfinished, so the change log has it once."""
    if not _store(tenant, stage=TenantStage.READY, stage_problem=""):
        return
    what = "tenant.adopted" if tenant.adopted else "tenant.created"
    after = {"tenant": tenant.name, "policy": tenant.policy, "configuration_set": tenant.configuration_set}
    changes.record(what, about=tenant_subject(tenant), actor=None, after=after, aws_request_ids=request_ids)
    tenant.refresh_from_db()
    associate_soon(tenant)
    if tenant.is_under_way:
        status_soon(tenant)


def _store(tenant: Tenant, **fields: object) -> bool:
    """False, and nothing stored, when it is no longer being created: deleted meanwhile, or done by another."""
    for name, value in fields.items():
        setattr(tenant, name, value)
    rows = Tenant.objects.filter(pk=tenant.pk, stage=TenantStage.CREATING)
    return bool(rows.update(**fields, updated_at=timezone.now()))


def _refuse_second(customer: Customer) -> None:
    known = here().filter(customer=customer).first()
    if known is None:
        return
    if known.stage == TenantStage.DELETING:
        raise Refused(f"{customer}'s tenant is being deleted. Wait until it is gone.", code="TENANT_DELETING")
    raise Refused(f"{customer} has the tenant {known.name} already.", code="TENANT_EXISTS")


def _policy(name: str) -> Policy:
    try:
        return Policy(name)
    except ValueError as error:
        raise Refused(f"There is no reputation policy “{name}”: standard, strict or none.") from error


def _name(tenant: Tenant, suffix: str = "") -> str:
    return tenant_name(tenant.customer.name, suffix or tenant.pk[-SUFFIX:])
