"""Reads our side of the comparison with the tenants in SES: what SES should have, as far as it was sent there."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from django.conf import settings

from domains.models.domains import Domain, Stage
from inbound_admin.lib import aws
from operations.drift.core import OurTenant
from tenants.lifecycle.core import set_arn
from tenants.lifecycle.selectors import stopped_before
from tenants.models.tenants import ResourceKind, Tenant, TenantResource

SET = ResourceKind.CONFIGURATION_SET


def our_tenants(tenants: Sequence[Tenant], since: datetime) -> list[OurTenant]:
    """Return created tenants, fetched with their customers. What was requested or made after `since` is left out."""
    resources: dict[str, list[TenantResource]] = {}
    for each in TenantResource.objects.filter(tenant__in=tenants):
        resources.setdefault(each.tenant_id, []).append(each)
    return [_ours(tenant, resources.get(tenant.pk, []), since) for tenant in tenants]


def _ours(tenant: Tenant, resources: Sequence[TenantResource], since: datetime) -> OurTenant:
    is_newer = tenant.status_asked_at is not None and tenant.status_asked_at >= since
    known = {row.arn for row in resources if not _is_refused(row)}
    sets = [row.arn for row in resources if row.kind == SET and row.name == tenant.configuration_set]
    associated = {row.arn: row.name for row in resources if row.wanted and _should_be_in_ses(row, since)}
    return OurTenant(
        name=tenant.name,
        arn=tenant.arn,
        customer_id=tenant.customer_id,
        customer=tenant.customer.name,
        policy=tenant.policy if tenant.policy_told == tenant.policy else None,
        is_paused=None if tenant.is_under_way or is_newer else tenant.is_paused,
        suppression=tenant.suppression if tenant.suppression == tenant.suppression_told else "",
        found_suppression=tenant.ses_suppression,
        unmeasured_set=tenant.configuration_set if tenant.set_measures is False and tenant.set_sends else "",
        default_sets=_default_sets(resources, known) if tenant.sends_since else {},
        gone_set=sets[0] if sets and tenant.set_gone_at else "",
        associated=associated,
        going=frozenset(row.arn for row in resources if row.arn not in associated),
        stopped=stopped_before(tenant),
        outside=_outside(tenant, known) if tenant.sends_since else {},
    )


def _should_be_in_ses(row: TenantResource, since: datetime) -> bool:
    """Return whether SES had it before the read began. One that SES lost counts until SES has it again."""
    return bool(row.is_lost and row.problem) if row.associated_at is None else row.associated_at < since


def _is_refused(row: TenantResource) -> bool:
    """Return whether it was never associated, and can't be or waits for a restore."""
    return bool(row.wanted and row.associated_at is None and not row.is_lost and row.problem and not row.held_by)


def _default_sets(resources: Sequence[TenantResource], known: set[str]) -> dict[str, str]:
    """Return the default sets of the tenant's identities that the tenant doesn't have, with the identities' names."""
    found: dict[str, list[str]] = {}
    for row in sorted(resources, key=lambda each: each.name):
        if row.kind == ResourceKind.IDENTITY and row.default_set and row.wanted and row.associated_at:
            found.setdefault(set_arn(row.arn, row.default_set), []).append(row.name)
    return {arn: ", ".join(names[:5]) for arn, names in found.items() if arn not in known}


def _outside(tenant: Tenant, known: set[str]) -> dict[str, str]:
    """Return what SES would use for sends that name the tenant: domains, and identities below them."""
    domains = Domain.objects.filter(customer=tenant.customer_id, region=tenant.region, stage=Stage.READY)
    names = {name for both in domains.values_list("name", "sub_identities__name") for name in both if name}
    arns = {aws.identity_arn(name): name for name in sorted(names)}
    return {arn: name for arn, name in arns.items() if arn not in known}


def owners_of_identities(arns: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Return the ID and name of the customer by the ARN of its identity."""
    prefix = aws.identity_arn("")
    names = {arn.removeprefix(prefix) for arn in arns if arn.startswith(prefix)}
    domains = Domain.objects.filter(region=settings.AWS_REGION, name__in=names).exclude(stage=Stage.CLAIM)
    rows = domains.values_list("name", "customer_id", "customer__name")
    return {prefix + name: (customer_id, customer) for name, customer_id, customer in rows}
