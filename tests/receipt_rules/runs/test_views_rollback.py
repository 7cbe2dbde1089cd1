"""A run links to its rollback, snapshots count what a rollback restores, and a failure has one next step."""

import pytest
from django.test import Client
from django.urls import reverse

from accounts.roles import Role
from domains.models.domains import Domain
from inbound_admin.lib import aws
from inbound_admin.lib.errors import QUOTA_STEP, AwsProblem
from receipt_rules.live import services as live_services
from receipt_rules.models.runs import Run, Snapshot
from receipt_rules.planner import services as planner_services
from receipt_rules.run_executor.services import explain
from sandbox.process import Sandbox
from tests.factories import make_staff
from tests.receipt_rules.factories import (
    approve_and_run,
    live,
    make_address,
    make_unmanaged_rule,
    make_verified,
    set_up_receiving,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def run(sandbox: Sandbox, client: Client) -> Run:
    olga = set_up_receiving()
    client.force_login(olga)
    domain = make_verified("shop.com")
    make_address("a@shop.com", domain)
    approve_and_run(olga)
    make_unmanaged_rule("theirs", ["x@letters.example", "y@letters.example"])
    make_address("b@shop.com", domain)
    return approve_and_run(olga)


def test_a_run_links_to_the_rollback_to_the_state_before_it(client: Client, run: Run) -> None:
    assert run.started_from is not None
    page = client.get(reverse("receipt_rules:run", args=[run.pk])).text
    assert f"{reverse('receipt_rules:plan')}?snapshot={run.started_from.pk}" in page
    assert "Roll back to before this run…" in page


def test_snapshots_count_rules_and_recipients_like_the_rules_page(client: Client, run: Run) -> None:
    kept = Snapshot.objects.filter(run=run).latest("at")
    rules, recipients, _ = client.get(reverse("receipt_rules:rules"), {"now": "1"}).context["meters"]
    assert (kept.own_rules, kept.foreign_rules, kept.rules) == (rules.used - 1, 1, rules.used)
    assert kept.own_recipients == recipients.used
    assert "and 1 unmanaged" in client.get(reverse("receipt_rules:states")).text
    assert live_services.read_live().rule_set.foreign


def test_a_fixed_ses_quota_has_one_next_step() -> None:
    sentence = f"We couldn't change the rule x: an AWS quota is used up. {QUOTA_STEP} (LimitExceeded)"
    explained = explain(AwsProblem(sentence, aws_code="LimitExceeded", aws_message="Too many recipients"))
    assert QUOTA_STEP not in explained
    assert explained.endswith("Compact the rules, or delete unused rule sets.")
    other = AwsProblem(sentence, aws_code="LimitExceededException")
    assert QUOTA_STEP in explain(other)


def test_a_reenabled_rule_and_a_snapshot_with_a_disabled_rule_are_shown_as_such(client: Client, run: Run) -> None:
    ses = aws.client("ses")
    name = live().ours[0].name
    rule = ses.describe_receipt_rule(RuleSetName="inbound-mail", RuleName=name)["Rule"]
    ses.update_receipt_rule(RuleSetName="inbound-mail", Rule=rule | {"Enabled": False})
    page = client.get(reverse("receipt_rules:plan")).text
    assert (
        f"Update rule {name}: 0 added, 0 removed, disabled → enabled (2 recipients start receiving through it)" in page
    )
    assert "<del>none: the rule is disabled, and SES rejects this mail</del>" in page
    live_services.store_snapshot(live_services.read_live().rule_set)
    assert f"{name} disabled" in client.get(reverse("receipt_rules:states")).text


def test_a_second_approval_of_the_same_plan_says_that_it_was_already_approved(client: Client, run: Run) -> None:
    domain = Domain.objects.get(name="shop.com")
    make_address("c@shop.com", domain)
    form = {"digest": planner_services.plan_changes().digest, "because": "as planned"}
    client.post(reverse("receipt_rules:plan"), form)
    first = run.approved_by
    client.force_login(make_staff(Role.OPERATOR))
    page = client.post(reverse("receipt_rules:plan"), form | {"because": "mine"}, follow=True).text
    assert f"{first} already approved this plan. Your approval and your reason weren’t recorded." in page
    assert Run.objects.latest("created_at").because == "as planned"
