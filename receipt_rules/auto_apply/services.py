"""The worker's entry point, and the changes that it applies without approval.

- `carry_out_changes` applies what customers changed themselves, if it is small and affects nobody else.
- `unlock` ends a run that no longer moves, so that others can start. What it did stays; the next plan reads SES, so a
  late call of the old worker is seen there. A worker that is alive after all stops before its next step.
- `stop` and `resume` let staff pause a customer's receiving, whatever the customer wants, which stays stored. The
  person who pauses a customer's sending may do it: what they see is scoped to that customer's recipients.
- `work` runs everything that waits: what staff stop first, then approved or interrupted runs, then customers' changes.
  Between two calls it lets the rules' lock go when something urgent waits. A copy of the rule set that was begun is
  finished first: what is stopped meanwhile would come back with the copy.
"""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from accounts.models.people import Customer, User
from accounts.people.selectors import customer_subject
from accounts.roles import PAUSE, require
from audit import services as audit_services
from domains.records.core import RECEIVING_REGIONS
from inbound_admin.lib import lanes
from inbound_admin.lib.errors import Refused
from inbound_admin.lib.lanes import WorkLane
from receipt_rules.alerts import services as alerts_services
from receipt_rules.expectations.selectors import newly_broken
from receipt_rules.holders import services as holders_services
from receipt_rules.jobs import customer_changed, urgent_work_waits, work_soon
from receipt_rules.live.services import Live, read_live
from receipt_rules.models.live import ReceivingStop
from receipt_rules.models.runs import UNFINISHED, PendingChange, Run, RunKind, RunState, StepState
from receipt_rules.planner.core.plans import Method, Plan, load
from receipt_rules.planner.core.rules import Rule, broader
from receipt_rules.planner.core.steps import Create, Delete, Step, Update
from receipt_rules.planner.services import (
    Asked,
    WantedState,
    held,
    plan_for,
    scope_of,
    stopped_customers,
    store_run,
    wanted,
)
from receipt_rules.receiving import services as receiving_services
from receipt_rules.rule_sets import services as rule_sets_services
from receipt_rules.runs import services as runs_services
from receipt_rules.runs.selectors import rule_set_subject

NO_REGION = "SES doesn't receive mail in {region}."
NOT_SET_UP = "Inbound mail isn't set up in this region yet. Your change will be applied automatically once it is."
FOR_OPERATOR = "Our team needs to review this first, because it affects other mail received here."
TOO_MANY = "This changes {number} addresses at once. Our team reviews it first."
STOPPED = (RunState.FAILED, RunState.CANCELLED)
HELD = "Our team rolled this back and is holding it for now. It will be applied when they release it."
UNTOUCHED = (
    "SES refuses changes to a receipt rule that this belongs to. Mail continues as before, and our team "
    "has been notified."
)
FAILED = "This was stopped before SES had applied all of it. Our team needs to review it."


def carry_out_changes(*, stops_only: bool = False) -> None:
    """Of each customer in turn, one plan and one run. Raises AwsProblem where to wait."""
    pending = list(_stops() if stops_only else PendingChange.objects.select_related("customer", "by"))
    if settings.AWS_REGION not in RECEIVING_REGIONS:
        PendingChange.objects.update(waits_because=NO_REGION.format(region=settings.AWS_REGION))
        return
    if not pending:
        return
    concerned = frozenset(each.customer_id for each in pending)
    live = read_live()  # before the rows, which are newer than what is pending
    wanted_now = wanted(customers=concerned)
    alerts_services.tell_of_waiting_customers(is_set_up=live.is_active, customers=[each.customer for each in pending])
    if not live.is_active:
        receiving_services.note_live(live.active, is_ours=False)
    for change in pending:
        if urgent_work_waits():
            return
        live = _carry_out(change, live, wanted_now)


def _stops() -> QuerySet[PendingChange]:
    """Where staff stop or resume a customer's receiving, and nothing says yet why that waits."""
    asked = ReceivingStop.objects.filter(settled_at=None).values("customer")
    return PendingChange.objects.select_related("customer", "by").filter(customer__in=asked, waits_because="")


