"""API operations on differences between SES and the database, for staff."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from django.db.models import QuerySet
from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Query, Status
from pydantic import Field

from accounts.api_keys.api import call_router, caller, reads, writes
from accounts.models.people import Customer, User
from accounts.people.selectors import customers_for
from inbound_admin.lib.api.schemas import Accepted, Blank, In, Out, Page, Paged, Text, page_of
from inbound_admin.lib.errors import Malformed, NotAllowed, Refused
from operations.drift import services
from operations.drift.core import TENANTS_AREA, Decision
from operations.drift.selectors import differences, differences_shown, last_check
from operations.models import Difference
from operations.tenant_migration.selectors import may_migrate, may_see

router = call_router("Drift")
MOST_DECIDED = 200


class DifferenceOut(Out):
    id: str
    area: str
    kind: str
    subject: str
    place: str
    customer_id: str | None
    sentence: str
    wanted: dict[str, Any]
    found: dict[str, Any]
    may_adopt: bool
    may_restore: bool
    decision: Blank
    because: str
    decided_by: str | None
    decided_at: datetime | None
    problem: Blank
    first_seen_at: datetime
    last_seen_at: datetime


class LookOut(Out):
    """`problem`: why SES could not be read. The differences are then those of the check before."""

    at: datetime | None
    asked_at: datetime | None
    calls: int
    tenants: int | None
    problem: Blank


class DifferencePage(Page[DifferenceOut]):
    look: LookOut | None


class DifferenceFilters(Paged):
    show: Literal["open", "decided", "ignored"] = Field("open", description="Their state")


class DecisionTaken(In):
    """adopt: accept from SES (an unmanaged tenant goes to `customerId`). restore: set in SES. ignore: keep both."""

    decision: Literal["adopt", "restore", "ignore"]
    because: Text
    customer_id: Text | None = None


class DecisionsTaken(DecisionTaken):
    """The differences with these IDs, or the first open ones of an area and kind."""

    ids: Annotated[list[Text], Field(max_length=MOST_DECIDED)] = Field(default_factory=list)
    area: Text = ""
    kind: Text = ""


class DecidedOut(Out):
    id: str
    subject: str
    problem: str | None = Field(description="Why it could not be resolved; null if it was")


class DecisionsOut(Out):
    decided: int
    remaining: int = Field(description="Open differences left of this area and kind")
    data: list[DecidedOut]


@router.get("/v2/drift", **reads(DifferencePage, staff=True), summary="List drift")
def list_differences(request: HttpRequest, query: Annotated[DifferenceFilters, Query()]) -> DifferencePage:
    """Return the differences between SES and the database that the last check found.

    `look` has the time of that check, and why a later one failed.
    """
    _viewer(request)
    rows, pagination = page_of(differences_shown(query.show).order_by("area", "subject", "kind", "pk"), query)
    return DifferencePage(data=[_difference(row) for row in rows], pagination=pagination, look=_last_check_out())


@router.post("/v2/drift/look", **writes(Accepted, status=202, staff=True), summary="Check SES now")
def look_for_differences(request: HttpRequest) -> Status[Accepted]:
    """Check SES for differences now.

    Returns 202: the worker reads each tenant with one SES call, and `look` of the list has the new time when it is
    done. 403 for staff who aren't operators.
    """
    if not may_migrate(_viewer(request)):
        raise NotAllowed("Only operators can start a check.")
    services.request_check()
    return Status(202, Accepted(id=TENANTS_AREA, status_url="/api/v2/drift", message="Reading from SES."))


@router.post("/v2/drift/decisions", **writes(DecisionsOut, staff=True), summary="Resolve several differences")
def decide_over_differences(request: HttpRequest, asked: DecisionsTaken) -> DecisionsOut:
    """Resolve up to 200 differences, by ID or by area and kind.

    A refusal doesn't stop the others: `data` has each one's `problem`. 400 `WHICH` without `ids` or `area` and
    `kind`. An identity without a customer needs an import.
    """
    actor = _viewer(request)
    if not asked.ids and not (asked.area and asked.kind):
        raise Malformed("Give ids, or area and kind.", code="WHICH")
    decision = Decision(asked.decision)
    found = _chosen(asked)
    outcomes = services.decide_many(
        found=found[:MOST_DECIDED],
        decision=decision,
        because=asked.because,
        actor=actor,
        customer=_customer(asked.customer_id, actor) if decision is Decision.ADOPT else None,
    )
    return DecisionsOut(
        decided=sum(not each.problem for each in outcomes),
        remaining=_chosen(asked).count(),
        data=[
            DecidedOut(id=each.difference.pk, subject=each.difference.subject, problem=each.problem or None)
            for each in outcomes
        ]
        + [DecidedOut(id=each, subject="", problem=services.NOT_OPEN) for each in _not_open(asked, outcomes)],
    )


@router.get("/v2/drift/{difference_id}", **reads(DifferenceOut, staff=True), summary="Get a difference")
def get_difference(request: HttpRequest, difference_id: str) -> DifferenceOut:
    """Return one difference: what is desired, and what SES has."""
    _viewer(request)
    return _difference(get_object_or_404(differences(), pk=difference_id))


@router.post("/v2/drift/{difference_id}/decision", **writes(DifferenceOut, staff=True), summary="Resolve a difference")
def decide_over_difference(request: HttpRequest, difference_id: str, asked: DecisionTaken) -> DifferenceOut:
    """Adopt what SES has, restore what is desired, or ignore the difference.

    The worker restores it; `problem` has the reason if that fails. Refused: 422 `NOT_POSSIBLE`, `BY_IMPORT`,
    `GONE`, 400 `CUSTOMER_MISSING`.
    """
    actor = _viewer(request)
    row = get_object_or_404(differences(), pk=difference_id)
    decision = Decision(asked.decision)
    customer = _customer(asked.customer_id, actor) if decision is Decision.ADOPT else None
    services.decide(difference=row, decision=decision, because=asked.because, actor=actor, customer=customer)
    row.refresh_from_db()
    return _difference(row)


def _chosen(asked: DecisionsTaken) -> QuerySet[Difference]:
    rows = differences_shown("open").order_by("area", "subject", "kind", "pk")
    return rows.filter(pk__in=asked.ids) if asked.ids else rows.filter(area=asked.area, kind=asked.kind)


def _not_open(asked: DecisionsTaken, outcomes: Sequence[services.DecisionOutcome]) -> list[str]:
    """Return the IDs asked for that name no open difference."""
    known = {each.difference.pk for each in outcomes}
    return [each for each in dict.fromkeys(asked.ids) if each not in known]


def _viewer(request: HttpRequest) -> User:
    viewer = caller(request)
    if not may_see(viewer):
        raise NotAllowed("Only staff can see drift.")
    return viewer


def _customer(customer_id: str | None, viewer: User) -> Customer | None:
    if customer_id is None:
        return None
    found = customers_for(viewer).filter(pk=customer_id).first()
    if found is None:
        raise Refused("No customer has this ID.", code="CUSTOMER_MISSING")
    return found


def _last_check_out() -> LookOut | None:
    row = last_check(TENANTS_AREA)
    return LookOut.of(row) if row else None


def _difference(row: Difference) -> DifferenceOut:
    return DifferenceOut.of(row, decided_by=row.by.email if row.by else None)
