"""Plans what is left of a run again: after other runs went first, or around a rule that must stay unchanged."""

from django.db import transaction

from inbound_admin.lib.errors import AwsProblem, Refused
from receipt_rules.models.runs import Run, RunStep, StepState
from receipt_rules.planner import services as planner_services
from receipt_rules.planner.core.plans import MOST_SENTENCES, Plan, dump
from receipt_rules.planner.core.rest import fit, plan_of_rest
from receipt_rules.planner.selectors import newly_broken
from receipt_rules.planner.services import PlanRequest
from receipt_rules.run_executor.services import RunExecutor


def replan_after_others(run: Run, executor: RunExecutor) -> None:
    """Plan what is left again, if runs that went first changed only other recipients in its rules.

    Otherwise the steps stay, and the first that doesn't fit the live rules stops the run.
    """
    if executor.activation is not None or run.asked.get("compacting"):
        return
    left, live = executor.steps_left(), executor.live()
    if fit(left, live):
        return
    meanwhile = RunStep.objects.filter(run__region=run.region, done_at__gte=run.started_at).exclude(run=run)
    scopes = Run.objects.filter(pk__in=meanwhile.values("run")).values_list("scope", flat=True)
    others = {one for scope in scopes for one in scope or ()}
    made = plan_of_rest(
        left,
        live,
        others=frozenset(others),
        refused=planner_services.read_desired_state(customers=frozenset()).desired.refused,
        limits=planner_services.limits(),
    )
    if made is not None:
        _replace_steps(run, made)
        executor.read_steps()


@transaction.atomic
def _replace_steps(run: Run, made: Plan) -> None:
    rows = run.steps.filter(state=StepState.TO_DO)
    first = rows.values_list("number", flat=True)[0]
    rows.delete()
    RunStep.objects.bulk_create(
        RunStep(run=run, number=number, step=dump(step), sentence=str(step))
        for number, step in enumerate(made.steps, start=first)
    )


def plan_within_approval(run: Run, executor: RunExecutor) -> tuple[Plan | None, PlanRequest]:
    """Plan the same recipients again. None if the plan does something that wasn't approved, or SES can't be read."""
    request = PlanRequest(
        scope=executor.changed_recipients(),
        take_over=executor.rules_to_take_over(),
        snapshot=run.asked["snapshot"],
        customer=run.asked["customer"],
        domain=run.asked["domain"],
    )
    if run.asked["compacting"] or not executor.is_limited_to_own_set() or len(run.consequences) >= MOST_SENTENCES:
        return None, request
    try:
        made = planner_services.plan_changes(request)
    except (Refused, AwsProblem):
        return None, request
    is_approved = {each.sentence for each in made.consequences} <= set(run.consequences)
    return (made if is_approved and not newly_broken(made) else None), request
