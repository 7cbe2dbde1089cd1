"""The worker's entry point, and the changes that it applies without approval.

- `apply_pending_changes` applies what customers changed themselves, if it is small and affects nobody else. What a
  customer changes within RECEIVING_WAIT_SECONDS of the change before is one change, with the size of all together.
- `stop` and `resume` let staff pause a customer's receiving. The customer's rows stay. Whoever pauses a customer's
  sending may do it; the plan that they see is limited to that customer's recipients.
- `work` runs everything that waits: stops by staff first, then approved or interrupted runs, then customers' changes.
  Between two calls it releases the rules' lock if urgent work waits, except while a run clones the rule set: otherwise
  the clone would restore what is stopped meanwhile.
- Between two steps of an approved run in place, a customer's small change goes first (`_SmallChanges`), if what is left
  of the run can be planned around it: nobody waits for minutes behind somebody's thousand addresses. It waits for the
  end of the run if they could share an address, or if the rules don't have room for both.
"""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from functools import cache, partial

from django.conf import settings
from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from accounts.models.people import Customer, User
from accounts.people.selectors import customer_subject
from accounts.roles import require
from audit import services as audit_services
from domains.models.domains import Domain
from inbound_admin.lib import isolation, lanes
from inbound_admin.lib.errors import AwsProblem, Refused
from inbound_admin.lib.lanes import WorkLane
from receipt_rules.alerts import services as alerts_services
from receipt_rules.auto_apply.core import changed_scope, is_plain, number_changed
from receipt_rules.jobs import is_urgent_work_waiting, queue_customer_change, queue_work, record_wait
from receipt_rules.live import services as live_services
from receipt_rules.live.selectors import last_known
from receipt_rules.live.services import Live, read_live, receives_here
from receipt_rules.models.runs import UNFINISHED, ActiveRuleSet, PendingChange, ReceivingStop, Run, RunKind, RunState
from receipt_rules.planner.core.plans import Plan
from receipt_rules.planner.core.rest import plan_of_rest
from receipt_rules.planner.core.rules import RuleSet, domain_of
from receipt_rules.planner.core.steps import Step
from receipt_rules.planner.selectors import newly_broken
from receipt_rules.planner.services import (
    DesiredState,
    PlanRequest,
    limits,
    plan_changes,
    read_desired_state,
    scope_of,
    store_run,
)
from receipt_rules.receiving import services as receiving_services
from receipt_rules.rollback import services as rollback_services
from receipt_rules.rollback.services import recipients_on_hold
from receipt_rules.runs import services as runs_services
from receipt_rules.transfers import services as transfers_services
from tenants.pause import services as pause_services

NO_REGION = "SES doesn't receive mail in {region}."
NOT_SET_UP = "Inbound mail isn't set up in this region yet. Your change will be applied automatically once it is."
NOT_ACTIVE = (
    "SES doesn't apply our receipt rules now; our team has been notified. Your change will be applied automatically."
)
FULL = "All receipt rules of this region are in use. Our team has to make room before your change can be applied."
FOR_OPERATOR = "Our team needs to review this first, because it affects other mail received here."
TOO_MANY = "This changes {number} addresses at once. Our team reviews it first."
LONGEST_COLLECTED = timedelta(minutes=1)
STEPS_BETWEEN = 10  # of a run, between two small changes: they cost about five calls each, so the run goes on
MOST_ASKED = 5  # small changes at once: each one is planned, and the run's next step and staff's stops wait
STOPPED = (RunState.FAILED, RunState.CANCELLED)
HELD = "Our team rolled this back and is holding it for now. It will be applied when they release it."
UNTOUCHED = (
    "SES refuses changes to a receipt rule that this belongs to. Mail continues as before, and our team "
    "has been notified."
)
CANCELLED = "This was stopped before SES had applied all of it. Our team needs to review it."
FAILED = "SES didn't apply all of this. Our team has been notified and needs to review it."
RETRIED = "SES hasn't applied all of this. We try again automatically, and our team has been notified."
LONGEST_WAIT = timedelta(hours=1)  # between two attempts at a stop or resume that SES refuses


