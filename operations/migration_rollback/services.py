"""Rolls one customer's tenant migration back: the switch first, then the associations that the migration made.

Like the steps of `migration_steps`, each is harmless when repeated, so the process may die between any two.
"""

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from accounts.people.selectors import customer_subject
from audit import services as audit_services
from domains.models.domains import Domain
from inbound_admin.lib.errors import Refused
from operations.models import ItemState, MigrationItem, MigrationStep
from operations.tenant_migration import selectors
from operations.tenant_migration.core import MigrationStepState, StepKind
from tenants.models.tenants import ResourceKind, Tenant, TenantResource
from tenants.resources import services as resources_services
from tenants.status.services import warn_of_rejected


def roll_back_customer(item: MigrationItem) -> None:
    """Undo the switch, then our associations. Raises AwsProblem if it must wait, Refused while the tenant is paused."""
    switch_back(item)
    tenant = _tenants_of(item).first()
    if tenant is not None and not item.before.get("sends_since"):  # else the sends need what has joined since as well
        _dissociate(item, tenant)
    _finish_rollback(item)


def _tenants_of(item: MigrationItem) -> QuerySet[Tenant]:
    return Tenant.objects.filter(customer=item.customer, region=settings.AWS_REGION)


@transaction.atomic
def switch_back(item: MigrationItem) -> None:
    """Undo the switch: the customer's sends no longer name the tenant. No call. Raises Refused while it is paused."""
    own = Domain.objects.filter(tenant__in=_tenants_of(item)).select_for_update(of=("self",))
    list(own.order_by("pk").values_list("pk"))  # domains before tenants, as a transfer locks them
    locked = _tenants_of(item).select_for_update(of=("self",)).first()
    if locked is None:
        return
    if locked.is_stopped and locked.sends_since:
        raise Refused(selectors.held_by_pause([item.customer]), code="TENANT_PAUSED")
    if item.before.get("sends_since"):
        return
    before: dict[str, str] = item.before.get("domains", {})
    kept = [key for key, had_tenant in before.items() if had_tenant]
    Domain.objects.filter(tenant=locked).exclude(pk__in=kept).update(tenant=None)
    if locked.sends_since is None:
        return
    locked.sends_since = None
    locked.save(update_fields=("sends_since",))
    warn_of_rejected(locked, timezone.now())  # SES rejects no sends that don't name the tenant
    MigrationItem.objects.filter(pk=item.pk).update(switched_at=None)
    audit_services.record(
        "tenant.switched_back",
        about=customer_subject(item.customer),
        actor=selectors.person_of(item),
        because=item.asked_because,
        before={"sends_as": locked.name},
        after={"sends_as": ""},
        bulk_id=item.migration_id,
    )


def _dissociate(item: MigrationItem, tenant: Tenant) -> None:
    """Remove the associations that we made. The tenant keeps its own configuration set, which nothing else uses."""
    kept = {
        *item.before.get("associations", ()),
        selectors.arn_of(ResourceKind.CONFIGURATION_SET, tenant.configuration_set),
    }
    for row in TenantResource.objects.filter(tenant=tenant, wanted=True).exclude(arn__in=kept):
        resources_services.forget_association(tenant=tenant, arn=row.arn)
    resources_services.apply_associations(tenant_id=tenant.pk)


def _finish_rollback(item: MigrationItem) -> None:
    """Mark the associations and the switch as undone. The tenant and its configuration set remain."""
    undone = (StepKind.ASSOCIATE, StepKind.GATE, StepKind.SWITCH)
    rows = MigrationStep.objects.filter(item=item, kind__in=undone, state=MigrationStepState.DONE)
    rows.update(state=MigrationStepState.UNDONE, done_at=None)
    MigrationItem.objects.filter(pk=item.pk).update(
        state=ItemState.ROLLED_BACK,
        ended_at=timezone.now(),
        switched_at=None,
        rolls_back=False,
        problem="",
        before={},
    )
