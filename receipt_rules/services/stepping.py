"""The steps of one run against Amazon, with what is known of each rule set on the way."""

from dataclasses import replace

from django.conf import settings

from inbound_admin.lib.errors import AwsConflict, AwsProblem
from receipt_rules.core.applying import apply, rule_steps
from receipt_rules.core.known import known_after
from receipt_rules.core.recipients import domain_of
from receipt_rules.core.rules import RuleSet
from receipt_rules.core.steps import (
    Activate,
    CloneSet,
    Create,
    CreateSet,
    Delete,
    RuleStep,
    Standing,
    Step,
    Update,
    standing,
)
from receipt_rules.core.stored import load, touched_digest
from receipt_rules.gateway import ses
from receipt_rules.models import OwnRuleSet, Run, RunKind
from receipt_rules.selectors.owning import Holders, holder_of
from receipt_rules.services import reading
from receipt_rules.services.sending import may_have_been_done, send


class Stopped(Exception):
    """What a step touches is not as it was approved. The text is for people."""


class Stepping:
    """Reads the active set unless it is given. Raises Stopped where another set than the plan's is active."""

    def __init__(self, run: Run, active: RuleSet | None) -> None:
        self.run = run
        self.steps: list[Step] = [load(row.step) for row in run.steps.all()]
        self.activation = next((step for step in self.steps if isinstance(step, Activate)), None)
        self.target = self.steps[-1].rule_set
        self._known: dict[str, RuleSet] = {}
        self._active = active or ses.describe_active_rule_set()
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
            reading.keep(self._active, known=reading.known_rules())

    def keep_after(self, after: RuleSet) -> None:
        known = reading.known_rules()
        reading.keep(after, self.run, known=known and known_after(known, after, self.steps))

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
        after = ses.describe_active_rule_set()
        if after is None or after.name != self.target:
            raise Stopped(f"The rule set {self.target} is not the active one any more. Somebody else has changed that.")
        expected = self._known.get(self.target, after).by_name
        touched = {name for step in rule_steps(self.steps) for name in _names(step)}
        return after, tuple(sorted(name for name in touched if after.by_name.get(name) != expected.get(name)))

    def _state(self, name: str) -> RuleSet:
        if name not in self._known:
            self._known[name] = ses.describe_rule_set(name)
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
        if stands is Standing.CHANGED:
            raise Stopped(f"Somebody else has changed what this step touches: {step} Plan again.")
        if stands is Standing.DONE:
            return False
        try:
            send(step)
        except AwsProblem as problem:
            if not may_have_been_done(problem) or not self._stands_after_all(step):
                raise
            return False
        self._known[step.rule_set] = apply(step, live)
        return True

    def _stands_after_all(self, step: RuleStep) -> bool:
        """After a failure that tells nothing, or "exists already": botocore may have sent the call twice."""
        del self._known[step.rule_set]
        return standing(step, self._state(step.rule_set)) is Standing.DONE

    def _create_set(self, step: CreateSet) -> bool:
        try:
            ses.create_rule_set(step.rule_set)
        except AwsConflict:
            if self._state(step.rule_set).rules:
                raise Stopped(f"There is a rule set {step.rule_set} already, with rules in it. Plan again.") from None
            return False
        self._known[step.rule_set] = RuleSet(step.rule_set)
        return True

    def _clone_set(self, step: CloneSet) -> bool:
        source = self._state(step.source)
        try:
            ses.clone_rule_set(step.source, step.rule_set)
        except AwsConflict:
            if self._state(step.rule_set).rules != source.rules:
                raise Stopped(f"There is another rule set {step.rule_set} already. Plan again.") from None
            return False
        self._known[step.rule_set] = replace(source, name=step.rule_set)
        return True

    def _activate(self, step: Activate) -> bool:
        """SES replaces the active set silently, so it is read once more, and so is what takes its place."""
        active = ses.describe_active_rule_set()
        self._refuse_active(active)
        if active is not None and active.name == step.rule_set:
            return False
        if active is not None:
            self._refuse_other_copy(step, active)
        OwnRuleSet.objects.get_or_create(
            region=settings.AWS_REGION, name=step.rule_set, defaults={"by": self.run.approved_by}
        )
        ses.set_active_rule_set(step.rule_set)
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
        if ses.describe_rule_set(step.rule_set).rules != wanted.rules:
            raise Stopped(f"The copy {step.rule_set} is not as it was planned. It was not activated. Plan again.")


def _names(step: RuleStep) -> tuple[str, ...]:
    """Of the rules whose content the step changes; an order may be changed by others and harms nobody."""
    match step:
        case Create() | Update():
            return (step.new.name,)
        case Delete():
            return (step.old.name,)
    return ()
