"""What SES has lost of ours: associations, stored and alerted of until SES has them again, and tenants, created again.

Somebody may delete a tenant, or remove an association, in the SES console. Both are found by a read, and people decide.
"""

from collections.abc import Collection, Mapping

from django.db import transaction
from django.utils import timezone

from tenants.jobs import queue_creation
from tenants.lifecycle.core import NOT_ASSOCIATED
from tenants.lifecycle.selectors import tenants_in_region
from tenants.models.tenants import Tenant, TenantResource, TenantStage
from tenants.status.services import warn_of_rejected


@transaction.atomic
def record_lost(
    *, tenants: Collection[str], lost: Collection[tuple[str, str]], listed: Collection[tuple[str, str]]
) -> None:
    """Store which associations of these tenants SES has lost, or lists again, as (tenant, ARN), and alert of them."""
    rows = TenantResource.objects.filter(tenant__in=tenants_in_region().filter(name__in=tenants), wanted=True)
    changed: dict[str, Tenant] = {}
    for row in rows.exclude(associated_at=None, lost_at=None).select_related("tenant"):
        key, same = (row.tenant.name, row.arn), TenantResource.objects.filter(pk=row.pk)
        if row.is_lost and key in listed:
            same.update(lost_at=None, problem="", associated_at=row.associated_at or timezone.now())
        elif key in lost and not row.is_lost:
            same.update(lost_at=timezone.now(), problem=NOT_ASSOCIATED)
        else:
            continue
        changed[row.tenant_id] = row.tenant
    for tenant in changed.values():
        warn_of_rejected(tenant, timezone.now())


def recreate_tenant(*, tenant: Tenant, pause: Mapping[str, object], arn: str = "") -> None:
    """Create the tenant again under its name, or, with `arn`, adopt the one that has the name. Run it in a transaction.

    Policy, suppression list, configuration set and associations are applied again, and `pause`, as `tenants.pause` keeps it. The caller
    records actor and reason.
    """
    fields: dict[str, object] = {
        "stage": TenantStage.CREATING,
        "stage_problem": "",
        "adopted": False,
        "arn": arn,
        "ses_id": arn.rpartition("/")[2],
        "policy_told": "",
        "suppression_told": "",
        "set_sends": None,
        "set_gone_at": None,
        "read_problem": "",
        **pause,
    }
    Tenant.objects.filter(pk=tenant.pk, stage=TenantStage.READY).update(**fields, updated_at=timezone.now())
    rows = TenantResource.objects.filter(tenant=tenant)
    rows.filter(wanted=True, lost_at=None).exclude(associated_at=None).update(lost_at=timezone.now())
    rows.update(associated_at=None, problem="", held_by="", retry_at=None, missing_since=None)
    queue_creation(tenant)