def apply_pending_changes(*, stops_only: bool = False, collect: bool = False) -> None:
    """Apply each customer's change with one plan and one run. Raises AwsProblem to wait and retry.

    `collect`: a customer who changed something just now may change more, so their change waits for the rest.
    """
    pending = list(_stop_changes() if stops_only else PendingChange.objects.select_related("customer", "by"))
    if collect:
        pending = _collected(pending, timezone.now())
    if not receives_here():
        record_wait(NO_REGION.format(region=settings.AWS_REGION))
        return
    customers = frozenset(each.customer_id for each in pending)
    if not pending or not _finish_interrupted(customers):
        return
    live = read_live()  # read before the rows, so that the rows include every pending change
    state = read_desired_state(customers=customers)
    was_set_up = live.is_active or last_known() is not None
    alerts_services.update_not_set_up_alert(is_set_up=was_set_up, customers=[each.customer for each in pending])
    if not live.is_active:
        if was_set_up:
            outage = live_services.record_active_set(live.unmanaged_set, now=live.read_at)
            alerts_services.update_active_set_alert(outage)
        receiving_services.record_live_rules(live.active, is_ours=False)
    for change in pending:
        if is_urgent_work_waiting():
            return
        # One that fails unexpectedly is tried again with the next work. SES is read: part of it may be done.
        live = isolation.or_else("changes", change, partial(_apply_change, change, live, state), read_live)


def _finish_interrupted(customers: frozenset[str]) -> bool:
    """Finish these customers' runs that were interrupted; planned again, their steps would be somebody else's.

    Return False if urgent work waits meanwhile. Raises AwsProblem.
    """
    runs = Run.objects.filter(region=settings.AWS_REGION, customer__in=customers, state__in=UNFINISHED)
    found = [runs_services.execute_run(run_id=run_id) for run_id in runs.values_list("pk", flat=True)]
    return not found or not runs.exists()


def _collected(pending: Sequence[PendingChange], now: datetime) -> list[PendingChange]:
    """Return the changes that no longer grow, or were collected for long enough. Queues a job for the others."""
    if growing := {each.pk for each in pending if _is_growing(each, now) and not each.waits_because}:
        queue_work(in_seconds=settings.RECEIVING_WAIT_SECONDS)
    return [each for each in pending if each.pk not in growing]


def _is_growing(change: PendingChange, now: datetime) -> bool:
    wait = timedelta(seconds=settings.RECEIVING_WAIT_SECONDS)
    return change.changed_at > now - wait and change.since > now - LONGEST_COLLECTED


def _stop_changes() -> list[PendingChange]:
    """Return the changes by which staff stop or resume a customer's receiving, if their next attempt is due.

    Whatever they wait for is tried again, except one that was cancelled: what SES refused, less and less often.
    """
    unsettled = ReceivingStop.objects.filter(settled_at=None).values("customer")
    found = PendingChange.objects.filter(customer__in=unsettled).select_related("customer", "by")
    return [each for each in found if not each.waits_because or not _stopped_before(each, is_stop=True)]


