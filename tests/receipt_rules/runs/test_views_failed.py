"""The page of a failed run says what is live now, what is left over, and what to do next."""

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from inbound_admin.lib import aws
from receipt_rules.live.gateway import list_rule_sets
from receipt_rules.models.runs import Run, RunState
from receipt_rules.planner.core.consequences import conditional
from receipt_rules.planner.core.plans import Method
from receipt_rules.planner.services import PlanRequest
from receipt_rules.rollback.services import delete_rule_set, old_rule_sets
from sandbox.process import Sandbox
from tests.receipt_rules.factories import approve_and_run, make_address, make_verified, set_up_receiving

pytestmark = pytest.mark.django_db
CLONE = "inbound-mail-002"


@pytest.fixture
def failed(sandbox: Sandbox, client: Client, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Fail a blue/green run whose credentials may clone a rule set but not update a rule."""
    monkeypatch.setattr(aws, "ATTEMPTS", 1)
    domain = make_verified("shop.com")
    make_address("a@shop.com", domain)
    olga = set_up_receiving()
    client.force_login(olga)
    for name in "bc":
        make_address(f"{name}@shop.com", domain)
    sandbox.control.add_fault("denied", "UpdateReceiptRule", times=None)
    run = approve_and_run(olga, PlanRequest(method=Method.BLUE_GREEN))
    sandbox.control.clear_faults()
    assert run.state == RunState.FAILED
    return run


def page_of(client: Client, run: Run) -> str:
    return client.get(reverse("receipt_rules:run", args=[run.pk])).text


def test_headline_and_impact_are_in_the_conditional(client: Client, failed: Run) -> None:
    page = page_of(client, failed)
    assert "Planned, not applied: 2 addresses would have started receiving." in page
    assert "b@shop.com would have started receiving" in page
    assert "starts receiving" not in page
    assert "start receiving" not in page


def test_the_page_names_the_failed_step_the_active_rule_set_and_the_leftover_clone(client: Client, failed: Run) -> None:
    page = page_of(client, failed)
    assert page.count('<span class="sr-only">Failed: </span>') == 1
    assert "To do: " not in page
    assert "Nothing was activated: the active rule set is unchanged." in page
    assert CLONE in page.partition('id="left"')[2].partition("</p>")[0]
    assert "Plan again" in page
    assert "Roll back" not in page


def test_an_access_denied_error_names_the_missing_permission(client: Client, failed: Run) -> None:
    assert "Our credentials lack the permission ses:UpdateReceiptRule." in failed.problem
    assert "An operator must check our credentials" not in page_of(client, failed)


def test_the_leftover_clone_can_be_deleted(client: Client, failed: Run) -> None:
    assert old_rule_sets() == (CLONE,)
    assert failed.approved_by is not None
    delete_rule_set(name=CLONE, actor=failed.approved_by)
    assert CLONE not in {each.name for each in list_rule_sets()[0]}


def test_a_partly_completed_run_says_that_it_is_partly_applied(
    client: Client, sandbox: Sandbox, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aws, "ATTEMPTS", 1)
    settings.SES_RECIPIENTS_PER_RULE = 1
    olga = set_up_receiving()
    client.force_login(olga)
    domain = make_verified("shop.com")
    for name in "ab":
        make_address(f"{name}@shop.com", domain)
    sandbox.control.add_fault("denied", "CreateReceiptRule", nth=2, times=None)
    page = page_of(client, approve_and_run(olga))
    assert "Applied in part. Planned: 2 addresses would have started receiving." in page
    assert "The active rule set has the completed steps. The others are missing." in page
    assert "Roll back to before this run…" in page


def test_every_consequence_has_a_conditional_form() -> None:
    summary = "2 addresses stop receiving, 1 changes destination, 3 are stored more than once, 4 start receiving."
    assert conditional(summary) == (
        "2 addresses would have stopped receiving, 1 would have changed destination, "
        "3 would have been stored more than once, 4 would have started receiving."
    )
