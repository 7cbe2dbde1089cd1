"""Executes runs. Each outcome is stored before the next call, so the process may die at any time.

The worker holds the rules' lock (`receipt_rules.jobs.LOCK`).
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.models.people import User
from audit import services as audit_services
from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsProblem, Refused
from receipt_rules.addresses import services as addresses_services
from receipt_rules.alerts import services as alerts_services
from receipt_rules.jobs import is_urgent_work_waiting, queue_drift_check, queue_work
from receipt_rules.live import services as live_services
from receipt_rules.models.runs import OPEN, UNFINISHED, RulesCheck, Run, RunKind, RunState, RunStep, StepState
from receipt_rules.planner import services as planner_services
from receipt_rules.planner.core.consequences import summary
from receipt_rules.planner.core.plans import MOST_SENTENCES, load
from receipt_rules.planner.core.rules import RuleSet
from receipt_rules.planner.core.steps import Activate, Step, rule_steps
from receipt_rules.receiving import services as receiving_services
from receipt_rules.refusals import services as refusals_services
from receipt_rules.run_executor.services import RunExecutor, RunStopped, explain, is_transient
from receipt_rules.run_rest.services import plan_within_approval, replan_after_others
from receipt_rules.runs.selectors import is_change_deferred, rule_set_subject

MAY_SETTLE = (
    "InvalidS3Configuration",
    "InvalidLambdaFunction",
    "InvalidSnsTopic",
)  # AWS applies a new policy with a delay
MOST_TRIES = 4
YieldsTo = Callable[[RuleSet, Callable[[], Sequence[Step]]], bool]


def execute_run(*, run_id: str, active: RuleSet | None = None, yields_to: YieldsTo | None = None) -> RuleSet | None:
    """Start or continue a run. `active`: the active set, if it was just read.

    `yields_to` is asked before each further step of a run in place, with the live rules and the steps that are left:
    if it returns True, the run waits, and its next execution continues it. Returns the active set as read at the end;
    None if the run ended otherwise or waits. Raises AwsProblem to wait and retry.
    """
    run = _begin(run_id)
    if run is None:
        return None
    try:
        executor = RunExecutor(run, active)
        _start_or_continue(run, executor)
        _execute_steps(run, executor, yields_to)
        after, differs = executor.read_back()
    except RunStopped as stopped:
        _end(run, RunState.REFUSED, str(stopped))
    except RuleMustStay as stays:
        _replan_rest(run, executor, stays)
    except _Cancelled:
        _end(run, RunState.CANCELLED, "")
    except _Yielded:
        return None
    except AwsProblem as problem:
        _handle_aws_problem(run, problem)
    else:
        _finish(run, executor, after, differs)
        return after
    return None


def cancel(*, run: Run, actor: User) -> None:
    """Stop the run before its next step; completed steps stay.

    Raises Refused if it has ended, or without permission.
    """
    if not actor.has_perm("receipt_rules.operate_rules"):
        raise Refused("Only operators can stop runs.", code="NOT_ALLOWED")
    with transaction.atomic():
        open_ = Run.objects.filter(pk=run.pk, state__in=OPEN)
        if not open_.update(cancelled_by=actor, cancelled_at=timezone.now()):
            raise Refused("The run has already ended.", code="RUN_OVER")
        _end(run, RunState.CANCELLED, "", only=RunState.PROPOSED)  # the worker ends one that it has
        queue_work()


def confirm(*, run: Run, actor: User) -> None:
    """Store the second approval. Raises Refused for the first approver, without permission, or if none is needed."""
    if not actor.has_perm("receipt_rules.operate_rules"):
        raise Refused("Only operators can approve plans.", code="NOT_ALLOWED")
    if run.approved_by_id == actor.pk:
        raise Refused("You have already approved this run. Another operator must approve it too.", code="SECOND_PERSON")
    with transaction.atomic():
        proposed = Run.objects.filter(pk=run.pk, state=RunState.PROPOSED)
        if not proposed.update(state=RunState.WAITING, confirmed_by=actor):
            raise Refused("The run isn't waiting for a second approval.", code="RUN_OVER")
        audit_services.record(
            "rules.confirmed",
            about=rule_set_subject(_name_of(run), run.customer_id or ""),
            actor=actor,
            because=run.because,
            after={"run": run.pk, "summary": run.summary},
            for_staff=True,
        )
        queue_work()


STUCK_AFTER = timedelta(minutes=15)  # many times the duration of a step at the shared rate limit


@transaction.atomic
def unlock(*, run: Run, because: str, actor: User, bulk_id: str) -> None:
    """End a stuck run, so that others can start. Completed steps stay.

    The next plan reads SES, so it sees a late call of the old worker. A worker that is still alive stops before its
    next step. Raises Refused if the run has ended or made progress lately, without a reason, or without permission.
    """
    if not actor.has_perm("receipt_rules.operate_rules"):
        raise Refused("Only operators can end runs.", code="NOT_ALLOWED")
    if not because.strip():
        raise Refused("Enter a reason for ending the run.", code="REASON_MISSING")
    locked = Run.objects.select_for_update(of=("self",)).filter(pk=run.pk, state__in=UNFINISHED).first()
    if locked is None:
        raise Refused("The run has already ended.", code="RUN_OVER")
    if _last_progress_at(locked) > timezone.now() - STUCK_AFTER:
        raise Refused(
            f"The run made progress less than {STUCK_AFTER.seconds // 60} minutes ago, so it isn't stuck. Stop "
            "it instead.",
            code="RUN_MOVES",
        )
    _end_stuck(locked, because.strip(), actor, bulk_id)
    queue_drift_check()  # whether its last step was made is known from SES alone
    queue_work()


def _last_progress_at(run: Run) -> datetime:
    """Return when the run last completed a step, or when it started."""
    done = run.steps.exclude(done_at=None).order_by("-done_at").values_list("done_at", flat=True).first()
    return max(moment for moment in (run.created_at, run.started_at, done) if moment is not None)


def _end_stuck(locked: Run, because: str, actor: User, bulk_id: str) -> None:
    before = locked.state
    done, steps = locked.steps.filter(state=StepState.DONE).count(), locked.steps.count()
    locked.state, locked.ended_at = RunState.FAILED, timezone.now()
    locked.cancelled_by, locked.cancelled_at = actor, locked.ended_at
    locked.problem = f"Ended manually after {done} of {steps} steps: {because} Create a new plan for the rest."
    locked.save(update_fields=("state", "ended_at", "cancelled_by", "cancelled_at", "problem"))
    audit_services.record(
        "rules.unlocked",
        about=rule_set_subject(_name_of(locked), locked.customer_id or ""),
        actor=actor,
        because=because,
        before={"run": locked.pk, "state": before},
        after={"run": locked.pk, "state": locked.state, "steps_done": done},
        bulk_id=bulk_id,
        for_staff=True,
    )


class _Cancelled(Exception):
    """A person asked to stop between two steps."""


class _Yielded(Exception):
    """Urgent work waits for the rules' lock, or a small change goes first; the run continues after it."""