def _apply_change(change: PendingChange, live: Live, state: DesiredState) -> Live:
    """Apply the change if it needs no approval. Return the live state after it."""
    request, held = _request_for(change, live, state), _held_of(change, state)
    try:
        made = plan_changes(request, live, state)
    except Refused as refused:
        why = FULL if refused.code == "RULES_FULL" else FOR_OPERATOR
        return _defer(change, why if live.is_active else _why_not_active(), live)
    stop = _open_stop(change)
    is_held = bool(held) and held.issuperset(change.recipients or ())
    if why := HELD if is_held else approval_reason(made, live, is_stop=stop is not None):
        return _defer(change, why, live)
    if made.is_empty:
        receiving_services.record_live_rules(live.rule_set, is_ours=True, customers=frozenset([change.customer_id]))
        return _settle(change, made, held, state, live)
    if stopped := _stopped_before(change, is_stop=stop is not None):
        return _defer(change, stopped, live)
    with transaction.atomic():
        kind, actor = (RunKind.APPROVED, stop.by) if stop else (RunKind.CUSTOMER, change.by)
        run = store_run(made, request, kind=kind, actor=actor, customer=change.customer)
    after = runs_services.execute_run(run_id=run.pk, active=live.rule_set)
    if after is not None:
        return _settle(change, made, held, state, Live.of_active(after))
    live = read_live()  # part of it may be done
    stopped = _stopped_before(change, is_stop=stop is not None)
    return _defer(change, stopped, live) if stopped else live


def _settle(change: PendingChange, made: Plan, held: Collection[str], state: DesiredState, live: Live) -> Live:
    """The plan is applied. It leaves recipients that a rollback holds as they are: they wait alone."""
    if made.waiting:
        return _defer(change, UNTOUCHED, live)
    if not held:
        return _mark_applied(change, live)
    names = {state.holders.nearest(domain_of(each)) for each in held}
    domains = Domain.objects.filter(customer=change.customer_id, name__in=names).values_list("pk", flat=True)
    _unchanged(change).update(recipients=sorted(held), domains=sorted(domains), waits_because=HELD)
    return live


def _request_for(change: PendingChange, live: Live, state: DesiredState) -> PlanRequest:
    everything = scope_of(frozenset([change.customer_id]), state, live.rule_set)
    return PlanRequest(scope=changed_scope(change.recipients, everything), customer=change.customer_id)


def _held_of(change: PendingChange, state: DesiredState) -> frozenset[str]:
    """Return what it changes that a rollback holds."""
    return recipients_on_hold(stopped=state.stopped).intersection(change.recipients or ())


def approval_reason(made: Plan, live: Live, *, is_stop: bool = False) -> str:
    """Return why the plan needs an operator; "" if it is in place, changes few addresses and only managed rules.

    Staff saw the impact before they stopped or resumed receiving, so that needs no other approval.
    """
    if not live.is_active or is_stop:
        return "" if live.is_active else _why_not_active()
    if not is_plain(made) or made.transition_issues.gaps or newly_broken(made):
        return FOR_OPERATOR
    is_small = (number := number_changed(made)) <= settings.RECEIVING_SMALL_CHANGE
    return "" if is_small else TOO_MANY.format(number=number)


def _why_not_active() -> str:
    return NOT_ACTIVE if last_known() else NOT_SET_UP


def _stopped_before(change: PendingChange, *, is_stop: bool) -> str:
    """Return why, if a run for this change failed or was cancelled; else "". A retry would fail and delay others.

    An operator's plan resolves it. A conflict with another change is no failure: the next plan includes it. `is_stop`:
    staff's stop, or its end, is tried again after a while, which doubles each time.
    """
    runs = Run.objects.filter(customer=change.customer_id, state__in=STOPPED, created_at__gte=change.changed_at)
    if (last := runs.first()) is None:
        return ""
    if last.state == RunState.CANCELLED or not is_stop:
        return CANCELLED if last.state == RunState.CANCELLED else FAILED
    wait = min(timedelta(minutes=2 ** min(runs.count(), 10)), LONGEST_WAIT)
    return "" if last.ended_at is not None and last.ended_at + wait <= timezone.now() else RETRIED


def _defer(change: PendingChange, because: str, live: Live) -> Live:
    """Pages and the API say from then on what SES does meanwhile with what has changed."""
    if _unchanged(change).exclude(waits_because=because).update(waits_because=because) and live.is_active:
        customers = frozenset([change.customer_id])
        receiving_services.record_live_rules(live.rule_set, is_ours=True, customers=customers)
    if stop := _open_stop(change):
        failed = Run.objects.filter(customer=change.customer_id, state=RunState.FAILED, created_at__gte=stop.asked_at)
        problem = f"{because} {failed.values_list('problem', flat=True).first() or ''}".strip()
        pause_services.record_receiving(customer=change.customer, asked_at=stop.asked_at, problem=problem)
    return live


