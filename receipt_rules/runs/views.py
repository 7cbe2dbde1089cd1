"""Pages of approved plans: their progress, their outcome, and the states to roll back to."""

from dataclasses import asdict
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from inbound_admin.lib import jobs
from inbound_admin.lib.errors import AwsProblem, Problem, Refused
from inbound_admin.lib.fields import AS_TYPED, BecauseForm
from inbound_admin.lib.http import SignedIn, page_of, redirect_page, report_outcome, template
from receipt_rules.jobs import WORK, seconds_needed
from receipt_rules.live.selectors import last_read
from receipt_rules.live.views import require_staff, text_value
from receipt_rules.models.runs import Run, RunState
from receipt_rules.plan_drafts import services as plan_drafts_services
from receipt_rules.plan_drafts.services import Approval, Draft
from receipt_rules.planner.core.consequences import conditional
from receipt_rules.planner.core.plans import Method
from receipt_rules.planner.selectors import stopped_customers
from receipt_rules.planner.services import PlanRequest, approve, run_in_progress
from receipt_rules.rollback import services as rollback_services
from receipt_rules.rollback.services import holds, holds_in_force
from receipt_rules.runs import selectors as runs_selectors
from receipt_rules.runs import services as runs_services
from receipt_rules.runs.selectors import aftermath, may_operate, may_see_rules, snapshots, steps_done, steps_of

STEPS_PER_PAGE = 100
MOST_SHOWN = 100  # sentences about the impact
POLL_SECONDS = 2
LIST_POLL_SECONDS = 5


@require_GET
def list_(request: SignedIn) -> HttpResponse:
    require_staff(request)
    page = page_of(runs_selectors.runs(), request)
    is_over = all(run.is_over for run in page.object_list)
    context = {"page": page, "tab": "runs", "poll_seconds": None if is_over else LIST_POLL_SECONDS}
    return TemplateResponse(request, template(request, "receipt_rules/runs/runs.html", "runs"), context)


@require_GET
def detail(request: SignedIn, run_id: str) -> HttpResponse:
    run = _run_for(request, run_id)
    return TemplateResponse(request, template(request, "receipt_rules/runs/run.html", "live"), _context(run, request))


def _run_for(request: SignedIn, run_id: str) -> Run:
    """Return the run for staff; 404 for a customer, as if it didn't exist."""
    found = runs_selectors.runs() if may_see_rules(request.user) else runs_selectors.runs().none()
    return get_object_or_404(found, pk=run_id)


def _context(run: Run, request: SignedIn) -> dict[str, Any]:
    steps = page_of(steps_of(run), request, STEPS_PER_PAGE)
    done, total = steps_done(run), steps.paginator.count
    return {
        "run": run,
        "tab": "runs",
        "steps": steps,
        "done": done,
        "total": total,
        "seconds_left": 0 if run.is_over else jobs.seconds_left(task=WORK, calls=total - done + 1),
        "poll_seconds": None if run.is_over else POLL_SECONDS,
        "may_operate": may_operate(request.user),
        "may_confirm": run.state == RunState.PROPOSED and run.approved_by_id != request.user.pk,
        "after": (after := aftermath(run)),
        "is_undone": after is not None and after.is_untouched,
        "planned": conditional(run.summary) if after else run.summary,
        "impact": [conditional(each) if after else each for each in run.consequences[:MOST_SHOWN]],
        "more_impact": max(0, len(run.consequences) - MOST_SHOWN),
        "plan_again": plan_again(run) if after else "",
        "later": _later(run) if run.state == RunState.FAILED else None,
        "minutes_waited": _minutes_waited(run),
    }


def plan_again(run: Run) -> str:
    """The address of a new plan for what this run was asked for."""
    asked = {"snapshot": run.asked.get("snapshot"), "only": run.asked.get("domain") or run.asked.get("customer")}
    given = urlencode({name: value for name, value in asked.items() if value})
    return f"{reverse('receipt_rules:plan')}{'?' if given else ''}{given}"


def _later(run: Run) -> Run | None:
    """Return the first completed run after a failed one."""
    found = runs_selectors.runs().filter(region=run.region, state=RunState.DONE, created_at__gt=run.created_at)
    return found.order_by("created_at").first()


