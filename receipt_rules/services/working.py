"""All that waits for the worker: runs that were approved or cut off, then what customers changed."""

from receipt_rules.models import UNFINISHED, PendingChange, Run
from receipt_rules.services import holder_changes, kept_rule_sets, own_changes, running
from receipt_rules.services.queue import work_soon


def work() -> None:
    """Repeating it is harmless. Raises AwsProblem where to wait."""
    for run_id in (
        Run.objects.filter(state__in=UNFINISHED).order_by("state", "created_at", "id").values_list("pk", flat=True)
    ):
        running.carry_out(run_id=run_id)
    holder_changes.look()
    own_changes.carry_out_changes()
    kept_rule_sets.clear_leaving()


def carry_on() -> None:
    """What was begun and has no job any more is queued again; what waits for an operator waits."""
    begun = Run.objects.filter(state__in=UNFINISHED).exists()
    if begun or PendingChange.objects.filter(waits_because="").exists() or holder_changes.are_waiting():
        work_soon(unless_running=True)
