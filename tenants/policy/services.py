"""Changes a tenant's reputation policy (on which findings SES pauses it) and its suppression scope.

The desired value is stored first, then sent to SES.
"""

from django.db import transaction
from django.utils import timezone

from accounts.models.people import User
from accounts.roles import require, require_reason
from audit import services as audit_services
from inbound_admin.lib import aws, isolation
from inbound_admin.lib.errors import AwsProblem, Refused
from inbound_admin.lib.seen import refuse_if_changed
from tenants.jobs import queue_policy
from tenants.lifecycle import gateway as lifecycle_gateway
from tenants.lifecycle.selectors import tenant_subject, tenants_in_region
from tenants.models.tenants import Policy, Suppression, Tenant, TenantStage
from tenants.status import services as status_services

NO_POLICY = "Your role can't change a tenant's policy. Ask an operator."
NO_SUPPRESSION = "Your role can't change a tenant's suppression list. Ask an operator."
UNREAD = "The policy was just changed. The SES status under the new policy has not been read yet."


@transaction.atomic
def change(*, tenant: Tenant, policy: str, suppression: str, because: str, actor: User, seen: str = "") -> None:
    """Change both or neither; an unchanged value is skipped. `seen`: of the form that shows both.

    Raises Refused and ChangedMeanwhile.
    """
    shown = shown_values(status_services.locked_tenant(tenant))
    if shown != {"policy": policy, "suppression": suppression}:
        refuse_if_changed(seen, shown)
    change_policy(tenant=tenant, policy=policy, because=because, actor=actor)
    change_suppression(tenant=tenant, suppression=suppression, because=because, actor=actor)


def shown_values(tenant: Tenant) -> dict[str, str]:
    """Return what the form shows."""
    return {"policy": str(tenant.policy), "suppression": str(tenant.suppression)}


def change_policy(*, tenant: Tenant, policy: str, because: str, actor: User) -> None:
    """Store the request; the worker tells SES. Raises Refused without a reason, or for an unknown policy."""
    require(actor, "tenants.manage_tenant", NO_POLICY)
    because = require_reason(because, "Enter a reason.")
    if policy not in tuple(Policy):
        raise Refused("Choose one of the policies: standard, strict or none.")
    with transaction.atomic():
        locked = status_services.locked_tenant(tenant)
        before = locked.policy
        if before == policy == locked.ses_policy:
            return
        locked.policy, locked.policy_told = policy, ""
        locked.save(update_fields=("policy", "policy_told", "updated_at"))
        known = locked.ses_policy if before == policy else before
        _record("tenant.policy", locked, actor, because, {"policy": known}, {"policy": policy})
        queue_policy(locked)
    tenant.refresh_from_db()


def change_suppression(*, tenant: Tenant, suppression: str, because: str, actor: User) -> None:
    """Store the request; the worker tells SES. Raises Refused without a reason, or for an unknown list."""
    require(actor, "tenants.manage_tenant", NO_SUPPRESSION)
    because = require_reason(because, "Enter a reason.")
    if suppression not in tuple(Suppression):
        raise Refused("Choose one of the lists: account or tenant.")
    with transaction.atomic():
        locked = status_services.locked_tenant(tenant)
        if locked.suppression == suppression == (locked.ses_suppression or locked.suppression_told):
            return
        before, after = {"suppression": locked.ses_suppression or locked.suppression}, {"suppression": suppression}
        locked.suppression, locked.suppression_told = suppression, ""
        locked.save(update_fields=("suppression", "suppression_told", "updated_at"))
        _record("tenant.suppression", locked, actor, because, before, after)
        queue_policy(locked)
    tenant.refresh_from_db()


def accept_suppression(*, tenant: Tenant, suppression: str, because: str, actor: User) -> None:
    """Make the suppression scope that was found in SES the desired one. SES isn't called. Raises Refused."""
    require(actor, "tenants.manage_tenant", NO_SUPPRESSION)
    if suppression not in tuple(Suppression):
        raise Refused(f"The suppression list “{suppression}” is unknown and can't be accepted.")
    _accept("suppression", suppression, tenant, because, actor)


