"""The plan page offers to adopt all rules of the previous system, with a preview."""

import pytest
from django.test import Client
from django.urls import reverse

from receipt_rules.auto_apply import services as auto_apply_services
from receipt_rules.models.addresses import CatchAll
from receipt_rules.models.runs import Run, RunState
from receipt_rules.planner.services import PlanRequest, plan_changes
from sandbox.process import Sandbox
from tests.domains.factories import seed_identities
from tests.receipt_rules.factories import (
    live,
    make_address,
    make_operator,
    make_unmanaged_rule,
    make_verified,
    set_up_receiving,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def olga_client(client: Client, sandbox: Sandbox) -> Client:
    """Start with two rules of the old style and one of another program."""
    operator = make_operator()
    for name, recipients in (
        ("shop.com-rule", ["billing@shop.com"]),
        ("theirs", ["a@else.com"]),
        ("other.com-catchall-rule", ["a@other.com"]),
    ):
        make_unmanaged_rule(name, recipients, rule_set="inbound-mail", create_set=name == "shop.com-rule")
    make_address("billing@shop.com", make_verified("shop.com"))
    make_address("a@other.com", make_verified("other.com"))
    client.force_login(operator)
    return client


def test_all_old_style_rules_are_adopted_by_one_plan_and_others_stay(olga_client: Client) -> None:
    url = reverse("receipt_rules:plan")
    assert "Take over all 2" in olga_client.get(url).content.decode()
    shown = olga_client.get(url + "?old_style=1").content.decode()
    assert "This plan takes over 2 rules" in shown
    assert "shop.com-rule" in shown
    digest = plan_changes(PlanRequest(old_style=True)).digest
    answer = olga_client.post(
        url, {"digest": digest, "because": "the old system is gone", "old_style": "1", "typed": "inbound-mail"}
    )
    assert answer.status_code == 302
    auto_apply_services.work()
    assert Run.objects.get().state == RunState.DONE
    assert [rule.name for rule in live().foreign] == ["theirs"]
    assert {name for rule in live().ours for name in rule.recipients} == {"billing@shop.com", "a@other.com"}


def test_adoption_is_offered_while_old_rules_and_ours_match_the_same_mail(olga_client: Client) -> None:
    set_up_receiving(make_operator())
    page = olga_client.get(reverse("receipt_rules:plan")).content.decode()
    assert "No changes" in page
    assert "Plan takeover of 2 older rules" in page


def test_adoption_is_not_offered_without_old_style_rules(client: Client, sandbox: Sandbox) -> None:
    client.force_login(make_operator())
    make_unmanaged_rule("theirs", ["a@else.com"], rule_set="inbound-mail", create_set=True)
    make_address("a@shop.com", make_verified("shop.com"))
    page = client.get(reverse("receipt_rules:plan")).content.decode()
    assert "Take over all" not in page
    assert "theirs" in page


def test_the_plan_names_a_bounce_rule_that_also_hits_an_address_that_it_serves(
    client: Client, sandbox: Sandbox
) -> None:
    """The previous system's rule for an inactive address bounces its mail; the domain has a catch-all here."""
    client.force_login(make_operator())
    make_unmanaged_rule("theirs", ["a@else.com"], rule_set="inbound-mail", create_set=True)
    bounce = {"BounceAction": {"SmtpReplyCode": "550", "Message": "No such user.", "Sender": "postmaster@shop.com"}}
    seed_identities(["shop.com"], ownership="Success", dkim="Success")
    make_unmanaged_rule("shop.com-rule", ["noreply@shop.com"], actions=[bounce])
    CatchAll.objects.create(domain=make_verified("shop.com"))
    page = client.get(reverse("receipt_rules:plan")).text
    assert "1 delivered and also bounced" in page
    assert "Delivered and also bounced" in page
    assert "a bounce by shop.com-rule" in page
    assert "1 of 2 addresses are delivered and also bounced." in page
    plan = plan_changes(PlanRequest())
    assert "noreply@shop.com is delivered and also bounced: shop.com-rule" in plan.consequences[0].sentence
