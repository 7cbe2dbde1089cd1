"""Runs, their steps and the states to go back to; and who may see the rules, which serve all customers."""

from django.conf import settings
from django.db.models import QuerySet

from accounts.people.selectors import Viewer
from audit.services import Subject
from receipt_rules.models.runs import Run, RunStep, Snapshot, StepState


def rule_set_subject(name: str, customer_id: str = "") -> Subject:
    """Return the subject of a rule set. With a customer, its members may read the log entry."""
    return Subject("rule_set", name, name, customer_id)


def runs() -> QuerySet[Run]:
    """Return runs for operators, newest first."""
    return Run.objects.select_related("approved_by", "customer", "cancelled_by", "confirmed_by")


def may_see_rules(viewer: Viewer) -> bool:
    """The rules serve all customers, so only staff can see them."""
    return viewer.is_active and viewer.has_perm("receipt_rules.view_run")


def may_operate(viewer: Viewer) -> bool:
    return viewer.is_active and viewer.has_perm("receipt_rules.operate_rules")


def snapshots() -> QuerySet[Snapshot]:
    """Return the states to roll back to, newest first."""
    return Snapshot.objects.select_related("run").defer("content").filter(region=settings.AWS_REGION)


def steps_of(run: Run) -> QuerySet[RunStep]:
    return RunStep.objects.filter(run=run).order_by("number")


def steps_done(run: Run) -> int:
    return RunStep.objects.filter(run=run, state=StepState.DONE).count()
