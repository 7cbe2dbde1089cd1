"""A tenant in answers. Customers see where theirs stands; what staff note and Amazon measures is for staff."""

from datetime import date, datetime
from typing import Any

from pydantic import Field

from inbound_admin.lib.api import Out, given
from tenants.core import customer_words, tenant_words
from tenants.core.standing import Layer
from tenants.models import StatusChange, Tenant, TenantResource


class ForStaffOut(Out):
    """Rates are fractions; null is "not known", which is not 0. Amazon's words are as they came."""

    amazon_id: str | None
    arn: str | None
    adopted: bool
    policy: str
    amazon_policy: str | None
    configuration_set: str
    is_paused: bool = Field(description="What staff want; `standing` says what is so")
    pause_reason: str | None
    pause_text: str | None
    pause_review_on: date | None
    staff_status: str | None
    staff_cause: str | None
    amazon_status: str | None
    amazon_cause: str | None
    aggregate: str | None
    impact: str | None
    bounce_rate: float | None
    complaint_rate: float | None
    open_high: int
    open_low: int
    risk: int
    read_at: datetime | None
    problems: list[str] = Field(description="Why Amazon is not as wanted or could not be asked; empty: nothing known")


class TenantOut(Out):
    id: str
    customer_id: str
    customer_name: str
    name: str
    region: str
    stage: str
    standing: str = Field(description="active, pausing, paused, resuming, suspended or unknown")
    standing_since: datetime
    sentence: str
    told: str | None = Field(description="What the customer is told while the sending is off")
    stops_receiving: bool
    sends_since: datetime | None = Field(description="Since when the customer's sends name the tenant")
    created_at: datetime
    updated_at: datetime
    for_staff: ForStaffOut | None = Field(None, description="For staff alone")


class LayerOut(Out):
    """`allows` null: not known."""

    name: str
    title: str
    status: str
    cause: str
    since: datetime | None
    lifted_by: str
    allows: bool | None


class TenantOne(TenantOut):
    layers: list[LayerOut] | None = Field(None, description="For staff alone: where its sending can be off")


class ResourceOut(Out):
    kind: str
    arn: str
    name: str
    wanted: bool
    associated_at: datetime | None
    verified: bool | None
    held_by: str | None
    problem: str | None


class StatusChangeOut(Out):
    layer: str
    old: str
    new: str
    cause: str
    since: datetime | None
    seen_at: datetime


def tenant_fields(tenant: Tenant, *, staff: bool) -> dict[str, Any]:
    """The fields of `TenantOut`, for it and what extends it."""
    banner = customer_words.banner_of(
        tenant.customer.name, tenant.standing, tenant.pause_told, stops_receiving=tenant.stops_receiving
    )
    return {
        "id": tenant.pk,
        "customer_id": tenant.customer_id,
        "customer_name": tenant.customer.name,
        "name": tenant.name,
        "region": tenant.region,
        "stage": str(tenant.stage),
        "standing": str(tenant.standing),
        "standing_since": tenant.standing_since,
        "sentence": tenant_words.sentence_of(tenant.stage, tenant.standing),
        "told": banner.told if banner else None,
        "stops_receiving": tenant.stops_receiving,
        "sends_since": tenant.sends_since,
        "created_at": tenant.created_at,
        "updated_at": tenant.updated_at,
        **given(for_staff=_for_staff(tenant) if staff else None),
    }


def _for_staff(tenant: Tenant) -> ForStaffOut:
    return ForStaffOut(
        amazon_id=tenant.ses_id or None,
        arn=tenant.arn or None,
        adopted=tenant.adopted,
        policy=str(tenant.policy),
        amazon_policy=tenant.ses_policy or None,
        configuration_set=tenant.configuration_set,
        is_paused=tenant.is_paused,
        pause_reason=tenant.pause_reason or None,
        pause_text=tenant.pause_text or None,
        pause_review_on=tenant.pause_review_on,
        staff_status=tenant.staff_status or None,
        staff_cause=tenant.staff_cause or None,
        amazon_status=tenant.amazon_status or None,
        amazon_cause=tenant.amazon_cause or None,
        aggregate=tenant.aggregate or None,
        impact=tenant.impact or None,
        bounce_rate=tenant.bounce_rate,
        complaint_rate=tenant.complaint_rate,
        open_high=tenant.open_high,
        open_low=tenant.open_low,
        risk=tenant.risk,
        read_at=tenant.read_at,
        problems=[each for each in (tenant.stage_problem, tenant.status_problem, tenant.read_problem) if each],
    )


def layer_out(layer: Layer) -> LayerOut:
    title = tenant_words.LAYERS[layer.name][0] if layer.name in tenant_words.LAYERS else str(layer.name)
    return LayerOut(
        name=str(layer.name),
        title=title,
        status=layer.status,
        cause=layer.cause,
        since=layer.since,
        lifted_by=layer.lifted_by,
        allows=layer.allows,
    )


def resource_out(row: TenantResource) -> ResourceOut:
    return ResourceOut(
        kind=str(row.kind),
        arn=row.arn,
        name=row.name,
        wanted=row.wanted,
        associated_at=row.associated_at,
        verified=row.verified,
        held_by=row.held_by or None,
        problem=row.problem or None,
    )


def status_change_out(row: StatusChange) -> StatusChangeOut:
    return StatusChangeOut(
        layer=str(row.layer), old=row.old, new=row.new, cause=row.cause, since=row.since, seen_at=row.seen_at
    )
