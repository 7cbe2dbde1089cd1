"""Approving a plan while SES doesn't answer changes nothing and keeps the chosen options and typed text."""

import re

import pytest
from django.test import Client
from django.urls import reverse

from receipt_rules.models.runs import Run
from receipt_rules.plan_drafts import services as plan_drafts_services
from receipt_rules.planner import services as planner_services
from receipt_rules.planner.services import PlanRequest
from sandbox.process import Sandbox
from tests.receipt_rules.factories import make_address, make_unmanaged_rule, make_verified, set_up_receiving

pytestmark = pytest.mark.django_db
PLAN = "receipt_rules:plan"
TAKE_OVER = PlanRequest(take_over=frozenset({"theirs"}))


@pytest.fixture
def olga_client(sandbox: Sandbox, client: Client) -> Client:
    client.force_login(set_up_receiving())
    make_address("info@maple.com", make_verified("maple.com"))
    make_unmanaged_rule("theirs", ["info@maple.com"])
    return client


def chosen_options() -> dict[str, str]:
    return {
        "digest": planner_services.plan_changes(TAKE_OVER).digest,
        "take_over": "theirs",
        "because": "It was moved in",
        "typed": "inbound-mail",
    }


def fail_reads(sandbox: Sandbox) -> None:
    for call in ("ses:DescribeActiveReceiptRuleSet", "ses:ListReceiptRuleSets"):
        sandbox.control.add_fault("error", call, times=None)


def fields_of(page: str) -> dict[str, str]:
    """Return the fields of the form *Approve again*."""
    part = page[page.index('id="approve-again"') :]
    hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', part))
    reason = re.search(r'<textarea name="because"[^>]*>\s*([^<]*)</textarea>', part)
    typed = re.search(r'<input type="text" name="typed" value="([^"]*)"', part)
    assert reason is not None
    assert typed is not None
    return hidden | {"because": reason[1].strip(), "typed": typed[1]}


def test_an_approval_without_an_answer_changes_nothing_and_keeps_the_form(
    sandbox: Sandbox, olga_client: Client
) -> None:
    given = chosen_options()
    fail_reads(sandbox)
    answer = olga_client.post(reverse(PLAN), given)
    assert answer.status_code in (502, 503)
    assert "Plan not approved" in answer.text
    assert "Nothing was changed in SES." in answer.text
    assert "Showing the rules" not in answer.text
    assert not Run.objects.filter(digest=given["digest"]).exists()
    fields = fields_of(answer.text)
    assert {name: fields[name] for name in given} == given
    sandbox.control.clear_faults()
    assert olga_client.post(reverse(PLAN), fields).status_code == 302
    assert Run.objects.get(digest=given["digest"]).because == given["because"]


def test_the_link_to_the_current_plan_keeps_the_chosen_options(sandbox: Sandbox, olga_client: Client) -> None:
    given = chosen_options()
    fail_reads(sandbox)
    assert f"{reverse(PLAN)}?take_over=theirs" in olga_client.post(reverse(PLAN), given).text
    page = olga_client.get(reverse(PLAN) + "?take_over=theirs&compacting=1")
    assert "Can’t create a plan" in page.text
    assert "Plan not approved" not in page.text
    assert "Showing the rules" not in page.text
    assert "take_over=theirs&amp;compacting=1" in page.text
    assert 'id="approve-again"' not in page.text


def test_a_failed_approval_by_the_worker_keeps_the_form(
    sandbox: Sandbox, olga_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan_drafts_services, "is_large", lambda: True)
    given = chosen_options()
    where = olga_client.post(reverse(PLAN), given)["Location"]
    fail_reads(sandbox)
    plan_drafts_services.make_draft(draft_id=where.rpartition("draft=")[2])
    page = olga_client.get(where)
    assert "Plan not approved" in page.text
    fields = fields_of(page.text)
    assert {name: fields[name] for name in given} == given


def test_a_failed_decision_on_drift_says_that_nothing_was_changed(sandbox: Sandbox, olga_client: Client) -> None:
    fail_reads(sandbox)
    answer = olga_client.post(reverse("receipt_rules:rules"), {"do": "accept", "because": "Theirs"})
    assert answer.status_code == 422
    assert "Nothing was changed" in answer.text