def delete_probe_sets() -> None:
    """Delete what a search for refused recipients left behind if its run was ended meanwhile. Raises AwsProblem."""
    rows = Run.objects.filter(region=settings.AWS_REGION, state__in=UNFINISHED)
    refusals_services.delete_stale_probe_sets(of_unfinished=list(rows.values_list("pk", flat=True)))


def is_activation_pending() -> bool:
    """Return whether a running run ends by activating another rule set."""
    running = Run.objects.filter(region=settings.AWS_REGION, state=RunState.RUNNING)
    return any(isinstance(load(row.step), Activate) for run in running for row in run.steps.all())


def _begin(run_id: str) -> Run | None:
    """Return the run, now running; None if it has ended. One that yielded to it, or waits for SES, is queued again."""
    with transaction.atomic():
        run = Run.objects.select_for_update(of=("self",)).filter(pk=run_id, state__in=UNFINISHED).first()
        if run is not None:
            others = Run.objects.filter(region=run.region, state=RunState.RUNNING).exclude(pk=run.pk)
            others.update(state=RunState.WAITING)
            run.state = RunState.RUNNING
            run.save(update_fields=("state",))
    return run


def _start_or_continue(run: Run, executor: RunExecutor) -> None:
    executor.check_transfers()
    if run.started_at is not None:
        replan_after_others(run, executor)
        return
    executor.check_unchanged()
    executor.check_holders()
    executor.check_stops(list(rule_steps(executor.steps)))
    executor.check_harm()
    _check_second_approval(run, executor.changed_recipients())
    run.started_at, run.started_from = timezone.now(), executor.store_initial_snapshot()
    run.save(update_fields=("started_at", "started_from"))