def _open_stop(change: PendingChange) -> ReceivingStop | None:
    return ReceivingStop.objects.filter(customer=change.customer_id, settled_at=None).first()


def _mark_applied(change: PendingChange, live: Live) -> Live:
    with transaction.atomic():
        # Who stops or resumes receiving locks customer, tenants, stop and pending change, in this order: the same here.
        pause_services.lock_tenants(customer=change.customer)
        stops = ReceivingStop.objects.select_for_update(of=("self",))
        stop = stops.filter(customer=change.customer_id, settled_at=None).first()
        if _unchanged(change).delete()[0]:
            if stop is not None and stops.filter(pk=stop.pk).update(settled_at=timezone.now()):
                pause_services.record_receiving(customer=change.customer, asked_at=None)
            alerts_services.update_run_alert(failed=False, why="", customer=change.customer)
    return live


def _unchanged(change: PendingChange) -> QuerySet[PendingChange]:
    """Return the change, unless the customer has changed more meanwhile: that is applied separately."""
    return PendingChange.objects.filter(pk=change.pk, changed_at=change.changed_at)


def plan_to_stop(*, customer: Customer) -> Plan:
    """Return the plan for this customer's recipients only. Raises Refused as `make_plan`, and AwsProblem."""
    live = read_live()
    own = frozenset([customer.pk])
    scope = scope_of(own, read_desired_state(customers=own), live.rule_set)
    return plan_changes(PlanRequest(scope=scope), live, read_desired_state(customers=own, also_stopped=own))


@transaction.atomic
def stop(*, customer: Customer, because: str, actor: User, bulk_id: str = "") -> None:
    """Stop receiving for the customer; the worker applies it. No effect if it is stopped. Raises Refused."""
    _set_stopped(customer, because, actor, bulk_id, is_stopped=True)


@transaction.atomic
def resume(*, customer: Customer, because: str, actor: User | None, bulk_id: str = "") -> None:
    """Resume receiving for the customer; no effect if it isn't stopped. Raises Refused."""
    _set_stopped(customer, because, actor, bulk_id, is_stopped=False)


def is_stopped(customer: Customer) -> bool:
    return ReceivingStop.objects.filter(customer=customer, is_stopped=True).exists()


def _set_stopped(customer: Customer, because: str, actor: User | None, bulk_id: str, *, is_stopped: bool) -> None:
    require(actor, "tenants.pause_tenant", "Only Trust & Safety can stop and resume a customer's receiving.")
    Customer.locked(customer.pk)
    pause_services.lock_tenants(customer=customer)  # before the stop, as `_mark_applied`
    row = ReceivingStop.objects.filter(customer=customer).first()
    if is_stopped == (row is not None and row.is_stopped):
        return
    fields = {"is_stopped": is_stopped, "asked_at": timezone.now(), "by": actor, "because": because, "settled_at": None}
    row, _ = ReceivingStop.objects.update_or_create(customer=customer, defaults=fields)
    pause_services.record_receiving(customer=customer, asked_at=row.asked_at)
    audit_services.record(
        "receiving.stopped" if is_stopped else "receiving.resumed",
        about=customer_subject(customer),
        actor=actor,
        because=because,
        bulk_id=bulk_id,
        for_staff=True,
    )
    queue_customer_change(customer, actor, urgent=True)


