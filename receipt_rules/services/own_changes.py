"""What customers changed themselves is carried out without approval, where it is small and touches nobody else."""

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from domains.core.records import RECEIVING_REGIONS
from inbound_admin.lib.errors import Refused
from receipt_rules.core.plans import Method, Plan
from receipt_rules.core.rules import Rule
from receipt_rules.core.steps import Create, Delete, Step, Update
from receipt_rules.models import PendingChange, ReceivingStop, Run, RunKind, RunState
from receipt_rules.services import reading, running
from receipt_rules.services.desiring import Wanted, scope_of, wanted
from receipt_rules.services.planning import Asked, newly_broken, plan_for, store_run
from receipt_rules.services.reading import Live, read_live

NO_REGION = "Amazon receives no mail in {region}."
NOT_SET_UP = "Receiving is not set up in this region yet. An operator has to do that first; then this is carried out."
FOR_OPERATOR = "This needs a look by an operator first, because of the other mail that is received here."
TOO_MANY = "This concerns {number} addresses at once. An operator looks at it first."
STOPPED = (RunState.FAILED, RunState.CANCELLED)
FAILED = "This was stopped before Amazon had taken all of it. An operator has to look at it."


def carry_out_changes() -> None:
    """Of each customer in turn, one plan and one run. Raises AwsProblem where to wait."""
    pending = list(PendingChange.objects.select_related("customer", "by"))
    if settings.AWS_REGION not in RECEIVING_REGIONS:
        PendingChange.objects.update(waits_because=NO_REGION.format(region=settings.AWS_REGION))
        return
    if not pending:
        return
    live, wanted_now = read_live(), wanted()  # in this order: the rows are newer than what is pending
    for change in pending:
        live = _carry_out(change, live, wanted_now)


def _carry_out(change: PendingChange, live: Live, wanted_now: Wanted) -> Live:
    """Returns what is live now."""
    asked = Asked(scope=scope_of(frozenset([change.customer_id]), wanted_now, live.rule_set))
    try:
        made = plan_for(asked, live, wanted_now)
    except Refused:
        return _wait(change, FOR_OPERATOR if live.is_active else NOT_SET_UP, live)
    stop = ReceivingStop.objects.filter(customer=change.customer_id, settled_at=None).first()
    why = _why_not_as_staff_ask(live) if stop else why_not_at_once(made, live)
    if why:
        return _wait(change, why, live)
    if made.is_empty:
        reading.note_what_is_live(live.rule_set, change.customer_id)
        return _settle(change, live)
    if _failed_before(change):
        return _wait(change, FAILED, live)
    with transaction.atomic():
        kind, actor = (RunKind.APPROVED, stop.by) if stop else (RunKind.CUSTOMER, change.by)
        run = store_run(made, asked, kind=kind, actor=actor, customer=change.customer)
    after = running.carry_out(run_id=run.pk, active=live.rule_set)
    if after is None:
        return _wait(change, FAILED, live) if _failed_before(change) else read_live()
    return _settle(change, Live(after, live.sets, live.knows_all))


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
