"""API operations for staff on plans of receipt rule changes, their approval by digest, and runs."""

from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Query, Status
from pydantic import Field

from accounts.api_keys.api import call_router, reads, writes
from inbound_admin.lib import slow_work
from inbound_admin.lib.api.schemas import Accepted, Blank, In, Out, Page, Paged, QueryIn, Text, page_of
from receipt_rules.api import rules_viewer
from receipt_rules.jobs import seconds_needed
from receipt_rules.models.runs import Run
from receipt_rules.plan_drafts import services as plan_drafts_services
from receipt_rules.planner.core.plans import Method
from receipt_rules.planner.services import (
    EVERYTHING,
    PlanRequest,
    approve,
    build_plan_request,
    plan_changes,
    run_in_progress,
)
from receipt_rules.runs import selectors as runs_selectors
from receipt_rules.runs import services as runs_services
from receipt_rules.runs.selectors import snapshots, steps_of

router = call_router("Receipt rules")
MethodName = Literal["auto", "in_place", "blue_green"]


class PlanQuery(QueryIn):
    method: MethodName = Field("auto", description="In place, in a copy of the rule set, or whichever is safe")
    compacting: bool = Field(False, description="Merge rules that are partly empty")
    state: Text = Field("", description="ID of the state to roll back to")
    only: Text = Field("", description="Domain name, customer ID or customer name to limit the plan to")
    take_over: Annotated[list[Text], Field(max_length=200)] = Field(
        default_factory=list, description="Names of unmanaged rules that the plan takes over"
    )
    old_style: bool = Field(False, description="Take over every unmanaged rule whose recipients all exist here")
    instead_of: Text = Field("", description="Another program's active rule set that ours replaces")


class PlanAsked(PlanQuery):
    draft: Text = Field("", description="ID of a plan that is being made, from `statusUrl`")


class PlanApproved(In):
    """The options of the plan, and its digest. `typed`: the rule set's name, if `needsTyping`."""

    digest: Text
    because: Text
    typed: Text = ""
    method: MethodName = "auto"
    compacting: bool = False
    state: Text = ""
    only: Text = ""
    take_over: Annotated[list[Text], Field(max_length=200)] = Field(default_factory=list)
    old_style: bool = False
    instead_of: Text = ""


class ConsequenceOut(Out):
    address: str
    fate: str
    sentence: str


class ImpactOut(Out):
    """How many of the addresses that are `served` now are affected. `needsTyping` follows from it."""

    served: int
    stop: int
    change_place: int
    stored_twice: int
    also_bounced: int = Field(description="Delivered, and also returned to the senders by a Bounce action")
    to_strangers: int
    other_customers: int


class PlanOut(Out):
    digest: str
    method: str
    rule_set: str
    is_empty: bool
    needs_typing: bool
    calls: int
    seconds: float
    summary: str
    steps: list[str]
    more_steps: int
    consequences: list[ConsequenceOut] = Field(description="Most severe first")
    more_consequences: int
    warnings: list[str]
    untouched: list[str] = Field(
        description="Rules that stay unchanged, because SES now refuses a recipient that receives mail"
    )
    waiting: list[str] = Field(description="Recipients whose change is pending because of such a rule")
    more_waiting: int
    impact: ImpactOut
    still_broken: list[str] = Field(description="Expectations that already fail; they don't block the plan")
    under_way: str | None = Field(description="ID of the run in progress; plans can't be approved until it ends")
    breaks: list[str] = Field(description="Expectations that this plan would break; if any, it can't be approved")


class RunOut(Out):
    id: str
    kind: str
    state: str
    summary: str
    outcome: Blank = Field(description="Impact on mail, as read from SES after the run")
    set_aside: list[str] = Field(description="Recipients that SES refused and the run skipped")
    problem: Blank
    because: str
    customer_id: str | None
    calls: int
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    cancelled_at: datetime | None
    is_over: bool


class RunStepOut(Out):
    number: int
    sentence: str
    state: str
    found_done: bool = Field(description="Already applied, because a response was lost")
    request_ids: list[str]
    done_at: datetime | None


class RunOne(RunOut):
    consequences: list[str]
    steps: list[RunStepOut]


class StateOut(Out):
    id: str
    rule_set: str
    at: datetime
    rules: int
    recipients: int
    run_id: str | None


PLANNED = reads(PlanOut, staff=True)
PLANNED["response"] = {202: Accepted, **PLANNED["response"]}


@router.get("/v2/receipt-rules/plan", **PLANNED, summary="Plan a change of the receipt rules")
def get_rule_plan(request: HttpRequest, query: Annotated[PlanAsked, Query()]) -> PlanOut | Status[Accepted]:
    """Read the live rules from SES and return the changes that would apply the desired state.

    Nothing is changed. Approve the plan with its `digest` and the same options. `state` plans a rollback, `only`
    limits the plan to one domain or customer. 422 `NOT_KNOWN` or `SNAPSHOT_MISSING` for options that name nothing.
    With more than 2,000 addresses, the worker makes the plan: 202, and `statusUrl` returns 202 until it is made.
    """
    rules_viewer(request)
    if not plan_drafts_services.is_large():
        asked = _asked(query)
        return _plan(plan_drafts_services.plan_values(plan_changes(asked), asked))
    draft = plan_drafts_services.api_draft(draft_id=query.draft, request=_options(query), only=query.only)
    if draft.refused is not None:
        raise draft.refused
    if draft.is_made:
        return _plan(draft.shown)
    options = query.model_dump(by_alias=True, exclude_defaults=True) | {"draft": draft.id}
    here = f"{request.path}?{urlencode(options, doseq=True)}"
    return Status(202, Accepted(id=draft.id, status_url=here, message="The plan is being made. Get it in a moment."))