def work(*, collect: bool = False) -> None:
    """Do all waiting work. Idempotent. Raises AwsProblem to wait and retry. `collect`: see `apply_pending_changes`."""
    if not runs_services.is_activation_pending():
        with lanes.within(WorkLane.URGENT):
            apply_pending_changes(stops_only=True)
    with lanes.within(WorkLane.PEOPLE):
        if not _execute_runs():
            return
    with lanes.within(WorkLane.URGENT):
        transfers_services.reconcile_transfers()
    with lanes.within(WorkLane.PEOPLE):
        apply_pending_changes(collect=collect)
        rollback_services.clear_deleting_domains()


def _execute_runs() -> bool:
    """Return False if urgent work waits: its job does the rest."""
    runs = Run.objects.filter(region=settings.AWS_REGION, state__in=UNFINISHED)
    small_first, begun_first = (F(each).asc(nulls_last=True) for each in ("customer", "started_at"))
    for run_id in runs.order_by(small_first, "state", begun_first, "created_at", "id").values_list("pk", flat=True):
        small = _SmallChanges()
        while True:
            small.due.clear()
            runs_services.execute_run(run_id=run_id, yields_to=small.is_due)
            if is_urgent_work_waiting():
                return False
            if not small.due:
                break
            _apply_first(small.due[0])
    return True


def _apply_first(change: PendingChange) -> None:
    own = frozenset([change.customer_id])
    if not _finish_interrupted(own):
        return
    live, state = read_live(), read_desired_state(customers=own)
    isolation.or_else("changes", change, partial(_apply_change, change, live, state), read_live)


class _SmallChanges:
    """Customers' changes that go before what is left of a run: one at once, then again after some steps of the run.

    A change that can't go first isn't asked for again during this run.
    """

    def __init__(self) -> None:
        self._asked: set[tuple[str, datetime]] = set()
        self.due: list[PendingChange] = []
        self._steps = STEPS_BETWEEN

    def is_due(self, rule_set: RuleSet, steps_left: Callable[[], Sequence[Step]]) -> bool:
        """Return whether a change goes first now: `due`."""
        self._steps += 1
        if self._steps <= STEPS_BETWEEN:
            return False
        now, left = timezone.now(), cache(steps_left)
        waiting = PendingChange.objects.select_related("customer", "by").filter(waits_because="")
        found = [each for each in waiting if (each.customer_id, each.changed_at) not in self._asked]
        for change in [each for each in found if not _is_growing(each, now)][:MOST_ASKED]:
            if is_urgent_work_waiting():
                break
            self._asked.add((change.customer_id, change.changed_at))
            may_go = partial(_may_go_first, change, rule_set, left)
            if isolation.or_else("changes", change, may_go, lambda: False):
                self.due, self._steps = [change], 0
                return True
        return False


def _may_go_first(change: PendingChange, rule_set: RuleSet, steps_left: Callable[[], Sequence[Step]]) -> bool:
    """Return whether the change needs no approval, and what is left of the run can be planned around it."""
    if _open_stop(change) or _stopped_before(change, is_stop=False):
        return False
    live = Live.of_active(rule_set)
    try:
        state = read_desired_state(customers=frozenset([change.customer_id]))
        request = _request_for(change, live, state)
        made = plan_changes(request, live, state)
    except (Refused, AwsProblem):
        return False
    if made.waiting or _held_of(change, state) or approval_reason(made, live):
        return False
    others, refused = request.scope or frozenset(), state.desired.refused
    return plan_of_rest(steps_left(), made.after, others=others, refused=refused, limits=limits()) is not None


def has_pending_work() -> bool:
    """Return whether the worker has work here, not counting what waits for an operator."""
    begun = Run.objects.filter(region=settings.AWS_REGION, state__in=UNFINISHED).exists()
    is_ours = ActiveRuleSet.objects.filter(region=settings.AWS_REGION, is_ours=True).exists()
    no_longer = (NOT_ACTIVE, NOT_SET_UP) if is_ours else ()  # also if somebody activated our set in the SES console
    due = PendingChange.objects.filter(waits_because__in=("", *no_longer)).exists()
    return begun or due or bool(_stop_changes()) or transfers_services.has_due_transfers()
