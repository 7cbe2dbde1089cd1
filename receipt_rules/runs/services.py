"""Executes a run: one SES call per step, each recorded before the next, so the process may die anywhere.

The worker holds the lock of the rules (`receipt_rules.jobs.LOCK`). What a step touches must be as it was when the plan
was approved, or as the step leaves it: then an answer was lost and the step is done. Anything else stops the run.
`RunExecutor` keeps what is known of each rule set on the way.
"""

from dataclasses import replace

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.models.people import User
from audit import services as audit_services
from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsBusy, AwsConflict, AwsDenied, AwsProblem, AwsUnreachable, Refused
from receipt_rules.addresses.selectors import Holders, holder_of, rule_set_subject
from receipt_rules.alerts import services as alerts_services
from receipt_rules.jobs import urgent_work_waits, work_soon
from receipt_rules.live import gateway as live_gateway
from receipt_rules.live import selectors as live_selectors
from receipt_rules.live import services as live_services
from receipt_rules.models.runs import UNFINISHED, OwnRuleSet, Run, RunKind, RunState, RunStep, StepState
from receipt_rules.planner.core.planner import known_after
from receipt_rules.planner.core.plans import load, touched_digest
from receipt_rules.planner.core.rules import RuleSet, domain_of
from receipt_rules.planner.core.steps import (
    Activate,
    CloneSet,
    Create,
    CreateSet,
    Delete,
    Move,
    Reorder,
    RuleSetState,
    RuleStep,
    Step,
    Update,
    apply,
    rule_steps,
    standing,
)

REPAIRS = {
    "InvalidS3Configuration": "Amazon cannot write to the bucket. It must exist, and its policy must let SES put "
    "objects into it: the receiving set-up check shows the policy.",
    "InvalidLambdaFunction": "Amazon cannot call the function. It must exist in this region, and its permissions must "
    "let SES invoke it: the receiving set-up check shows how.",
    "InvalidSnsTopic": "Amazon cannot publish to the topic. It must exist in this region, and its policy must let SES "
    "publish to it.",
    "LimitExceeded": "A limit of Amazon's is reached. Compact the rules, or delete rule sets that nobody needs.",
}
MAY_SETTLE = ("InvalidS3Configuration", "InvalidLambdaFunction", "InvalidSnsTopic")  # a policy takes time to arrive
MOST_TRIES = 4


def apply_step(step: RuleStep) -> None:
    """Raises AwsProblem."""
    match step:
        case Create():
            live_gateway.create_rule(step.rule_set, step.new, after=step.after)
        case Update():
            live_gateway.update_rule(step.rule_set, step.new)
        case Delete():
            live_gateway.delete_rule(step.rule_set, step.old.name)
        case Move():
            live_gateway.set_rule_position(step.rule_set, step.rule.name, after=step.after)
        case Reorder():
            live_gateway.reorder_rule_set(step.rule_set, step.new)


def passes_by_itself(problem: AwsProblem) -> bool:
    """Whether to wait and ask again, for ever: Amazon throttles or is away."""
    return isinstance(problem, AwsBusy | AwsUnreachable)


def may_have_been_done(problem: AwsProblem) -> bool:
    """Whether the call may have been carried out all the same, an earlier attempt of botocore's included."""
    return not isinstance(problem, AwsBusy | AwsDenied) and problem.aws_code not in REPAIRS


def explained(problem: AwsProblem) -> str:
    return f"{problem.in_full} {REPAIRS.get(problem.aws_code, '')}".strip()


class Stopped(Exception):
    """What a step touches is not as it was approved. The text is for people."""


