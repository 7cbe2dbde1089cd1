"""A run that does not move any more is ended by a person, so that others can go on.

What is done stays, and what is left stands in no run: the next plan reads Amazon, so a call of the old worker that
lands late is seen there. A worker that lives after all stops before its next step: the run is asked to stop as well.
"""

from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from changes import services as changes
from inbound_admin.lib.errors import Refused
from receipt_rules.core.stored import load
from receipt_rules.models import UNFINISHED, Run, RunState, StepState
from receipt_rules.services.queue import work_soon
from receipt_rules.services.subjects import rule_set_subject
from tenants.models import User

STUCK_AFTER = timedelta(minutes=15)  # many times what a step takes at the shared pace


@transaction.atomic
def unlock(*, run: Run, because: str, actor: User, now: datetime | None = None, bulk_id: str = "") -> None:
    """Raises Refused when it is over or moved lately, without a reason, or for want of the right."""
    if not actor.has_perm("receipt_rules.operate_rules"):
        raise Refused("Runs are ended by operators.", code="NOT_ALLOWED")
    if not because.strip():
        raise Refused("Say why the run is ended by hand; the next person will ask.", code="REASON_MISSING")
    now = now or timezone.now()
    locked = Run.objects.select_for_update(of=("self",)).filter(pk=run.pk, state__in=UNFINISHED).first()
    if locked is None:
        raise Refused("It is over already.", code="RUN_OVER")
    if moved_at(locked) > now - STUCK_AFTER:
        raise Refused(
            f"It moved less than {STUCK_AFTER.seconds // 60} minutes ago, so it is not stuck. Stop it instead.",
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
    locked.problem = f"Ended by hand after {done} of {steps} steps: {because} Plan again for what is left."
    locked.save(update_fields=("state", "ended_at", "cancelled_by", "cancelled_at", "problem"))
    last = locked.steps.last()
    changes.record(
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
