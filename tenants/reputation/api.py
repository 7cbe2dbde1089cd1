"""API operations on the reputation of a tenant or of the AWS account, for staff."""

from datetime import datetime, timedelta
from typing import Annotated, Literal

from django.http import HttpRequest
from django.utils import timezone
from ninja import Query, Status
from pydantic import Field

from accounts.api_keys.api import call_router, caller, reads, writes
from inbound_admin.lib.api.schemas import Accepted, Blank, Out, Page, Paged, QueryIn, page_of
from inbound_admin.lib.errors import NotAllowed
from tenants.lifecycle import selectors as lifecycle_selectors
from tenants.lifecycle.api import accepted, staff_tenant
from tenants.models.reputation import Finding, ReputationRead
from tenants.models.tenants import SesAccount, Tenant
from tenants.reputation import selectors
from tenants.reputation.core import words_for
from tenants.status import services as status_services

router = call_router("Tenants")
LONGEST_DAYS = 30


class DaysQuery(QueryIn):
    days: Annotated[int, Field(ge=1, le=LONGEST_DAYS, description="How many days back")] = 7


class HourOut(Out):
    """Rates are fractions; null means no data."""

    at: datetime
    bounce_rate: float | None
    complaint_rate: float | None
    sent: float | None


class ReadOut(Out):
    """Time of the last successful read; a problem says why a later read failed."""

    rates_at: datetime | None
    rates_problem: Blank
    rates_source: Blank = Field(
        description=(
            "Which CloudWatch metrics exist for the tenant: counts, rates, configuration_set (its rates) or none"
        )
    )
    unmeasured_because: Blank = Field(description="Why mail was sent without metrics; null if it is measured")
    findings_at: datetime | None
    findings_problem: Blank


class ReasonOut(Out):
    points: int
    sentence: str


class ReputationOut(Out):
    days: int
    hours: list[HourOut] = Field(description="Oldest first; hours without data are left out")
    sent: float | None
    read: ReadOut
    risk: int | None
    reasons: list[ReasonOut]


class AccountStateOut(Out):
    """SESv2 GetAccount, by the last read. Null: not read."""

    stopped: bool | None = Field(description="Sending is stopped for the whole AWS account and every customer")
    enforcement: Blank
    sends: bool | None
    since: datetime | None
    read_at: datetime | None
    problem: Blank = Field(description="Why it couldn't be read since")


class AccountReputationOut(ReputationOut):
    state: AccountStateOut


class FindingOut(Out):
    kind: str
    impact: str
    status: str
    title: str
    means: str
    to_do: str
    text: str = Field(description="As SES returns it")
    opened_at: datetime
    changed_at: datetime | None
    over_at: datetime | None


class FindingFilters(Paged):
    state: Literal["open", "over", "all"] = Field("open", description="over: ended")


@router.get(
    "/v2/tenants/{tenant_id}/reputation", **reads(ReputationOut, staff=True), summary="Get the reputation of a tenant"
)
def get_tenant_reputation(request: HttpRequest, tenant_id: str, query: Annotated[DaysQuery, Query()]) -> ReputationOut:
    """Return bounce rate, complaint rate and number of messages by hour, and the risk with its reasons.

    From stored data. `read` says when it was last read from AWS, and why a later read failed.
    """
    return _reputation(staff_tenant(request, tenant_id), query.days)


@router.post(
    "/v2/tenants/{tenant_id}/reputation",
    **writes(Accepted, status=202, staff=True),
    summary="Read the reputation of a tenant again",
)
def refresh_tenant_reputation(request: HttpRequest, tenant_id: str) -> Status[Accepted]:
    """Read status, findings and rates of a tenant from AWS.

    Returns 202 with `statusUrl`, which shows the result in a moment. 429 more than once every 30 seconds per
    tenant.
    """
    tenant = staff_tenant(request, tenant_id)
    status_services.refresh(tenant=tenant)
    return accepted(tenant, "Reading from SES. The tenant shows the result in a moment.")


@router.get(
    "/v2/tenants/{tenant_id}/findings", **reads(Page[FindingOut], staff=True), summary="List the findings of a tenant"
)
def list_tenant_findings(
    request: HttpRequest, tenant_id: str, query: Annotated[FindingFilters, Query()]
) -> Page[FindingOut]:
    """Return the reputation findings of SES: what each means and what to do.

    `state` chooses open ones (the default), ended ones or all.
    """
    rows, pagination = page_of(selectors.findings_of(staff_tenant(request, tenant_id), query.state), query)
    return Page[FindingOut](data=[_finding(row) for row in rows], pagination=pagination)


@router.get(
    "/v2/account/reputation", **reads(AccountReputationOut, staff=True), summary="Get the reputation of the account"
)
def get_account_reputation(request: HttpRequest, query: Annotated[DaysQuery, Query()]) -> AccountReputationOut:
    """Return the rates of the whole AWS account by hour, and whether it can send, from stored data.

    403 `NOT_ALLOWED` for staff who can't see tenants.
    """
    if not lifecycle_selectors.sees_tenants(caller(request)):
        raise NotAllowed("Only staff who can see tenants can read the account's reputation.")
    return AccountReputationOut(**dict(_reputation(None, query.days)), state=_account_state())


def _account_state() -> AccountStateOut:
    found = selectors.account_here() or SesAccount()
    if found.read_at is None:
        fields = ("stopped", "enforcement", "sends", "since", "read_at")
        return AccountStateOut(**dict.fromkeys(fields), problem=found.problem)
    return AccountStateOut.of(found, stopped=found.is_stopped)


def _reputation(tenant: Tenant | None, days: int) -> ReputationOut:
    hours = selectors.hours_of(tenant, since=timezone.now() - timedelta(days=days))
    sent = [hour.sent for hour in hours if hour.sent is not None]
    risk = selectors.risk_now(tenant) if tenant else None
    return ReputationOut(
        days=days,
        hours=[HourOut.of(hour, bounce_rate=hour.bounce, complaint_rate=hour.complaint) for hour in hours],
        sent=sum(sent) if sent else None,
        read=ReadOut.of(selectors.read_of(tenant) or ReputationRead()),
        risk=risk.points if risk else None,
        reasons=[ReasonOut.of(each) for each in risk.reasons] if risk else [],
    )


def _finding(row: Finding) -> FindingOut:
    words = words_for(row.kind)
    return FindingOut.of(row, title=words.title, means=words.means, to_do=words.todo)
