"""A tenant that is gone at Amazon, or was made again there by others, is brought back to what is wanted of it."""

from django.utils import timezone

from tenants.models import Tenant, TenantResource, TenantStage
from tenants.services.queue import create_soon


def make_again(*, tenant: Tenant, arn: str = "") -> None:
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
