"""Runs, their steps and the states to go back to; and who may see the rules, which serve all customers.

Until a run ends, nobody can say of the domains that it names that everything is applied.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from django.conf import settings
from django.db.models import Q, QuerySet, TextField
from django.db.models.functions import Cast

from accounts.models.people import Customer
from accounts.people.selectors import Viewer
from audit.services import Subject
from domains.models.domains import Domain
from inbound_admin.lib.fixed_query import FixedQuery
from receipt_rules.models.addresses import RequestedRecipient
from receipt_rules.models.runs import UNFINISHED, PendingChange, Run, RunState, RunStep, Snapshot, StepState
from receipt_rules.planner.core.plans import load
from receipt_rules.planner.core.rules import broader_entries
from receipt_rules.planner.core.steps import Activate, CloneSet, CreateSet, Step, touched_recipients


def rule_set_subject(name: str, customer_id: str = "") -> Subject:
    """Return the subject of a rule set. With a customer, its members may read the log entry."""
    return Subject("rule_set", name, name, customer_id)


def runs() -> QuerySet[Run]:
    """Return runs for operators, newest first."""
    return Run.objects.select_related("approved_by", "customer", "cancelled_by", "confirmed_by")


def is_change_deferred(customer: Customer | None) -> bool:
    """Return whether a change of the customer waits for an operator, for example because its run failed."""
    deferred = PendingChange.objects.filter(customer=customer).exclude(waits_because="")
    return customer is not None and deferred.exists()


def _ended_runs() -> QuerySet[Run]:
    return Run.objects.filter(region=settings.AWS_REGION, state__in=(RunState.DONE, RunState.FAILED))


_LAST_STATE = FixedQuery(lambda: _ended_runs().order_by("-ended_at").values_list("state")[:1])
_PENDING_APPROVAL = FixedQuery(lambda: PendingChange.objects.exclude(waits_because=""))


def last_run_failed() -> bool:
    return _LAST_STATE.values() == [(RunState.FAILED,)]


def pending_approval_count() -> int:
    """Return the number of customers whose changes wait for an operator."""
    return _PENDING_APPROVAL.count()


def may_see_rules(viewer: Viewer) -> bool:
    """The rules serve all customers, so only staff can see them."""
    return viewer.is_active and viewer.has_perm("receipt_rules.view_run")


def may_operate(viewer: Viewer) -> bool:
    return viewer.is_active and viewer.has_perm("receipt_rules.operate_rules")


def snapshots() -> QuerySet[Snapshot]:
    """Return the states to roll back to, newest first, without their rules, which can be megabytes."""
    found = Snapshot.objects.select_related("run").defer("content", "known", "holders")
    return found.filter(region=settings.AWS_REGION)


def _started_runs() -> QuerySet[Run]:
    """Return the runs that have begun and not ended, in this region: one is running, others let it go first."""
    return Run.objects.filter(region=settings.AWS_REGION, state__in=UNFINISHED, started_at__isnull=False)


_STARTED = FixedQuery(_started_runs)


def steps_in_progress() -> tuple[Step, ...]:
    """Return the steps of the runs that have begun and not ended, in this region."""
    rows = RunStep.objects.filter(run__in=_started_runs()).exclude(state=StepState.LEFT_OUT).order_by("run", "number")
    return tuple(load(step) for step in rows.values_list("step", flat=True))


def steps_of(run: Run) -> QuerySet[RunStep]:
    return RunStep.objects.filter(run=run).order_by("number")


def steps_done(run: Run) -> int:
    return RunStep.objects.filter(run=run, state=StepState.DONE).count()


@dataclass(frozen=True)
class Aftermath:
    """What a run that ended without being completed left at SES. `failed`: the number of the step that SES refused.

    `is_untouched`: the active rule set is as it was. `left_over`: a rule set that the run made and did not activate.
    """

    is_untouched: bool
    failed: int = 0
    left_over: str = ""


def aftermath(run: Run) -> Aftermath | None:
    """None for a run that was completed, or hasn't ended."""
    if not run.is_over or run.state == RunState.DONE:
        return None
    rows = list(steps_of(run).values_list("number", "state", "step__type", "step__rule_set"))
    done = [(kind, rule_set) for _, state, kind, rule_set in rows if state == StepState.DONE]
    is_kept = any(kind == Activate.__name__ and state != StepState.DONE for _, state, kind, _ in rows)
    made = [rule_set for kind, rule_set in done if kind in (CreateSet.__name__, CloneSet.__name__)]
    was_refused = run.state == RunState.FAILED and run.started_at is not None and run.cancelled_at is None
    failed = next((number for number, state, *_ in rows if state == StepState.TO_DO), 0) if was_refused else 0
    return Aftermath(is_kept or not done, failed, made[0] if made and is_kept else "")


def is_left_over(name: str) -> bool:
    """Whether a run of ours made this rule set and ended before it activated it."""
    states = (RunState.FAILED, RunState.REFUSED, RunState.CANCELLED)
    ended = Run.objects.filter(region=settings.AWS_REGION, state__in=states)
    made = RunStep.objects.filter(run__in=ended, state=StepState.DONE, found_done=False)
    return made.filter(step__rule_set=name, step__type__in=(CreateSet.__name__, CloneSet.__name__)).exists()


def is_changing(domain: Domain) -> bool:
    """Whether a run that waits or is carried out has a step with a rule that names this domain or a name below it."""
    runs = Run.objects.filter(Q(customer=None) | Q(customer=domain.customer_id), state__in=UNFINISHED)
    of_region = list(runs.filter(region=settings.AWS_REGION).values_list("pk", flat=True))
    if not of_region:
        return False
    named = Q()
    for before in ('"', "@", "."):
        named |= Q(text__contains=f'{before}{domain.name}"')
    steps = RunStep.objects.filter(run__in=of_region).annotate(text=Cast("step", TextField()))
    return steps.filter(named).exists()


def set_changing(requested: Iterable[RequestedRecipient]) -> None:
    """Set `is_changing` of each whose rule the current step of a run changes: whether SES has made it isn't known."""
    changed = _recipients_changing()
    for row in requested:
        row.is_changing = bool(changed) and not changed.isdisjoint((row.recipient, *broader_entries(row.recipient)))


def _recipients_changing() -> frozenset[str]:
    """Return the recipients that the next step of each run that has begun changes in the active set."""
    return frozenset(each for run in _STARTED.models() for each in _changing_next(run))


def _changing_next(run: Run) -> frozenset[str]:
    every = RunStep.objects.filter(run=run)
    row = every.filter(state=StepState.TO_DO).order_by("number").first()
    if row is None:
        return frozenset()
    step: Step = load(row.step)
    if isinstance(step, Activate):
        return touched_recipients(load(each.step) for each in every)
    if every.filter(step__type=Activate.__name__).exclude(state=StepState.DONE).exists():
        return frozenset()  # a copy is being changed, which is not active yet
    return touched_recipients([step])