def accept_policy(*, tenant: Tenant, policy: str, because: str, actor: User) -> None:
    """Make the policy that was found in SES the desired one. SES isn't called. Raises Refused."""
    require(actor, "tenants.manage_tenant", NO_POLICY)
    if policy not in tuple(Policy):
        raise Refused(f"The policy “{policy}” is unknown and can't be accepted.")
    _accept("policy", policy, tenant, because, actor)


def _accept(field: str, value: str, tenant: Tenant, because: str, actor: User) -> None:
    because = require_reason(because, "Enter a reason.")
    with transaction.atomic():
        locked = status_services.locked_tenant(tenant)
        before = {field: getattr(locked, field)}
        setattr(locked, field, value)
        setattr(locked, f"{field}_told", value)
        locked.save(update_fields=(field, f"{field}_told", "updated_at"))
        _record(f"tenant.{field}", locked, actor, because, before, {field: value})
    tenant.refresh_from_db()


def _record(
    what: str, locked: Tenant, actor: User, because: str, before: dict[str, str], after: dict[str, str]
) -> None:
    about = tenant_subject(locked)
    audit_services.record(what, about=about, actor=actor, because=because, before=before, after=after, for_staff=True)


def apply_policy(*, tenant_id: str) -> None:
    """Set suppression list and policy in SES, then read the tenant, since a stricter policy may pause at once.

    Raises AwsProblem, which is also stored for the page. What SES refuses prevents none of the others.
    """
    tenant = tenants_in_region().filter(pk=tenant_id, stage=TenantStage.READY).first()
    if tenant is None:
        return
    try:
        isolation.past_refusals((_set_suppression, _set_policy, status_services.read), lambda step: step(tenant))
    except AwsProblem as problem:
        Tenant.objects.filter(pk=tenant.pk).update(stage_problem=str(problem))
        raise
    Tenant.objects.filter(pk=tenant.pk).update(stage_problem="")


def _set_suppression(tenant: Tenant) -> None:
    if tenant.suppression == tenant.suppression_told:
        return
    lifecycle_gateway.set_suppression(tenant.name, Suppression(tenant.suppression))
    fields: dict[str, object] = {"suppression_read_at": timezone.now()}
    fields |= {"suppression_told": tenant.suppression, "ses_suppression": tenant.suppression}
    if not Tenant.objects.filter(pk=tenant.pk, suppression=tenant.suppression).update(**fields):
        _repeat_newer(tenant)


def _set_policy(tenant: Tenant) -> None:
    if tenant.policy == tenant.policy_told:
        return
    with aws.recording() as request_ids:
        lifecycle_gateway.set_policy(tenant.arn, Policy(tenant.policy))
    _record_applied(tenant, request_ids)


@transaction.atomic
def _repeat_newer(tenant: Tenant) -> None:
    """Set what was requested meanwhile again.

    Another worker that took this one for dead may have set it already, and our older call may have arrived after it.
    """
    rows = Tenant.objects.filter(pk=tenant.pk, stage=TenantStage.READY)
    newer = rows.exclude(policy=tenant.policy).update(policy_told="")
    newer += rows.exclude(suppression=tenant.suppression).update(suppression_told="")
    if newer:
        queue_policy(tenant)


@transaction.atomic
def _record_applied(tenant: Tenant, request_ids: list[str]) -> None:
    rows = Tenant.objects.filter(pk=tenant.pk, policy=tenant.policy).exclude(policy_told=tenant.policy)
    fields = {"policy_told": tenant.policy, "updated_at": timezone.now()}
    if not rows.update(**fields, ses_policy=tenant.policy, read_problem=UNREAD):
        _repeat_newer(tenant)
        return
    audit_services.record(
        "tenant.policy_told",
        about=tenant_subject(tenant),
        actor=None,
        before={"policy": tenant.ses_policy},
        after={"policy": tenant.policy},
        aws_request_ids=request_ids,
        for_staff=True,
    )