@router.post("/v2/receipt-rules/plan", **writes(Accepted, status=202, staff=True), summary="Approve a plan")
def approve_rule_plan(request: HttpRequest, asked: PlanApproved) -> Status[Accepted]:
    """Approve a plan by its digest. The worker carries it out.

    Returns 202 with the `statusUrl` of the run. 409 `PLAN_CHANGED` if the plan made now has another digest: get it
    again. Refused: 422 `NOTHING_TO_DO`, `RUN_UNDER_WAY`, `EXPECTATION_BROKEN`, `TYPE_TO_CONFIRM` if `typed` must be
    the rule set's name, 403 for staff who aren't operators.
    """
    actor = rules_viewer(request)
    with slow_work.slot():  # it plans again, so that a refusal is the response
        run = approve(digest=asked.digest, because=asked.because, typed=asked.typed, request=_asked(asked), actor=actor)
    return Status(202, Accepted(id=run.pk, status_url=_address(run), message=run.summary))


@router.get("/v2/receipt-rules/runs", **reads(Page[RunOut], staff=True), summary="List runs")
def list_rule_runs(request: HttpRequest, query: Annotated[Paged, Query()]) -> Page[RunOut]:
    """Return the runs that changed receipt rules, newest first."""
    rules_viewer(request)
    rows, pagination = page_of(runs_selectors.runs(), query)
    return Page[RunOut](data=[RunOut.of(row) for row in rows], pagination=pagination)


@router.get("/v2/receipt-rules/runs/{run_id}", **reads(RunOne, staff=True), summary="Get a run")
def get_rule_run(request: HttpRequest, run_id: str) -> RunOne:
    """Return one run with its steps and its impact on mail."""
    rules_viewer(request)
    return _run(get_object_or_404(runs_selectors.runs(), pk=run_id))


@router.post("/v2/receipt-rules/runs/{run_id}/cancel", **writes(RunOne, staff=True), summary="Stop a run")
def cancel_rule_run(request: HttpRequest, run_id: str) -> RunOne:
    """Stop a run before its next step. Completed steps stay.

    422 `RUN_OVER` if it has ended.
    """
    actor = rules_viewer(request)
    runs_services.cancel(run=get_object_or_404(runs_selectors.runs(), pk=run_id), actor=actor)
    return _run(get_object_or_404(runs_selectors.runs(), pk=run_id))


@router.post(
    "/v2/receipt-rules/runs/{run_id}/confirm",
    **writes(RunOne, staff=True),
    summary="Approve a run as the second person",
)
def confirm_rule_run(request: HttpRequest, run_id: str) -> RunOne:
    """Give a run the second approval that the settings require.

    422 `SECOND_PERSON` if you gave the first one, `RUN_OVER` if the run doesn't wait for it.
    """
    actor = rules_viewer(request)
    runs_services.confirm(run=get_object_or_404(runs_selectors.runs(), pk=run_id), actor=actor)
    return _run(get_object_or_404(runs_selectors.runs(), pk=run_id))


@router.get("/v2/receipt-rules/states", **reads(Page[StateOut], staff=True), summary="List states to roll back to")
def list_rule_states(request: HttpRequest, query: Annotated[Paged, Query()]) -> Page[StateOut]:
    """Return the stored states of the receipt rules, newest first.

    To roll back, get the plan with `state` and approve it.
    """
    rules_viewer(request)
    rows, pagination = page_of(snapshots(), query)
    return Page[StateOut](data=[StateOut.of(row, rule_set=row.name) for row in rows], pagination=pagination)


def _asked(given: PlanQuery | PlanApproved) -> PlanRequest:
    """Return the same request for a query and a body, so that an approval matches the plan that was shown."""
    limited = build_plan_request(given.only) if given.only else PlanRequest()
    return _options(given, limited)


def _options(given: PlanQuery | PlanApproved, limited: PlanRequest = EVERYTHING) -> PlanRequest:
    return replace(
        limited,
        method=Method(given.method),
        compacting=given.compacting,
        snapshot=given.state,
        take_over=frozenset(given.take_over),
        old_style=given.old_style,
        instead_of=given.instead_of,
    )


def _address(run: Run) -> str:
    return f"/api/v2/receipt-rules/runs/{run.pk}"


def _plan(values: dict[str, Any]) -> PlanOut:
    run = run_in_progress()
    return PlanOut(
        **values
        | {"consequences": [ConsequenceOut(**each) for each in values["consequences"]]}
        | {"impact": ImpactOut(**values["impact"])},
        seconds=seconds_needed(values["calls"]),
        under_way=run.pk if run else None,
    )


def _run(run: Run) -> RunOne:
    steps = [RunStepOut.of(row) for row in steps_of(run)]
    return RunOne.of(run, consequences=[str(each) for each in run.consequences], steps=steps)