class RunExecutor:
    """Reads the active set unless it is given. Raises Stopped where another set than the plan's is active."""

    def __init__(self, run: Run, active: RuleSet | None) -> None:
        self.run = run
        self.steps: list[Step] = [load(row.step) for row in run.steps.all()]
        self.activation = next((step for step in self.steps if isinstance(step, Activate)), None)
        self.target = self.steps[-1].rule_set
        self._known: dict[str, RuleSet] = {}
        self._active = active or live_gateway.describe_active_rule_set()
        if self._active is not None:
            self._known[self._active.name] = self._active
        self._refuse_active(self._active)

    @property
    def _planned_for(self) -> str:
        """The name of the set that the plan was made for."""
        replaced = self.activation.instead_of if self.activation else ""
        return replaced or self.target

    def refuse_changed(self) -> None:
        """Before the first step. Raises Stopped."""
        fresh = any(isinstance(step, CreateSet) and step.rule_set == self._planned_for for step in self.steps)
        live = RuleSet(self._planned_for) if fresh else self._state(self._planned_for)
        if touched_digest(self.steps, live) != self.run.touched:
            raise Stopped("The rules that this plan changes have changed since it was approved. Plan again.")

    def refuse_without_holder(self) -> None:
        """Before the first step: a domain may have been deleted since the plan was made. Raises Stopped."""
        staying = Holders.read_staying()
        for recipient in sorted(self._added()):
            name = domain_of(recipient)
            if not staying.customer_of(name) and (self._is_going(name) or self.run.kind != RunKind.ROLLBACK):
                raise Stopped(f"{name} is deleted, or being deleted, and may receive nothing new. Plan again.")

    def _added(self) -> set[str]:
        steps = rule_steps(self.steps)
        created = {each for step in steps if isinstance(step, Create) for each in step.new.recipients}
        return created | {each for step in steps if isinstance(step, Update) for each in step.added}

    @staticmethod
    def _is_going(name: str) -> bool:
        return holder_of(name) is not None

    def keep_before(self) -> None:
        """To roll back to. What others have changed until then stays a difference."""
        if self._active is not None:
            live_services.store_snapshot(self._active, known=live_selectors.known_rules())

    def keep_after(self, after: RuleSet) -> None:
        known = live_selectors.known_rules()
        live_services.store_snapshot(after, self.run, known=known and known_after(known, after, self.steps))

    def make(self, step: Step) -> bool:
        """False when it stood already. Raises Stopped and AwsProblem."""
        match step:
            case CreateSet():
                return self._create_set(step)
            case CloneSet():
                return self._clone_set(step)
            case Activate():
                return self._activate(step)
        return self._make_rule_step(step)

    def read_back(self) -> tuple[RuleSet, tuple[str, ...]]:
        """The active set at the end, and the names of touched rules that are not as we left them."""
        after = live_gateway.describe_active_rule_set()
        if after is None or after.name != self.target:
            raise Stopped(f"The rule set {self.target} is not the active one any more. Somebody else has changed that.")
        expected = self._known.get(self.target, after).by_name
        touched = {name for step in rule_steps(self.steps) for name in _names(step)}
        return after, tuple(sorted(name for name in touched if after.by_name.get(name) != expected.get(name)))

    def _state(self, name: str) -> RuleSet:
        if name not in self._known:
            self._known[name] = live_gateway.describe_rule_set(name)
        return self._known[name]

    def _refuse_active(self, active: RuleSet | None) -> None:
        """Only the set that the plan starts from, or the one that it ends with, may be active."""
        name = "" if active is None else active.name
        allowed = {self.target}
        if self.activation is not None:
            allowed.add(self.activation.instead_of)
        if name not in allowed:
            found = f"The rule set {name} is active" if name else "No rule set is active"
            raise Stopped(
                f"{found} now, not {self._planned_for}: somebody else has changed that. Nothing was activated."
            )

    def _make_rule_step(self, step: RuleStep) -> bool:
        live = self._state(step.rule_set)
        stands = standing(step, live)
        if stands is RuleSetState.CHANGED:
            raise Stopped(f"Somebody else has changed what this step touches: {step} Plan again.")
        if stands is RuleSetState.DONE:
            return False
        try:
            apply_step(step)
        except AwsProblem as problem:
            if not may_have_been_done(problem) or not self._stands_after_all(step):
                raise
            return False
        self._known[step.rule_set] = apply(step, live)
        return True

    def _stands_after_all(self, step: RuleStep) -> bool:
        """After a failure that tells nothing, or "exists already": botocore may have sent the call twice."""
        del self._known[step.rule_set]
        return standing(step, self._state(step.rule_set)) is RuleSetState.DONE

    def _create_set(self, step: CreateSet) -> bool:
        try:
            live_gateway.create_rule_set(step.rule_set)
        except AwsConflict:
            if self._state(step.rule_set).rules:
                raise Stopped(f"There is a rule set {step.rule_set} already, with rules in it. Plan again.") from None
            return False
        self._known[step.rule_set] = RuleSet(step.rule_set)
        return True

    def _clone_set(self, step: CloneSet) -> bool:
        source = self._state(step.source)
        try:
            live_gateway.clone_rule_set(step.source, step.rule_set)
        except AwsConflict:
            if self._state(step.rule_set).rules != source.rules:
                raise Stopped(f"There is another rule set {step.rule_set} already. Plan again.") from None
            return False
        self._known[step.rule_set] = replace(source, name=step.rule_set)
        return True

    def _activate(self, step: Activate) -> bool:
        """SES replaces the active set silently, so it is read once more, and so is what takes its place."""
        active = live_gateway.describe_active_rule_set()
        self._refuse_active(active)
        if active is not None and active.name == step.rule_set:
            return False
        if active is not None:
            self._refuse_other_copy(step, active)
        OwnRuleSet.objects.get_or_create(
            region=settings.AWS_REGION, name=step.rule_set, defaults={"by": self.run.approved_by}
        )
        live_gateway.set_active_rule_set(step.rule_set)
        return True

    def _refuse_other_copy(self, step: Activate, active: RuleSet) -> None:
        if touched_digest(self.steps, active) != self.run.touched:
            raise Stopped(
                "The active rules have changed while the copy was made. The copy was not activated. Plan again."
            )
        is_copy = any(isinstance(other, CloneSet) for other in self.steps)
        wanted = RuleSet(step.rule_set, active.rules if is_copy else ())
        for rule_step in rule_steps(self.steps):
            wanted = apply(rule_step, wanted)
        if live_gateway.describe_rule_set(step.rule_set).rules != wanted.rules:
            raise Stopped(f"The copy {step.rule_set} is not as it was planned. It was not activated. Plan again.")


