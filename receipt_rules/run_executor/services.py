"""Executes the steps of a run: one SES call per step, compared with the known state of each rule set.

What a step changes must be as approved, or as the step leaves it: then a response was lost and the step is done.
Anything else stops the run.
"""

from collections.abc import Sequence
from dataclasses import replace

from django.conf import settings

from domains.ownership.selectors import Holders, holder_of, moved_since
from inbound_admin.lib.errors import QUOTA_STEP, AwsBusy, AwsConflict, AwsDenied, AwsProblem, AwsUnreachable, Refused
from receipt_rules.live import gateway as live_gateway
from receipt_rules.live import selectors as live_selectors
from receipt_rules.live import services as live_services
from receipt_rules.live.selectors import content_of
from receipt_rules.models.runs import OwnRuleSet, Run, RunKind, Snapshot, StepState
from receipt_rules.planner.core.consequences import HARMFUL, Consequence, consequences
from receipt_rules.planner.core.planner import active_after
from receipt_rules.planner.core.plans import MOST_SENTENCES, digest, dump, known_state_after, load, touched_digest
from receipt_rules.planner.core.rules import RuleSet, domain_of, is_ours
from receipt_rules.planner.core.steps import (
    Activate,
    CloneSet,
    ContentStep,
    Create,
    CreateSet,
    Delete,
    LiveStatus,
    Move,
    Reorder,
    RuleStep,
    Step,
    Update,
    apply,
    live_status,
    rule_steps,
    touched_recipients,
    without_recipients,
)
from receipt_rules.planner.selectors import recipients_of, starting, stop_sentences, stopped_customers
from receipt_rules.refusals import services as refusals_services

REPAIRS = {
    "InvalidS3Configuration": "SES can't write to the bucket. The bucket must exist, and its policy must let SES put "
    "objects. The Setup page shows the policy.",
    "InvalidLambdaFunction": "SES can't invoke the function. The function must exist in this region, and its "
    "permissions must let SES invoke it. The Setup page shows how.",
    "InvalidSnsTopic": "SES can't publish to the topic. The topic must exist in this region, and its policy must "
    "let SES publish.",
    "LimitExceeded": "An SES quota is reached. Compact the rules, or delete unused rule sets.",
}


def apply_step(step: RuleStep) -> None:
    """Make the step's SES call. Raises AwsProblem."""
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


def is_transient(problem: AwsProblem) -> bool:
    """Return whether to wait and retry without limit: AWS throttles or doesn't respond."""
    return isinstance(problem, AwsBusy | AwsUnreachable)


def may_have_succeeded(problem: AwsProblem) -> bool:
    """Return whether the call may have been executed despite the error, also by an earlier attempt of botocore."""
    return not isinstance(problem, AwsBusy | AwsDenied) and problem.aws_code not in REPAIRS


def explain(problem: AwsProblem) -> str:
    """Return the error with one next step.

    SES can't raise receipt rule quotas, so ours replaces AWS's general advice.
    """
    if isinstance(problem, AwsDenied):
        return f"{problem.in_full} Then plan again."
    repair = REPAIRS.get(problem.aws_code, "")
    full = problem.in_full.replace(f" {QUOTA_STEP}", "") if repair else problem.in_full
    return f"{full} {repair}".strip()


class RunStopped(Exception):
    """What a step changes isn't as approved. The text is for people."""


