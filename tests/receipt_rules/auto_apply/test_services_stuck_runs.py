"""A run that does not move is ended by a person: with a reason, never while it moves, and nothing is lost by it."""

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
from tests.receipt_rules.factories import make_address, make_operator, make_verified, taken

pytestmark = pytest.mark.django_db


@pytest.fixture
def olga() -> User:
    return make_operator()


@pytest.fixture
def stuck(sandbox: Sandbox, olga: User) -> Run:
    """Approved and begun by a worker that is gone since."""
    make_address("billing@shop.com", make_verified("shop.com"))
    run = planner_services.approve(digest=planner_services.plan_changes().digest, because="as planned", actor=olga)
    Run.objects.update(state=RunState.RUNNING, created_at=timezone.now() - timedelta(hours=1))
    run.refresh_from_db()
    return run


def test_it_is_ended_with_who_and_why_and_the_next_plan_does_what_is_left(stuck: Run, olga: User) -> None:
    auto_apply_services.unlock(run=stuck, because="The machine burnt down.", actor=olga)
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
    assert taken("billing@shop.com") == 1


def test_a_worker_that_lives_after_all_makes_no_further_step_of_it(stuck: Run, olga: User, sandbox: Sandbox) -> None:
    auto_apply_services.unlock(run=stuck, because="x", actor=olga)
    sandbox.control.clear_calls()
    assert runs_services.execute_run(run_id=stuck.pk) is None
    assert sandbox.control.write_calls() == ()
    stuck.refresh_from_db()
    assert stuck.state == RunState.FAILED


def test_what_moves_is_over_or_has_no_reason_is_left_alone(stuck: Run, olga: User) -> None:
    with pytest.raises(Refused, match="Enter a reason"):
        auto_apply_services.unlock(run=stuck, because=" ", actor=olga)
    with pytest.raises(Refused, match="Only operators"):
        auto_apply_services.unlock(run=stuck, because="x", actor=make_staff(Role.SUPPORT))
    Run.objects.update(started_at=timezone.now() - timedelta(minutes=2))
    stuck.refresh_from_db()
    with pytest.raises(Refused, match="isn't stuck"):
        auto_apply_services.unlock(run=stuck, because="x", actor=olga)
    Run.objects.update(state=RunState.DONE)
    with pytest.raises(Refused, match="already ended"):
        auto_apply_services.unlock(run=stuck, because="x", actor=olga)
    assert not Change.objects.filter(what="rules.unlocked").exists()


def test_django_admin_ends_it_with_a_reason_and_says_so_for_each_run(stuck: Run, olga: User) -> None:
    client, url = Client(), reverse("admin:receipt_rules_run_changelist")
    client.force_login(olga)
    given = {"action": "unlock", "_selected_action": [stuck.pk]}
    assert "Enter a reason" in client.post(url, given, follow=True).text
    assert "Done: " in client.post(url, given | {"because": "It hangs."}, follow=True).text
    assert "The run has already ended" in client.post(url, given | {"because": "It hangs."}, follow=True).text
