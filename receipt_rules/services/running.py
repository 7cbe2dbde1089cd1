"""A run is carried out: one call a step, each recorded before the next, so that it may die anywhere.

The worker holds the lock of the rules (see `queue`). What a step touches must stand as it did when the plan was
approved, or as the step leaves it: then an answer was lost, and the step is done. Anything else stops the run.
"""

from django.db import transaction
from django.utils import timezone

from changes import services as changes
from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsProblem, Refused
from receipt_rules.core.rules import RuleSet
from receipt_rules.core.stored import load
from receipt_rules.models import UNFINISHED, Run, RunState, RunStep, StepState
from receipt_rules.services import reading, warning
from receipt_rules.services.queue import work_soon
from receipt_rules.services.sending import MAY_SETTLE, MOST_TRIES, explained, passes_by_itself
from receipt_rules.services.stepping import Stepping, Stopped
from receipt_rules.services.subjects import rule_set_subject
from tenants.models import User


def carry_out(*, run_id: str, active: RuleSet | None = None) -> RuleSet | None:
    """Carry a run on from where it is. `active` is the active set where it has just been read.

    Returns the active set as read at the end, None where the run ended otherwise. Raises AwsProblem where to wait.
    """
    run = _begin(run_id)
    if run is None:
        return None
    try:
        stepping = Stepping(run, active)
        _make_steps(run, stepping)
        after, differs = stepping.read_back()
    except Stopped as stopped:
        _end(run, RunState.REFUSED, str(stopped))
    except _Cancelled:
        _end(run, RunState.CANCELLED, "")
    except AwsProblem as problem:
        _refused_by_amazon(run, problem)
    else:
        _finish(run, stepping, after, differs)
        return after
    return None


def cancel(*, run: Run, actor: User) -> None:
    """It stops before its next step; what is done stays. Raises Refused when it is over, or for want of the right."""
    if not actor.has_perm("receipt_rules.operate_rules"):
        raise Refused("Runs are stopped by operators.", code="NOT_ALLOWED")
    with transaction.atomic():
        asked = Run.objects.filter(pk=run.pk, state__in=UNFINISHED).update(
            cancelled_by=actor, cancelled_at=timezone.now()
        )
        if not asked:
            raise Refused("It is over already.", code="RUN_OVER")
        work_soon()


class _Cancelled(Exception):
    """A person asked to stop between two steps."""


def _begin(run_id: str) -> Run | None:
    with transaction.atomic():
        run = Run.objects.select_for_update(of=("self",)).filter(pk=run_id, state__in=UNFINISHED).first()
        if run is not None:
            run.state = RunState.RUNNING
            run.save(update_fields=("state",))
    return run


def _make_steps(run: Run, stepping: Stepping) -> None:
    if run.started_at is None:
        stepping.refuse_changed()
        stepping.refuse_without_holder()
        run.started_at = timezone.now()
        run.save(update_fields=("started_at",))
        stepping.keep_before()
    for row in run.steps.filter(state=StepState.TO_DO):
        if Run.objects.filter(pk=run.pk, cancelled_at__isnull=False).exists():
            raise _Cancelled
        with aws.recording() as request_ids:
            made = stepping.make(load(row.step))
        RunStep.objects.filter(pk=row.pk).update(
            state=StepState.DONE, found_done=not made, request_ids=request_ids, done_at=timezone.now()
        )
        Run.objects.filter(pk=run.pk).update(tries=0, problem="")


def _refused_by_amazon(run: Run, problem: AwsProblem) -> None:
    """Wait where waiting helps, and say so; otherwise the run is over, with what to repair."""
    settles = problem.aws_code in MAY_SETTLE and run.tries + 1 < MOST_TRIES
    if passes_by_itself(problem) or settles:
        Run.objects.filter(pk=run.pk).update(problem=problem.in_full, tries=run.tries + settles)
        raise problem
    _end(run, RunState.FAILED, explained(problem))


def _finish(run: Run, stepping: Stepping, after: RuleSet, differs: tuple[str, ...]) -> None:
    problem = f"Somebody else changed {', '.join(differs)} meanwhile. Look at the differences." if differs else ""
    with transaction.atomic():
        stepping.keep_after(after)
        reading.note_what_is_live(after, run.customer_id or "")
        _end(run, RunState.DONE, problem)


@transaction.atomic
def _end(run: Run, state: RunState, problem: str) -> None:
    """The end and its line in the log are one: whoever repeats it after a crash finds both or neither."""
    locked = Run.objects.select_for_update(of=("self",)).filter(pk=run.pk, state=RunState.RUNNING).first()
    if locked is None:
        return
    locked.state, locked.problem, locked.ended_at = state, problem, timezone.now()
    locked.save(update_fields=("state", "problem", "ended_at"))
    done = [step for step in locked.steps.all() if step.state == StepState.DONE]
    changes.record(
        "rules.applied" if state == RunState.DONE else f"rules.{state}",
        about=rule_set_subject(_name_of(locked), locked.customer_id or ""),
        actor=locked.cancelled_by if state == RunState.CANCELLED else locked.approved_by,
        because=locked.because or problem,
        after={"run": locked.pk, "summary": locked.summary, "steps_done": len(done)},
        aws_request_ids=[request_id for step in done for request_id in step.request_ids],
        for_staff=not locked.customer_id,
    )
    if state in (RunState.DONE, RunState.FAILED):
        warning.tell_of_run(failed=state == RunState.FAILED, why=problem)


def _name_of(run: Run) -> str:
    last = run.steps.last()
    return str(load(last.step).rule_set) if last else ""