def _names(step: RuleStep) -> tuple[str, ...]:
    """Of the rules whose content the step changes; an order may be changed by others and harms nobody."""
    match step:
        case Create() | Update():
            return (step.new.name,)
        case Delete():
            return (step.old.name,)
    return ()


def carry_out(*, run_id: str, active: RuleSet | None = None) -> RuleSet | None:
    """Carry a run on from where it is. `active` is the active set where it has just been read.

    Returns the active set as read at the end, None where the run ended otherwise. Raises AwsProblem where to wait.
    """
    run = _begin(run_id)
    if run is None:
        return None
    try:
        executor = RunExecutor(run, active)
        _make_steps(run, executor)
        after, differs = executor.read_back()
    except Stopped as stopped:
        _end(run, RunState.REFUSED, str(stopped))
    except _Cancelled:
        _end(run, RunState.CANCELLED, "")
    except _Yielded:
        return None
    except AwsProblem as problem:
        _refused_by_amazon(run, problem)
    else:
        _finish(run, executor, after, differs)
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


class _Yielded(Exception):
    """Something urgent waits for the rules' lock; the run goes on after it."""


def is_copying() -> bool:
    """Whether a run is under way that ends by activating another rule set."""
    running = Run.objects.filter(region=settings.AWS_REGION, state=RunState.RUNNING)
    return any(isinstance(load(row.step), Activate) for run in running for row in run.steps.all())


def _begin(run_id: str) -> Run | None:
    with transaction.atomic():
        run = Run.objects.select_for_update(of=("self",)).filter(pk=run_id, state__in=UNFINISHED).first()
        if run is not None:
            run.state = RunState.RUNNING
            run.save(update_fields=("state",))
    return run


def _make_steps(run: Run, executor: RunExecutor) -> None:
    if run.started_at is None:
        executor.refuse_changed()
        executor.refuse_without_holder()
        run.started_at = timezone.now()
        run.save(update_fields=("started_at",))
        executor.keep_before()
    for row in run.steps.filter(state=StepState.TO_DO):
        if Run.objects.filter(pk=run.pk, cancelled_at__isnull=False).exists():
            raise _Cancelled
        if executor.activation is None and urgent_work_waits():
            raise _Yielded
        with aws.recording() as request_ids:
            made = executor.make(load(row.step))
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


def _finish(run: Run, executor: RunExecutor, after: RuleSet, differs: tuple[str, ...]) -> None:
    problem = f"Somebody else changed {', '.join(differs)} meanwhile. Look at the differences." if differs else ""
    with transaction.atomic():
        executor.keep_after(after)
        live_services.note_what_is_live(after, run.customer_id or "")
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
    audit_services.record(
        "rules.applied" if state == RunState.DONE else f"rules.{state}",
        about=rule_set_subject(_name_of(locked), locked.customer_id or ""),
        actor=locked.cancelled_by if state == RunState.CANCELLED else locked.approved_by,
        because=locked.because or problem,
        after={"run": locked.pk, "summary": locked.summary, "steps_done": len(done)},
        aws_request_ids=[request_id for step in done for request_id in step.request_ids],
        for_staff=not locked.customer_id,
    )
    if state in (RunState.DONE, RunState.FAILED):
        alerts_services.tell_of_run(failed=state == RunState.FAILED, why=problem)


def _name_of(run: Run) -> str:
    last = run.steps.last()
    return str(load(last.step).rule_set) if last else ""
