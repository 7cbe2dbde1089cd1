"""A person can end a stuck run with a reason, but never one that is still progressing; the next plan does the rest."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models.people import User
from accounts.roles import Role
from audit.models import Change
from inbound_admin.lib.errors import Refused
from receipt_rules.auto_apply import services as auto_apply_services
from receipt_rules.models.runs import Run, RunState
from receipt_rules.planner import services as planner_services
from receipt_rules.runs import services as runs_services
from sandbox.process import Sandbox
from tests.factories import make_staff
from tests.receipt_rules.factories import make_address, make_operator, make_verified, rule_count

pytestmark = pytest.mark.django_db


@pytest.fixture
def olga() -> User:
    return make_operator()


@pytest.fixture
def stuck(sandbox: Sandbox, olga: User) -> Run:
    """Approved and started by a worker that has since died."""
    make_address("billing@shop.com", make_verified("shop.com"))
    run = planner_services.approve(digest=planner_services.plan_changes().digest, because="as planned", actor=olga)
    Run.objects.update(state=RunState.RUNNING, created_at=timezone.now() - timedelta(hours=1))
    run.refresh_from_db()
    return run


def test_unlocking_records_who_and_why_and_the_next_plan_does_the_rest(stuck: Run, olga: User) -> None:
    runs_services.unlock(run=stuck, because="The machine burnt down.", actor=olga, bulk_id="")
    stuck.refresh_from_db()
    assert (stuck.state, stuck.cancelled_by) == (RunState.FAILED, olga)
    assert "Ended manually after 0 of" in stuck.problem
    line = Change.objects.get(what="rules.unlocked")
    assert (line.actor_id, line.because, line.before["state"], line.after["state"]) == (
        str(olga.pk),
        "The machine burnt down.",
        "running",
        "failed",
    )
    planner_services.approve(digest=planner_services.plan_changes().digest, because="the rest", actor=olga)
    auto_apply_services.work()
    assert rule_count("billing@shop.com") == 1


def test_a_surviving_worker_executes_no_further_step_of_an_unlocked_run(
    stuck: Run, olga: User, sandbox: Sandbox
) -> None:
    runs_services.unlock(run=stuck, because="x", actor=olga, bulk_id="")
    sandbox.control.clear_calls()
    assert runs_services.execute_run(run_id=stuck.pk) is None
    assert sandbox.control.write_calls() == ()
    stuck.refresh_from_db()
    assert stuck.state == RunState.FAILED


def test_unlocking_is_refused_without_reason_permission_or_a_stuck_run(stuck: Run, olga: User) -> None:
    with pytest.raises(Refused, match="Enter a reason"):
        runs_services.unlock(run=stuck, because=" ", actor=olga, bulk_id="")
    with pytest.raises(Refused, match="Only operators"):
        runs_services.unlock(run=stuck, because="x", actor=make_staff(Role.SUPPORT), bulk_id="")
    Run.objects.update(started_at=timezone.now() - timedelta(minutes=2))
    stuck.refresh_from_db()
    with pytest.raises(Refused, match="isn't stuck"):
        runs_services.unlock(run=stuck, because="x", actor=olga, bulk_id="")
    Run.objects.update(state=RunState.DONE)
    with pytest.raises(Refused, match="already ended"):
        runs_services.unlock(run=stuck, because="x", actor=olga, bulk_id="")
    assert not Change.objects.filter(what="rules.unlocked").exists()


def test_the_admin_action_unlocks_a_run_with_a_reason_and_reports_the_result(stuck: Run, olga: User) -> None:
    client, url = Client(), reverse("admin:receipt_rules_run_changelist")
    client.force_login(olga)
    given = {"action": "unlock", "_selected_action": [stuck.pk]}
    assert "Enter a reason" in client.post(url, given, follow=True).text
    assert "Done: " in client.post(url, given | {"because": "It hangs."}, follow=True).text
    assert "The run has already ended" in client.post(url, given | {"because": "It hangs."}, follow=True).text