def _check_second_approval(run: Run, recipients: frozenset[str]) -> None:
    """A plan may have waited for days, and what customers changed since is applied. Raises RunStopped, AwsProblem.

    The steps must be exactly those of a plan made now, for everything asked or for these recipients only: what else has
    changed waits for another plan.
    """
    if run.confirmed_by_id is None:
        return
    asked = planner_services.request_of(run)
    try:
        plans = map(planner_services.plan_changes, (asked, replace(asked, scope=recipients)))
        is_same = any(each.digest == run.digest for each in plans)
    except Refused as refused:
        raise RunStopped(f"{refused} Create a new plan.") from None
    if not is_same:
        raise RunStopped(
            "Addresses have changed since the first approval: the plan would be different now. Create a new plan."
        )


def _execute_steps(run: Run, executor: RunExecutor, yields_to: YieldsTo | None) -> None:
    while (row := run.steps.filter(state=StepState.TO_DO).first()) is not None:
        now = Run.objects.only("state", "cancelled_at").get(pk=run.pk)
        if now.cancelled_at is not None:
            raise _Cancelled
        if now.state != RunState.RUNNING or (executor.activation is None and is_urgent_work_waiting()):
            raise _Yielded
        if yields_to and _may_yield(run, executor) and yields_to(executor.live(), executor.steps_left):
            raise _Yielded
        step = load(row.step)
        executor.check_stops([step])
        if isinstance(step, Activate):
            executor.check_transfers()
        try:
            with aws.recording() as request_ids:
                made = executor.execute_step(step)
        except AwsProblem as problem:
            _record_refused(executor, executor.find_refused(step, problem), problem)
            continue
        _record_step(row, executor.changed_by(step), found_done=not made, request_ids=request_ids)


def _may_yield(run: Run, executor: RunExecutor) -> bool:
    """Return whether what is left can be planned again: a clone can't, and a compaction would end as it is."""
    return executor.activation is None and not run.asked.get("compacting")


def _record_step(
    row: RunStep, changed: tuple[RuleSet, frozenset[str]] | None, *, found_done: bool, request_ids: list[str]
) -> None:
    """The step's outcome and what it means for mail are one: pages never show an address as it was before the step."""
    done = {"state": StepState.DONE, "found_done": found_done, "request_ids": request_ids, "done_at": timezone.now()}
    with transaction.atomic():
        RunStep.objects.filter(pk=row.pk).update(**done)
        Run.objects.filter(pk=row.run_id).update(tries=0, problem="")
        if changed is not None:
            receiving_services.record_step(*changed)


def _record_refused(executor: RunExecutor, refused: frozenset[str], problem: AwsProblem) -> None:
    """Store the refusals in the rows and continue without them. Raises the problem again if no recipient caused it.

    Raises RuleMustStay for a recipient that receives mail: its rule must stay unchanged.
    """
    if not refused:
        raise problem
    receiving = executor.receiving_among(refused)
    with transaction.atomic():
        news = {each for each in sorted(refused) if _store_refusal(each, is_receiving=each in receiving)}
        if not receiving:
            executor.skip_recipients(refused)
    if receiving and not receiving & news:
        raise problem
    if receiving:
        raise RuleMustStay(receiving)


def _store_refusal(recipient: str, *, is_receiving: bool) -> bool:
    goes_on = " now. It receives mail as before." if is_receiving else "."
    return addresses_services.record_refused(
        recipient=recipient, because=f"Amazon SES refuses {recipient} in a rule{goes_on}"
    )


class RuleMustStay(Exception):
    """SES refuses a recipient that receives mail: its rule must stay unchanged, and the rest is planned around it."""

    def __init__(self, refused: frozenset[str]) -> None:
        self.refused = refused
        named = ", ".join(sorted(refused))
        super().__init__(f"SES now refuses {named} in a rule, and it receives mail. That rule stays unchanged.")


