"""API operations that preview, request and end a pause of a tenant's sending."""

from typing import Annotated, Literal

from django.http import HttpRequest
from ninja import Query, Status
from pydantic import Field

from accounts.api_keys.api import call_router, caller, reads, writes
from inbound_admin.lib.api.schemas import Accepted, Blank, Day, In, Out, QueryIn, Text
from operations.pause import services
from tenants.lifecycle.api import accepted, staff_tenant

router = call_router("Tenants")
WAIT = "`standing` shows when SES has confirmed it."
Reason = Literal["spam", "phishing", "bounces", "complaints", "compromised", "payment", "legal", "other"]


class PausePreviewQuery(QueryIn):
    stops_receiving: bool = Field(False, description="Whether receiving stops too")


class StopsOut(Out):
    name: str
    domain_id: Blank
    can_send: bool


class SharedSetOut(Out):
    name: str
    others: list[str]


class ReceivingOut(Out):
    """Changes to the receipt rules when receiving stops too. Send the digest with the pause."""

    digest: str
    summary: str
    steps: list[str]


class PausePreviewOut(Out):
    tenant_id: str
    outcome: str
    changes_anything: bool
    stops: list[StopsOut]
    through_tenant: bool = Field(
        description="False: the customer's sends don't name the tenant, so a pause stops nothing"
    )
    shared_sets: list[SharedSetOut]
    goes_on: list[str]
    sent_in_a_day: int | None
    receiving: ReceivingOut | None
    receiving_problem: Blank


class PauseWanted(In):
    """`text` is for staff, `told` for the customer. `receivingDigest`: from the preview, if receiving stops too."""

    reason: Reason
    text: Text
    told: Annotated[Text, Field(min_length=1)]
    review_on: Day | None = None
    stops_receiving: bool = False
    receiving_digest: Text = ""


class ResumeWanted(In):
    because: Text


@router.get("/v2/tenants/{tenant_id}/pause", **reads(PausePreviewOut, staff=True), summary="Preview a pause")
def preview_pause(
    request: HttpRequest, tenant_id: str, query: Annotated[PausePreviewQuery, Query()]
) -> PausePreviewOut:
    """Return what a pause of this tenant would stop. Nothing is changed.

    From stored data. With `stopsReceiving=true` the live receipt rules are read from SES, and `receiving.digest` is
    to be sent with the pause.
    """
    found = services.preview(tenant=staff_tenant(request, tenant_id), stops_receiving=query.stops_receiving)
    plan = found.receiving
    return PausePreviewOut.of(
        found,
        tenant_id=found.tenant.pk,
        stops=[StopsOut.of(each) for each in found.stops],
        shared_sets=[SharedSetOut.of(each) for each in found.shared_sets],
        receiving=ReceivingOut.of(plan, steps=[str(step) for step in plan.steps]) if plan else None,
    )


@router.post(
    "/v2/tenants/{tenant_id}/pause", **writes(Accepted, status=202, staff=True), summary="Pause sending of a tenant"
)
def pause_tenant(request: HttpRequest, tenant_id: str, asked: PauseWanted) -> Status[Accepted]:
    """Pause a customer's sending, and its receiving if asked.

    `told` is shown to the customer, `text` to staff. Returns 202 with `statusUrl`; mail may still be sent until
    `standing` is `paused`; for a tenant that AWS suspends, until `forStaff.staffStatus` is `DISABLED`. Refused: 422
    `PAUSED_ALREADY`, `TENANT_DELETING`, 409 `PLAN_CHANGED` if the receiving plan has changed since the preview.
    """
    tenant = staff_tenant(request, tenant_id)
    services.pause(
        tenant=tenant,
        reason=asked.reason,
        text=asked.text,
        told=asked.told,
        review_on=asked.review_on,
        stops_receiving=asked.stops_receiving,
        receiving_digest=asked.receiving_digest,
        actor=caller(request),
    )
    return accepted(tenant, f"Pause requested. {WAIT}")


@router.post(
    "/v2/tenants/{tenant_id}/resume", **writes(Accepted, status=202, staff=True), summary="Resume sending of a tenant"
)
def resume_tenant(request: HttpRequest, tenant_id: str, asked: ResumeWanted) -> Status[Accepted]:
    """Resume a paused customer's sending, and its receiving if the pause stopped it.

    Returns 202 with `statusUrl`. Refused: 422 `NOT_PAUSED`, or `SUSPENDED_BY_AMAZON` if only AWS
    suspends the tenant. A pause of ours ends also while AWS suspends it, and the suspension stays.
    """
    tenant = staff_tenant(request, tenant_id)
    services.resume(tenant=tenant, because=asked.because, actor=caller(request))
    return accepted(tenant, f"Resume requested. {WAIT}")