def _minutes_waited(run: Run) -> int:
    """Return the age of the plan when its first step was applied, or its age now if it hasn't started."""
    begun = run.started_at or (run.ended_at if run.is_over else timezone.now())
    return int((begun - run.created_at).total_seconds() // 60) if begun else 0


@require_POST
def cancel(request: SignedIn, run_id: str) -> HttpResponse:
    run = _run_for(request, run_id)
    require_staff(request, operates=True)
    success = "Stopping before the next step. Completed steps are kept."
    with report_outcome(request, success, refused=messages.info):
        runs_services.cancel(run=run, actor=request.user)
    return redirect("receipt_rules:run", run.id)


@require_POST
def confirm(request: SignedIn, run_id: str) -> HttpResponse:
    run = _run_for(request, run_id)
    require_staff(request, operates=True)
    with report_outcome(request, "Run approved. It is starting now.", refused=messages.info):
        runs_services.confirm(run=run, actor=request.user)
    return redirect("receipt_rules:run", run.id)


@require_GET
def states(request: SignedIn) -> HttpResponse:
    require_staff(request)
    context = {"states": list(snapshots()), "tab": "states"}
    return TemplateResponse(request, "receipt_rules/runs/states.html", context)


# The plan page: shows changes to SES receipt rules, approved by digest with a reason.


class ApproveForm(forms.Form):
    digest = forms.CharField(widget=forms.HiddenInput)
    because = forms.CharField(label="Reason", max_length=2000, widget=forms.Textarea(attrs={"rows": 2}))
    typed = forms.CharField(label="Rule set name", max_length=64, required=False, widget=forms.TextInput(AS_TYPED))


PLAN_OPTIONS = ("method", "take_over", "compacting", "snapshot", "old_style", "instead_of", "only")


@require_http_methods(["GET", "POST"])
def plan(request: SignedIn) -> HttpResponse:
    require_staff(request, operates=request.method == "POST")
    if request.POST.get("do") == "release":
        return _release(request)
    data = request.POST if request.method == "POST" else request.GET
    form = ApproveForm(request.POST if request.method == "POST" else None)
    plan_request, only = read_plan_request(data), text_value(data, "only")
    context: dict[str, Any] = {"tab": "plan", "form": form, "may_operate": may_operate(request.user)}
    context |= {"same_plan": _query(data).urlencode(), "asked": plan_request, "only": only}
    context |= {"run_in_progress": run_in_progress(), "held": holds_in_force(stopped=stopped_customers())}
    answer = _by_worker if plan_drafts_services.is_large() else _at_once
    found = answer(request, form, plan_request, only)
    if isinstance(found, HttpResponse):
        return found
    context |= found
    if shown := found.get("plan"):
        context["seconds"] = seconds_needed(shown.calls)
    status = 422 if form.errors else context.pop("status", 200)
    page = template(request, "receipt_rules/planner/plan.html", "live")
    is_part = page.endswith("#live")  # htmx shows no part that comes with an error's status
    return TemplateResponse(request, page, context, status=200 if is_part else status)


def _at_once(
    request: SignedIn, form: ApproveForm, plan_request: PlanRequest, only: str
) -> dict[str, Any] | HttpResponse:
    try:
        plan_request = plan_drafts_services.limit_request(plan_request, only)
        if request.method == "POST" and form.is_valid() and (done := _approved(request, form, plan_request)):
            return done
        return plan_drafts_services.plan_page_context(plan_request)
    except (Refused, AwsProblem) as problem:
        return _refused(problem) | {"was_approval": request.method == "POST"}


def _refused(problem: Problem) -> dict[str, Any]:
    if isinstance(problem, AwsProblem):
        return {"problem": problem, "as_read": last_read(), "status": problem.status}
    return {"refused": problem, "status": problem.status}


def _by_worker(
    request: SignedIn, form: ApproveForm, plan_request: PlanRequest, only: str
) -> dict[str, Any] | HttpResponse:
    """Return the plan or the approval as a draft: the page polls until the worker has created it."""
    draft = plan_drafts_services.read_draft(text_value(request.GET, "draft"))
    if request.method == "POST" and form.is_valid():
        approval = Approval(**form.cleaned_data, actor=request.user.pk)
        draft = plan_drafts_services.create_draft(request=plan_request, only=only, approval=approval)
        return redirect_page(request, _here(request.POST, draft))
    if draft is None:
        draft = plan_drafts_services.create_draft(request=plan_request, only=only)
    if draft.run:
        _say_whose(request, get_object_or_404(Run, pk=draft.run))
        return redirect_page(request, reverse("receipt_rules:run", args=[draft.run]))
    if draft.refused:
        again = {"form": ApproveForm(initial=asdict(draft.approval))} if draft.approval else {}
        return _refused(draft.refused) | again | {"was_approval": draft.approval is not None}
    if draft.is_made:
        return draft.shown
    plan_drafts_services.queue_draft(draft=draft)
    here = _here(request.POST if request.method == "POST" else request.GET, draft)
    return {"waits_for": draft, "here": here, "poll_seconds": POLL_SECONDS}


def _here(data: QueryDict, draft: Draft) -> str:
    """Return the URL of this draft, with the options of its plan."""
    query = _query(data)
    query["draft"] = draft.id
    return f"{reverse('receipt_rules:plan')}?{query.urlencode()}"


def _query(data: QueryDict) -> QueryDict:
    """Return the options of the plan."""
    query = QueryDict(mutable=True)
    for name in PLAN_OPTIONS:
        if values := data.getlist(name):
            query.setlist(name, values)
    return query


def _release(request: SignedIn) -> HttpResponse:
    asked, form = text_value(request.POST, "hold"), BecauseForm(request.POST)
    hold = get_object_or_404(holds(), pk=asked if asked.isdecimal() else None)
    with report_outcome(request, "Rollback released. The plan shows what would change now."):
        rollback_services.release(hold=hold, because=form.because_text, actor=request.user)
    return redirect("receipt_rules:plan")


def _approved(request: SignedIn, form: ApproveForm, plan_request: PlanRequest) -> HttpResponse | None:
    try:
        run = approve(**form.cleaned_data, actor=request.user, request=plan_request)
    except Refused as refused:
        form.add_error("typed" if refused.code == "TYPE_TO_CONFIRM" else None, str(refused))
        return None
    _say_whose(request, run)
    return redirect("receipt_rules:run", run.id)


def _say_whose(request: SignedIn, run: Run) -> None:
    """Of two people who approve the same plan, tell the second that the first's approval counts."""
    if run.approved_by_id != request.user.pk:
        already = f"{run.approved_by or 'The system'} already approved this plan."
        messages.info(request, f"{already} Your approval and your reason weren’t recorded.")


def read_plan_request(data: QueryDict) -> PlanRequest:
    """Return the options from the query; unknown values are ignored."""
    method = data.get("method", "")
    return PlanRequest(
        method=Method(method) if method in list(Method) else Method.AUTO,
        take_over=frozenset(data.getlist("take_over")),
        compacting=data.get("compacting") == "1",
        snapshot=text_value(data, "snapshot"),
        old_style=data.get("old_style") == "1",
        instead_of=text_value(data, "instead_of"),
    )