def _carry_out(change: PendingChange, live: Live, wanted_now: WantedState) -> Live:
    """Returns what is live now."""
    everything = scope_of(frozenset([change.customer_id]), wanted_now, live.rule_set)
    asked = Asked(scope=_about(change, everything), customer=change.customer_id)
    try:
        made = plan_for(asked, live, wanted_now)
    except Refused:
        return _wait(change, FOR_OPERATOR if live.is_active else NOT_SET_UP, live)
    stop = ReceivingStop.objects.filter(customer=change.customer_id, settled_at=None).first()
    is_held = not held(wanted_now).isdisjoint(change.recipients or ())
    why = HELD if is_held else _why_not_as_staff_ask(live) if stop else why_not_at_once(made, live)
    if why:
        return _wait(change, why, live)
    if made.is_empty:
        receiving_services.note_live(live.rule_set, is_ours=True, customer_id=change.customer_id)
        return _wait(change, UNTOUCHED, live) if made.waiting else _settle(change, live)
    if _failed_before(change):
        return _wait(change, FAILED, live)
    with transaction.atomic():
        kind, actor = (RunKind.APPROVED, stop.by) if stop else (RunKind.CUSTOMER, change.by)
        run = store_run(made, asked, kind=kind, actor=actor, customer=change.customer)
    after = runs_services.carry_out(run_id=run.pk, active=live.rule_set)
    if after is None:
        return _wait(change, FAILED, live) if _failed_before(change) else read_live()
    live = Live(after, live.sets, live.knows_all)
    return _wait(change, UNTOUCHED, live) if made.waiting else _settle(change, live)


def _about(change: PendingChange, everything: frozenset[str]) -> frozenset[str]:
    """Return what the customer changed, plus their recipients that a broader or narrower entry covers with it."""
    if change.recipients is None:
        return everything
    changed = frozenset(change.recipients)
    near = {each for each in everything if not changed.isdisjoint(broader(each))}
    return everything & (changed | near | {above for each in changed for above in broader(each)}) | changed


def why_not_at_once(made: Plan, live: Live) -> str:
    """ "" for a plan that is carried out without approval: in place, few addresses, nobody else's rule."""
    if not live.is_active:
        return NOT_SET_UP
    if made.method is not Method.IN_PLACE or not all(_is_plain(step) for step in made.steps):
        return FOR_OPERATOR
    if made.moments.gaps or newly_broken(made):
        return FOR_OPERATOR
    number = len(made.consequences)
    return TOO_MANY.format(number=number) if number > settings.RECEIVING_SMALL_CHANGE else ""


def _why_not_as_staff_ask(live: Live) -> str:
    """Whoever stopped or resumed a customer's receiving was shown what it means, so its size needs no other person."""
    return "" if live.is_active else NOT_SET_UP


def _is_plain(step: Step) -> bool:
    if isinstance(step, Delete):
        return isinstance(step.old, Rule)
    return isinstance(step, Create | Update)


def _failed_before(change: PendingChange) -> bool:
    """Or was cancelled. It would fail again and keep the others waiting; what an operator applies settles it.

    What somebody else changed in between is no failure: the next plan knows of it.
    """
    runs = Run.objects.filter(customer=change.customer_id, state__in=STOPPED)
    return runs.filter(created_at__gte=change.changed_at).exists()


def _wait(change: PendingChange, because: str, live: Live) -> Live:
    _unchanged(change).update(waits_because=because)
    return live


def _settle(change: PendingChange, live: Live) -> Live:
    with transaction.atomic():
        if _unchanged(change).delete()[0]:
            ReceivingStop.objects.filter(customer=change.customer_id, settled_at=None).update(settled_at=timezone.now())
    return live


def _unchanged(change: PendingChange) -> QuerySet[PendingChange]:
    """Nothing when the customer has changed more meanwhile: that has its own turn."""
    return PendingChange.objects.filter(pk=change.pk, changed_at=change.changed_at)


STUCK_AFTER = timedelta(minutes=15)  # many times what a step takes at the shared pace


@transaction.atomic
def unlock(*, run: Run, because: str, actor: User, now: datetime | None = None, bulk_id: str = "") -> None:
    """Raises Refused when it is over or moved lately, without a reason, or for want of the right."""
    if not actor.has_perm("receipt_rules.operate_rules"):
        raise Refused("Only operators can end runs.", code="NOT_ALLOWED")
    if not because.strip():
        raise Refused("Enter a reason for ending the run.", code="REASON_MISSING")
    now = now or timezone.now()
    locked = Run.objects.select_for_update(of=("self",)).filter(pk=run.pk, state__in=UNFINISHED).first()
    if locked is None:
        raise Refused("The run has already ended.", code="RUN_OVER")
    if moved_at(locked) > now - STUCK_AFTER:
        raise Refused(
            f"The run made progress less than {STUCK_AFTER.seconds // 60} minutes ago, so it isn't stuck. Stop "
            "it instead.",
            code="RUN_MOVES",
        )
    _end(locked, because.strip(), actor, now, bulk_id)