class RunExecutor:
    """Reads the active set unless it is given. Raises RunStopped if another set than the plan's is active."""

    def __init__(self, run: Run, active: RuleSet | None) -> None:
        self.run = run
        self.steps: list[Step] = [load(row.step) for row in run.steps.all()]
        self.activation = next((step for step in self.steps if isinstance(step, Activate)), None)
        self.target = self.steps[-1].rule_set
        self._known: dict[str, RuleSet] = {}
        self._active = active or live_services.read_active()
        if self._active is not None:
            self._known[self._active.name] = self._active
        self._check_active(self._active)

    @property
    def _planned_for(self) -> str:
        """Return the name of the set that the plan was made for."""
        is_copy = self.activation is not None and not self.activation.foreign
        replaced = self.activation.instead_of if self.activation and is_copy else ""
        return replaced or self.target

    def check_unchanged(self) -> None:
        """Check before the first step that the rules to change are as approved. Raises RunStopped."""
        fresh = any(isinstance(step, CreateSet) and step.rule_set == self._planned_for for step in self.steps)
        live = RuleSet(self._planned_for) if fresh else self._state(self._planned_for)
        if touched_digest(self.steps, live) != self.run.touched:
            raise RunStopped("The rules that this plan changes have changed since it was approved. Create a new plan.")

    def check_holders(self) -> None:
        """Check before the first step that no domain was deleted since the plan was made. Raises RunStopped."""
        added = sorted(self._added())
        staying = Holders.read_staying([domain_of(recipient) for recipient in added])
        for recipient in added:
            name = domain_of(recipient)
            if not staying.customer_of(name) and (self._is_being_deleted(name) or self.run.kind != RunKind.ROLLBACK):
                raise RunStopped(
                    f"{name} is deleted or being deleted, so it can't receive new mail. Create a new plan."
                )

    def check_transfers(self) -> None:
        """Check that what isn't in the active set yet names no domain that got another holder since the plan was made.

        The plan has the delivery that the former holder wanted. Raises RunStopped.
        """
        steps = self.steps if self.activation else self.steps_left()
        if name := moved_since(map(domain_of, touched_recipients(steps)), self.run.created_at):
            raise RunStopped(f"{name} has another holder since this plan was made. Create a new plan.")

    def check_stops(self, steps: Sequence[Step]) -> None:
        """Check before these steps that they bring back no mail that Trust & Safety stopped. Raises RunStopped."""
        if not (stopped := stopped_customers()):
            return
        back = frozenset(each for step in steps for each in self._starting(step))
        if out := recipients_of(stopped, back):
            raise RunStopped(f"{next(stop_sentences(out))} Create a new plan.")

    def _starting(self, step: Step) -> frozenset[str]:
        """Return the recipients that the step adds to an enabled rule, or to the active set."""
        match step:
            case Create() | Update():
                return starting(RuleSet("", (step.old,) if step.old else ()), RuleSet("", (step.new,)))
            case Activate():
                return starting(self._active or RuleSet(""), self._state(step.rule_set))
        return frozenset()

    def _added(self) -> set[str]:
        changes = [step for step in self.steps if isinstance(step, Create | Update)]
        return {each for step in changes for each in step.new.recipient_set.difference(step.old_recipients)}

    @staticmethod
    def _is_being_deleted(name: str) -> bool:
        return holder_of(name) is not None

    def store_initial_snapshot(self) -> Snapshot | None:
        """Store the state to roll back to, which the outcome is compared with. Changes by others stay drift."""
        if self._active is None or not live_services.is_own(self._active.name):
            return None
        return live_services.store_snapshot(self._active, known=live_selectors.known_rules())

    def check_harm(self) -> None:
        """Check before the first step that the plan does no more harm than was approved. Raises RunStopped."""
        now = self._active
        if now is None or self._replaces_foreign:
            return
        harms = [each for each in self._consequences(now, active_after(now, self.steps)) if each.kind in HARMFUL]
        approved = set(self.run.consequences)
        if len(approved) < MOST_SENTENCES and (worse := [each for each in harms if each.sentence not in approved]):
            raise RunStopped(
                "SES receipt rules have changed since approval, and the plan would now do more harm: "
                f"{worse[0].sentence} Create a new plan."
            )

    def outcome(self, after: RuleSet) -> tuple[Consequence, ...] | None:
        """Return the run's impact, from the rules before it and as read now.

        None if another program's set was replaced: its rules aren't stored.
        """
        if self._replaces_foreign:
            return None
        before = content_of(self.run.started_from) if self.run.started_from else RuleSet(self.target)
        return self._consequences(before, after)

    @property
    def _replaces_foreign(self) -> bool:
        """The plan is then valid only for the unmanaged rules that were approved."""
        return self.activation is not None and bool(self.activation.foreign)

    def _consequences(self, before: RuleSet, after: RuleSet) -> tuple[Consequence, ...]:
        switched_on = any(isinstance(step, Activate) and not step.instead_of for step in self.steps)
        return consequences(before, after, None if switched_on else tuple(rule_steps(self.steps)))

    def store_final_snapshot(self, after: RuleSet) -> None:
        known = live_selectors.known_rules()
        live_services.store_snapshot(after, self.run, known=known and known_state_after(known, after, self.steps))

    def skip_recipients(self, refused: frozenset[str]) -> None:
        """Remove recipients from the steps to do. Raises RunStopped if a rule would have no recipients left."""
        rows = list(self.run.steps.filter(state=StepState.TO_DO))
        try:
            left = without_recipients([load(row.step) for row in rows], refused)
        except Refused as empty:
            raise RunStopped(f"{empty} Create a new plan.") from None
        is_as_approved = self._active is not None and touched_digest(self.steps, self._active) == self.run.touched
        for row, step in zip(rows, left, strict=True):
            if step is None:
                row.state = StepState.LEFT_OUT
            else:
                row.step, row.sentence = dump(step), str(step)
            row.save(update_fields=("state", "step", "sentence"))
        self.read_steps()
        self.run.set_aside = sorted({*self.run.set_aside, *refused})
        if is_as_approved and self._active is not None:
            self.run.touched = touched_digest(self.steps, self._active)
        self.run.save(update_fields=("set_aside", "touched"))

    def read_steps(self) -> None:
        self.steps = [load(row.step) for row in self.run.steps.exclude(state=StepState.LEFT_OUT)]

    def steps_left(self) -> list[Step]:
        return [load(row.step) for row in self.run.steps.filter(state=StepState.TO_DO)]

    def live(self) -> RuleSet:
        """Return the set that the steps change, as known now."""
        return self._state(self.target)

    def find_refused(self, step: Step, problem: AwsProblem) -> frozenset[str]:
        """Return the recipients that SES refuses, if they are why it refused the step. Raises AwsProblem."""
        if problem.aws_code != refusals_services.INVALID or not isinstance(step, Create | Update):
            return frozenset()
        return frozenset(refusals_services.refused_recipients(step.new, run_id=self.run.pk, live=self._active))

    def receiving_among(self, recipients: frozenset[str]) -> frozenset[str]:
        """Return recipients that an active, enabled rule has: removing them from it would lose mail."""
        rules = [rule for rule in self._active.rules if rule.enabled] if self._active else []
        return frozenset(each for each in recipients if any(each in rule.recipient_set for rule in rules))

    def is_limited_to_own_set(self) -> bool:
        """Return whether the plan changes our active set, and doesn't replace another program's set."""
        return self._active is not None and self._active.name == self._planned_for and not self._replaces_foreign

    def changed_recipients(self) -> frozenset[str]:
        """Return every recipient whose mail a step changes."""
        return touched_recipients(self.steps)

    def changed_by(self, step: Step) -> tuple[RuleSet, frozenset[str]] | None:
        """Return the active set after a step that was made, and the recipients whose mail it changes. May read SES.

        None if the step changes no active set. Raises AwsProblem.
        """
        if isinstance(step, Activate):
            return self._state(step.rule_set), touched_recipients(self.steps)
        if self._active is None or step.rule_set != self._active.name or isinstance(step, CreateSet | CloneSet):
            return None
        return self._state(step.rule_set), touched_recipients([step])

    def rules_to_take_over(self) -> frozenset[str]:
        """Return the unmanaged rules that the run takes over and hasn't deleted yet."""
        live = self._active.by_name if self._active else {}
        gone = [step.old for step in rule_steps(self.steps) if isinstance(step, Delete)]
        return frozenset(old.name for old in gone if not is_ours(old.name) and old.name in live)

    def execute_step(self, step: Step) -> bool:
        """Return False if the step was already applied. Raises RunStopped and AwsProblem."""
        match step:
            case CreateSet():
                return self._create_set(step)
            case CloneSet():
                return self._clone_set(step)
            case Activate():
                return self._activate(step)
        return self._execute_rule_step(step)

    def read_back(self) -> tuple[RuleSet, tuple[str, ...]]:
        """Return the active set at the end, and the changed rules that aren't as the run left them.

        Raises RunStopped.
        """
        after = live_services.read_active()
        if after is None or after.name != self.target:
            raise RunStopped(f"The rule set {self.target} is no longer active. Someone else changed this.")
        expected = self._known.get(self.target, after).by_name
        touched = {step.name for step in self.steps if isinstance(step, ContentStep)}  # another order harms nobody
        return after, tuple(sorted(name for name in touched if after.by_name.get(name) != expected.get(name)))

    def _state(self, name: str) -> RuleSet:
        if name not in self._known:
            self._known[name] = live_gateway.describe_rule_set(name)
        return self._known[name]

    def _check_active(self, active: RuleSet | None) -> None:
        """Only the set that the plan starts from, or the one it ends with, may be active."""
        name = "" if active is None else active.name
        allowed = {self.target}
        if self.activation is not None:
            allowed.add(self.activation.instead_of)
        if name not in allowed:
            found = f"The rule set {name} is active" if name else "No rule set is active"
            raise RunStopped(f"{found} now, not {self._planned_for}: someone else changed this. Nothing was activated.")

    def _execute_rule_step(self, step: RuleStep) -> bool:
        live = self._state(step.rule_set)
        stands = live_status(step, live)
        if stands is LiveStatus.CHANGED:
            raise RunStopped(f"Someone else changed a rule that this step changes: {step} Create a new plan.")
        if stands is LiveStatus.DONE:
            return False
        try:
            apply_step(step)
        except AwsProblem as problem:
            if not may_have_succeeded(problem) or not self._was_applied(step):
                raise
            return False
        self._known[step.rule_set] = apply(step, live)
        return True

    def _was_applied(self, step: RuleStep) -> bool:
        """Check after an unclear failure or "already exists": botocore may have sent the call twice."""
        del self._known[step.rule_set]
        return live_status(step, self._state(step.rule_set)) is LiveStatus.DONE

    def _create_set(self, step: CreateSet) -> bool:
        try:
            live_gateway.create_rule_set(step.rule_set)
        except AwsConflict:
            if self._state(step.rule_set).rules:
                raise RunStopped(
                    f"The rule set {step.rule_set} already exists and has rules. Create a new plan."
                ) from None
            return False
        self._known[step.rule_set] = RuleSet(step.rule_set)
        return True

    def _clone_set(self, step: CloneSet) -> bool:
        source = self._state(step.source)
        try:
            live_gateway.clone_rule_set(step.source, step.rule_set)
        except AwsConflict:
            if self._state(step.rule_set).rules != source.rules:
                raise RunStopped(f"Another rule set {step.rule_set} already exists. Create a new plan.") from None
            return False
        self._known[step.rule_set] = replace(source, name=step.rule_set)
        return True

    def _activate(self, step: Activate) -> bool:
        """Read the active set and the clone again first: SES replaces the active set without confirmation."""
        active = live_services.read_active()
        self._check_active(active)
        if active is not None and active.name == step.rule_set:
            return False
        if active is not None:
            self._check_clone(step, active)
        OwnRuleSet.objects.get_or_create(
            region=settings.AWS_REGION, name=step.rule_set, defaults={"by": self.run.approved_by}
        )
        live_gateway.set_active_rule_set(step.rule_set)
        return True

    def _check_clone(self, step: Activate, active: RuleSet) -> None:
        if step.foreign:
            if digest(list(active.rules)) != step.foreign:
                raise RunStopped(
                    f"The rules of {active.name} have changed since the plan was approved. Create a new plan."
                )
            return
        if touched_digest(self.steps, active) != self.run.touched:
            raise RunStopped(
                "The active rules changed while the clone was being built. The clone was not activated. Create "
                "a new plan."
            )
        is_copy = any(isinstance(other, CloneSet) for other in self.steps)
        wanted = RuleSet(step.rule_set, active.rules if is_copy else ())
        for rule_step in rule_steps(self.steps):
            wanted = apply(rule_step, wanted)
        if live_gateway.describe_rule_set(step.rule_set).rules != wanted.rules:
            raise RunStopped(
                f"The clone {step.rule_set} doesn't match the plan. It was not activated. Create a new plan."
            )
