"""Pages of approved plans: their progress, their outcome, and the states to roll back to."""

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from inbound_admin.lib import jobs
from inbound_admin.lib.http import SignedIn, page_of, report_outcome, template
from receipt_rules.jobs import WORK
from receipt_rules.live.views import require_staff
from receipt_rules.models.runs import Run, RunState
from receipt_rules.planner.core.consequences import conditional
from receipt_rules.runs import selectors as runs_selectors
from receipt_rules.runs import services
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
        services.cancel(run=run, actor=request.user)
    return redirect("receipt_rules:run", run.id)


@require_POST
def confirm(request: SignedIn, run_id: str) -> HttpResponse:
    run = _run_for(request, run_id)
    require_staff(request, operates=True)
    with report_outcome(request, "Run approved. It is starting now.", refused=messages.info):
        services.confirm(run=run, actor=request.user)
    return redirect("receipt_rules:run", run.id)


@require_GET
def states(request: SignedIn) -> HttpResponse:
    require_staff(request)
    context = {"states": list(snapshots()), "tab": "states"}
    return TemplateResponse(request, "receipt_rules/runs/states.html", context)