def moved_at(run: Run) -> datetime:
    """When it last came a step further, or began."""
    done = run.steps.exclude(done_at=None).order_by("-done_at").values_list("done_at", flat=True).first()
    return max(moment for moment in (run.created_at, run.started_at, done) if moment is not None)


def _end(locked: Run, because: str, actor: User, now: datetime, bulk_id: str) -> None:
    before = locked.state
    done, steps = locked.steps.filter(state=StepState.DONE).count(), locked.steps.count()
    locked.state, locked.ended_at = RunState.FAILED, now
    locked.cancelled_by, locked.cancelled_at = actor, now
    locked.problem = f"Ended manually after {done} of {steps} steps: {because} Create a new plan for the rest."
    locked.save(update_fields=("state", "ended_at", "cancelled_by", "cancelled_at", "problem"))
    last = locked.steps.last()
    audit_services.record(
        "rules.unlocked",
        about=rule_set_subject(str(load(last.step).rule_set) if last else "", locked.customer_id or ""),
        actor=actor,
        because=because,
        before={"run": locked.pk, "state": before},
        after={"run": locked.pk, "state": locked.state, "steps_done": done},
        bulk_id=bulk_id,
        for_staff=True,
    )
    work_soon()


def plan_to_stop(*, customer: Customer) -> Plan:
    """Return the plan for this customer's recipients only. Raises Refused as `make_plan`, AwsProblem."""
    live = read_live()
    stopped = stopped_customers() | {customer.pk}
    own = frozenset([customer.pk])
    scope = scope_of(own, wanted(customers=own), live.rule_set)
    return plan_for(Asked(scope=scope), live, wanted(stopped=stopped, customers=own))


@transaction.atomic
def stop(*, customer: Customer, because: str, actor: User, bulk_id: str = "") -> None:
    """The worker carries it out; asking twice is asking once. Raises Refused."""
    _ask(customer, because, actor, bulk_id, is_stopped=True)


@transaction.atomic
def resume(*, customer: Customer, because: str, actor: User | None, bulk_id: str = "") -> None:
    """Resume receiving for the customer; no effect if it isn't stopped. Raises Refused."""
    _ask(customer, because, actor, bulk_id, is_stopped=False)


def is_stopped(customer: Customer) -> bool:
    return ReceivingStop.objects.filter(customer=customer, is_stopped=True).exists()


def _ask(customer: Customer, because: str, actor: User | None, bulk_id: str, *, is_stopped: bool) -> None:
    require(actor, PAUSE, "Only Trust & Safety can stop and resume a customer's receiving.")
    Customer.objects.select_for_update(no_key=True).get(pk=customer.pk)
    row = ReceivingStop.objects.filter(customer=customer).first()
    was = row is not None and row.is_stopped
    if was == is_stopped:
        return
    asked = {"is_stopped": is_stopped, "asked_at": timezone.now(), "by": actor, "because": because, "settled_at": None}
    ReceivingStop.objects.update_or_create(customer=customer, defaults=asked)
    audit_services.record(
        "receiving.stopped" if is_stopped else "receiving.resumed",
        about=customer_subject(customer),
        actor=actor,
        because=because,
        bulk_id=bulk_id,
        for_staff=True,
    )
    customer_changed(customer, actor, urgent=True)


def work() -> None:
    """Repeating it is harmless. Raises AwsProblem where to wait."""
    if not runs_services.is_copying():
        with lanes.within(WorkLane.URGENT):
            carry_out_changes(stops_only=True)
    with lanes.within(WorkLane.PEOPLE):
        if not _carry_out_runs():
            return
    with lanes.within(WorkLane.URGENT):
        holders_services.look()
    with lanes.within(WorkLane.PEOPLE):
        carry_out_changes()
        rule_sets_services.clear_leaving()


def _carry_out_runs() -> bool:
    """False where something urgent waits: its job does the rest."""
    runs = Run.objects.filter(state__in=UNFINISHED).order_by("state", "created_at", "id")
    for run_id in runs.values_list("pk", flat=True):
        runs_services.carry_out(run_id=run_id)
        if urgent_work_waits():
            return False
    return True


def is_unfinished() -> bool:
    """Whether the worker has something to do here; what waits for an operator waits."""
    begun = Run.objects.filter(state__in=UNFINISHED).exists()
    return begun or PendingChange.objects.filter(waits_because="").exists() or holders_services.are_waiting()