def _replan_rest(run: Run, executor: RunExecutor, stays: RuleMustStay) -> None:
    """End this run. Another run applies the rest, if it does no more than was approved.

    A customer's own change, or a transfer, is planned again by whoever started this run.
    """
    made, rest = None, "The rest is being planned again."
    if run.kind in (RunKind.APPROVED, RunKind.ROLLBACK) and not run.customer_id:
        made, request = plan_within_approval(run, executor)
        rest = "Create a new plan for the rest." if made is None else "Nothing else needed to change."
    with transaction.atomic():
        if made is not None and not made.is_empty:
            kind = RunKind(run.kind)
            other = planner_services.store_run(made, request, kind=kind, actor=run.approved_by, because=run.because)
            rest = f"Run {other.pk} applies the rest."
        if made is not None and (number := len(made.waiting)):
            rest = f"{number:,} change{' waits' if number == 1 else 's wait'} for it. {rest}"
        _end(run, RunState.REFUSED, f"{stays} {rest}")
        queue_drift_check()  # for the alert
        queue_work()


def _handle_aws_problem(run: Run, problem: AwsProblem) -> None:
    """Store the problem and raise it again if waiting helps; otherwise the run fails, with what to fix."""
    settles = problem.aws_code in MAY_SETTLE and run.tries + 1 < MOST_TRIES
    if is_transient(problem) or settles:
        Run.objects.filter(pk=run.pk).update(problem=problem.in_full, tries=run.tries + settles)
        raise problem
    _end(run, RunState.FAILED, explain(problem))


def _finish(run: Run, executor: RunExecutor, after: RuleSet, differs: tuple[str, ...]) -> None:
    sentences = [f"SES refused {', '.join(run.set_aside)}. The rest was applied."] if run.set_aside else []
    sentences += [f"Someone else changed {', '.join(differs)} in the meantime. Review the drift."] if differs else []
    meant = executor.outcome(after)
    if meant is not None:
        run.outcome, run.consequences = summary(meant), [each.sentence for each in meant[:MOST_SENTENCES]]
    with transaction.atomic():
        executor.store_final_snapshot(after)
        customers = frozenset([run.customer_id]) if run.customer_id else None
        receiving_services.record_live_rules(after, is_ours=True, customers=customers)
        if RulesCheck.objects.filter(region=settings.AWS_REGION).exclude(differences=[]).exists():
            queue_drift_check()  # the run may have resolved differences
        alerts_services.update_active_set_alert(live_services.record_active_set(after, now=timezone.now()))
        Run.objects.filter(pk=run.pk).update(outcome=run.outcome, consequences=run.consequences)
        _end(run, RunState.DONE, " ".join(sentences))


@transaction.atomic
def _end(run: Run, state: RunState, problem: str, *, only: RunState = RunState.RUNNING) -> None:
    """Store the end, if the run is in the state `only`, and its log entry together: after a crash, both or neither."""
    locked = Run.objects.select_for_update(of=("self",)).filter(pk=run.pk, state=only).first()
    if locked is None:
        return
    locked.state, locked.problem, locked.ended_at = state, problem, timezone.now()
    locked.save(update_fields=("state", "problem", "ended_at"))
    done = [step for step in locked.steps.all() if step.state == StepState.DONE]
    audit_services.record(
        "rules.applied" if state == RunState.DONE else f"rules.{state}",
        about=rule_set_subject(_name_of(locked), locked.customer_id or ""),
        actor=locked.cancelled_by if state == RunState.CANCELLED else locked.approved_by,
        because=locked.because or problem,
        after={"run": locked.pk, "summary": locked.summary, "steps_done": len(done)},
        aws_request_ids=[request_id for step in done for request_id in step.request_ids],
        for_staff=not locked.customer_id,
    )
    if state != RunState.DONE and locked.started_at:
        queue_drift_check()  # whether its last step was made is known from SES alone
    if state in (RunState.DONE, RunState.FAILED):
        is_open = state == RunState.DONE and is_change_deferred(locked.customer)
        if not is_open:
            failed = state == RunState.FAILED
            alerts_services.update_run_alert(failed=failed, why=problem, customer=locked.customer)


def _name_of(run: Run) -> str:
    last = run.steps.last()
    return str(load(last.step).rule_set) if last else ""
