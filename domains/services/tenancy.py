"""A domain's place in its customer's SES tenant: `Domain.tenant` says which, an association at Amazon follows.

A customer without a tenant has domains without one. Domains that were there before a customer's sends named the tenant
are migrated, or come along in passing when something else has to be done to them.
"""

from collections.abc import Sequence

from django.db import transaction

from changes import services as changes
from domains.core.checking import SesStatus
from domains.models import Domain, Stage
from domains.services.subjects import subject
from inbound_admin.lib import aws
from tenants.models import Tenant
from tenants.selectors import tenant_of
from tenants.services import associating

NOT_VERIFIED = (SesStatus.PENDING, SesStatus.FAILED, SesStatus.NOT_STARTED)


def join(domain: Domain, *, just_made: bool) -> None:
    """Wish the identity into the tenant, once it exists. Of one that we have just made no other tenant can know."""
    tenant = domain.tenant or _passing(domain)
    if tenant is not None:
        associating.move(arn=aws.identity_arn(domain.name), to=tenant, just_made=just_made)


def join_in_passing(domain: Domain) -> None:
    """Something else was done to it: so it follows its customer, whose sends name the tenant. Raises AwsProblem."""
    if domain.tenant_id is None and _passing(domain) is not None:
        join(domain, just_made=False)


def _passing(domain: Domain) -> Tenant | None:
    """The tenant that the customer's sends name already; stored at the domain."""
    tenant = tenant_of(domain.customer)
    if tenant is None or tenant.sends_since is None:
        return None
    with transaction.atomic():
        if Domain.objects.filter(pk=domain.pk, tenant=None).exclude(stage=Stage.DELETING).update(tenant=tenant):
            after = {"tenant": tenant.name}
            changes.record("domain.joined_tenant", about=subject(domain), actor=None, after=after, for_staff=True)
    domain.tenant = tenant
    return tenant


def identity_arn_for(domain: Domain, to: Tenant | None) -> str:
    """Asked before the transaction that moves it; empty where no tenant is concerned. Raises AwsProblem."""
    return aws.identity_arn(domain.name) if domain.tenant_id or to else ""


def move(domain: Domain, arn: str, to: Tenant | None) -> None:
    """Part of a transfer, in its transaction: out of the old customer's tenant and into the new one's."""
    domain.tenant = to
    if arn and domain.stage == Stage.READY:
        associating.move(arn=arn, to=to)
    elif arn:
        associating.move(arn=arn, to=None)  # the set-up wishes it in, once the identity is there


def note_verified(domains: Sequence[Domain]) -> None:
    """What Amazon said of identities, for the layers of their tenants; where it could not tell, what is known stays."""
    for verified, statuses in ((True, (SesStatus.SUCCESS,)), (False, NOT_VERIFIED)):
        names = [d.name for d in domains if d.tenant_id and not d.ses_problem and d.identity_status in statuses]
        if names:
            associating.note_verified(names=names, verified=verified)
