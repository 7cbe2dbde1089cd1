"""The operators' pages: rules, plans, runs, setup and simulator."""

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from accounts.api_keys.services import create_api_key
from accounts.models.people import Customer
from accounts.roles import Role
from domains.jobs import queue_set_up
from inbound_admin.lib import aws
from receipt_rules.auto_apply import services as auto_apply_services
from receipt_rules.models.addresses import Address, CatchAll
from receipt_rules.models.expectations import Expectation, Expected
from receipt_rules.models.runs import OwnRuleSet, Run, RunKind, RunState
from receipt_rules.permissions import services as permissions_services
from receipt_rules.planner.core.plans import Method
from receipt_rules.planner.services import PlanRequest, plan_changes
from sandbox.process import Sandbox
from tests.domains.factories import make_domain
from tests.factories import make_staff
from tests.messages import message_text
from tests.receipt_rules.factories import (
    approve_and_run,
    live,
    make_address,
    make_endpoint,
    make_unmanaged_rule,
    make_verified,
    rule_count,
    set_up_receiving,
)

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}
NOW = {"now": "1"}  # in the URL: the rules are read from SES


# --- rules, plans, runs ----------------------------------------------------------------------------------------------


@pytest.fixture
def mixed(alices: Customer) -> None:
    domain = make_verified("shop.com", customer=alices)
    make_address("billing@shop.com", domain, endpoint=make_endpoint(alices, s3_prefix="billing/"))
    CatchAll.objects.create(domain=domain)


def test_a_plan_is_shown_approved_and_executed(olga_client: Client, mixed: None) -> None:
    url = reverse("receipt_rules:plan")
    page = olga_client.get(url).text
    assert "billing@shop.com" in page
    assert "all other mail at shop.com" in page
    assert "Stored more than once" in page
    assert "SES API calls, about" in page
    form = {"digest": plan_changes().digest, "because": "Alice asked for it", "typed": ""}
    answer = olga_client.post(url, form)
    run = Run.objects.get()
    assert answer["Location"] == reverse("receipt_rules:run", args=[run.id])
    swapped = olga_client.get(answer["Location"], headers=HTMX).text
    assert "hx-trigger" in swapped
    assert "seconds left" in swapped
    auto_apply_services.work()
    done = olga_client.get(answer["Location"], headers=HTMX).text
    assert "hx-trigger" not in done
    assert "Completed and compared with SES." in done
    assert "AWS request ID" in done
    assert (rule_count("billing@shop.com"), rule_count("other@shop.com")) == (2, 1)
    assert "Alice asked for it" in olga_client.get(reverse("receipt_rules:runs")).text


def test_a_plans_duration_includes_the_queued_calls(olga_client: Client, mixed: None, settings: Settings) -> None:
    settings.AWS_CALLS_PER_SECOND = 1
    url = reverse("receipt_rules:plan")
    assert "SES API calls, about 7 seconds." in olga_client.get(url).text
    for _ in range(100):
        queue_set_up(make_domain())
    assert "SES API calls, about 7 minutes." in olga_client.get(url).text


def test_an_outdated_plan_cannot_be_approved(olga_client: Client, mixed: None) -> None:
    answer = olga_client.post(reverse("receipt_rules:plan"), {"digest": "0" * 64, "because": "I checked another"})
    assert answer.status_code == 422
    assert "The rules have changed since you opened this plan" in answer.text
    assert "I checked another" in answer.text
    assert not Run.objects.exists()


def test_a_plan_that_stops_many_addresses_requires_typing_the_rule_sets_name(olga_client: Client, mixed: None) -> None:
    set_up_receiving()
    Address.objects.all().delete()
    CatchAll.objects.all().delete()
    url = reverse("receipt_rules:plan")
    made = plan_changes()
    page = olga_client.get(url).text
    assert f"Type {made.before.name} to confirm" in page
    assert "Stops" in page
    form = {"digest": made.digest, "because": "Alice left"}
    assert "2 of 2 addresses stop receiving" in olga_client.post(url, form).text
    assert olga_client.post(url, form | {"typed": made.before.name}).status_code == 302


def test_support_can_read_the_pages_but_change_nothing(sam_client: Client, mixed: None) -> None:
    for name in ("rules", "plan", "runs", "states", "check", "simulator"):
        url = reverse(f"receipt_rules:{name}")
        page = sam_client.get(url)
        assert page.status_code == 200
        assert "Approve 1" not in page.text
    for name in ("rules", "plan", "simulator"):
        answer = sam_client.post(reverse(f"receipt_rules:{name}"), {"do": "accept", "because": "x", "digest": "y"})
        assert answer.status_code == 403


def test_customers_cannot_see_the_rule_set(alice_client: Client) -> None:
    assert alice_client.get(reverse("receipt_rules:home"))["Location"] == reverse("receipt_rules:addresses")
    for name in ("rules", "plan", "runs", "states", "check"):
        assert alice_client.get(reverse(f"receipt_rules:{name}")).status_code == 403
    assert alice_client.get(reverse("receipt_rules:rule", args=["inbound-admin-000001"])).status_code == 403
    assert alice_client.get(reverse("receipt_rules:simulator")).status_code == 200  # for their own addresses
    page = alice_client.get(reverse("receipt_rules:addresses")).text
    assert reverse("receipt_rules:endpoints") in page
    assert reverse("receipt_rules:rules") not in page


def test_the_rules_page_shows_recipients_and_capacity(olga_client: Client, mixed: None) -> None:
    set_up_receiving()
    make_unmanaged_rule("of-somebody", ["x@elsewhere.com"], rule_set="inbound-mail")
    page = olga_client.get(reverse("receipt_rules:rules"), NOW).text
    shown = (
        "Managed",
        "Unmanaged",
        "of-somebody",
        "x@elsewhere.com",
        "3 of 200",
        "in the last 30 days",
    )
    for words in shown:
        assert words in page
    assert "Rule of-somebody was created outside this system" in page


def test_a_rule_shows_its_recipients_what_they_cover_and_their_customers(olga_client: Client, mixed: None) -> None:
    set_up_receiving()
    make_unmanaged_rule("of-somebody", ["sales@elsewhere.com", ".elsewhere.com"], rule_set="inbound-mail")
    rules = olga_client.get(reverse("receipt_rules:rules"), NOW).context["rows"]
    managed = next(row.rule.name for row in rules if "billing@shop.com" in row.first)
    page = olga_client.get(reverse("receipt_rules:rule", args=[managed])).text
    for words in ("billing@shop.com", "One address, and with any +label", "Alice Ltd<", "Managed", "Showing the rule"):
        assert words in page
    page = olga_client.get(reverse("receipt_rules:rule", args=["of-somebody"]), NOW).text
    for words in ("Read from SES just now", "2 recipients at domains of no customer", "address at every subdomain"):
        assert words in page
    found = olga_client.get(reverse("receipt_rules:rules"), {"q": "sales@"}).text
    assert f"{reverse('receipt_rules:rule', args=['of-somebody'])}?q=sales%40" in found
    part = olga_client.get(reverse("receipt_rules:rule", args=["of-somebody"]), {"q": "sales@"}, headers=HTMX).text
    assert "sales@elsewhere.com" in part
    assert "address at every subdomain" not in part
    assert "<html" not in part


def test_a_rule_that_is_gone_is_not_shown_as_if_it_existed(olga_client: Client, mixed: None, sandbox: Sandbox) -> None:
    set_up_receiving()
    gone = olga_client.get(reverse("receipt_rules:rule", args=["inbound-admin-gone"]), NOW)
    assert gone.status_code == 404
    assert "inbound-mail has no rule inbound-admin-gone" in gone.text
    part = olga_client.get(reverse("receipt_rules:rule", args=["inbound-admin-gone"]), {"q": "x"}, headers=HTMX)
    assert (part.status_code, part.headers["HX-Refresh"], part.text) == (404, "true", "")
    sandbox.control.add_fault("error", "ses:DescribeActiveReceiptRuleSet", times=None)
    name = olga_client.get(reverse("receipt_rules:rules")).context["rows"][0].rule.name
    silent = olga_client.get(reverse("receipt_rules:rule", args=[name]), NOW).text
    assert "Amazon SES isn’t responding" in silent
    assert "Showing the rules as read" in silent


def test_a_long_rule_has_pages(olga_client: Client) -> None:
    recipients = [f"a{number:03}@elsewhere.com" for number in range(101)]
    make_unmanaged_rule("long", recipients, rule_set="inbound-mail", create_set=True)
    url = reverse("receipt_rules:rule", args=["long"])
    first, second = olga_client.get(url, NOW).text, olga_client.get(url, {"page": 2}).text
    assert "a099@elsewhere.com" in first
    assert "a100@elsewhere.com" not in first
    assert "a100@elsewhere.com" in second


def test_a_difference_is_ignored_or_accepted_only_with_a_reason(olga_client: Client, mixed: None) -> None:
    set_up_receiving()
    make_unmanaged_rule("of-somebody", ["x@elsewhere.com"], rule_set="inbound-mail")
    url = reverse("receipt_rules:rules")
    key = olga_client.get(url, NOW).context["found"][0].key
    assert olga_client.post(url, {"do": "ignore", "key": key, "because": ""}).status_code == 422
    assert olga_client.post(url, {"do": "ignore", "key": key, "because": "They told us"}).status_code == 302
    assert "Ignored" in olga_client.get(url).text
    assert olga_client.post(url, {"do": "accept", "because": "They told us"}).status_code == 302
    assert ">Drift</h2>" not in olga_client.get(url).text


def test_an_unmanaged_active_rule_set_blocks_plans_until_it_is_adopted(olga_client: Client, mixed: None) -> None:
    make_unmanaged_rule("theirs", ["x@elsewhere.com"], rule_set="somebodys", create_set=True)
    url = reverse("receipt_rules:rules")
    page = olga_client.get(url, NOW).text
    assert "Another program activated the rule set somebodys" in page
    refused = olga_client.get(reverse("receipt_rules:plan"))
    assert refused.status_code == 422
    assert "Another program activated the rule set somebodys" in refused.text
    form = {"do": "adopt", "name": "somebodys", "because": "We took them over"}
    assert olga_client.post(url, form).status_code == 302
    assert OwnRuleSet.objects.get().adopted
    assert olga_client.get(reverse("receipt_rules:plan")).status_code == 200


def test_the_last_known_rules_are_shown_while_ses_does_not_answer(
    olga_client: Client, mixed: None, sandbox: Sandbox
) -> None:
    set_up_receiving()
    sandbox.control.add_fault("error", "ses:DescribeActiveReceiptRuleSet", times=None)
    page = olga_client.get(reverse("receipt_rules:rules"), NOW).text
    assert "Amazon SES isn’t responding" in page
    assert "Showing the rules as read" in page
    assert "Managed" in page
    assert olga_client.get(reverse("receipt_rules:plan")).status_code in (502, 503)
    assert (
        "Showing the rules as read" in olga_client.get(reverse("receipt_rules:simulator") + "?addresses=a@b.com").text
    )


def test_throttling_is_not_reported_as_an_unresponsive_ses(olga_client: Client, mixed: None, sandbox: Sandbox) -> None:
    set_up_receiving()
    for call in ("ses:DescribeActiveReceiptRuleSet", "ses:ListReceiptRuleSets"):
        sandbox.control.add_fault("throttle", call, times=None)
    for name in ("receipt_rules:rules", "receipt_rules:check"):
        page = olga_client.get(reverse(name), NOW).text
        assert "AWS is throttling our requests" in page, name
        assert "SES isn’t responding" not in page, name
        assert "does not answer" not in page, name


def test_a_rollback_is_a_plan(olga_client: Client, mixed: None) -> None:
    olga = set_up_receiving()
    Address.objects.all().delete()
    approve_and_run(olga, typed="inbound-mail")
    page = olga_client.get(reverse("receipt_rules:states"))
    assert "Last known state" in page.text
    earlier = page.context["states"][-1]
    back = olga_client.get(reverse("receipt_rules:plan") + f"?snapshot={earlier.pk}")
    assert "Rollback plan" in back.text
    assert "billing@shop.com" in back.text
    form = {"digest": back.context["plan"].digest, "because": "Too early", "snapshot": earlier.pk}
    form["typed"] = "inbound-mail" if back.context["needs_typing"] else ""
    assert olga_client.post(reverse("receipt_rules:plan"), form).status_code == 302
    assert Run.objects.filter(kind=RunKind.ROLLBACK).exists()


def test_a_cancelled_run_stops_before_its_next_step(olga_client: Client, mixed: None) -> None:
    olga_client.post(reverse("receipt_rules:plan"), {"digest": plan_changes().digest, "because": "Now"})
    run = Run.objects.get()
    answer = olga_client.post(reverse("receipt_rules:cancel", args=[run.id]))
    assert "Stopping before the next step" in message_text(answer)
    auto_apply_services.work()
    run.refresh_from_db()
    assert run.state == RunState.CANCELLED
    assert "0 of" in olga_client.get(reverse("receipt_rules:run", args=[run.id])).text
    assert "The run has already ended." in message_text(
        olga_client.post(reverse("receipt_rules:cancel", args=[run.id]))
    )


def test_the_setup_page_says_what_is_wrong_and_how_to_fix_it(olga_client: Client, mixed: None) -> None:
    url = reverse("receipt_rules:check")
    page = olga_client.get(url).text
    assert "No rule set is active: SES rejects all mail in this region." in page
    assert "Approve the plan on the Plan page" in page
    assert "its policy lets ses in this account write" in page.lower()
    assert "ses.amazonaws.com" in page
    set_up_receiving()
    assert "inbound-mail is active and managed" in olga_client.get(url).text


def revoke_ses_permissions() -> str:
    """Remove the permissions of SES; return the function's ARN."""
    (arn,) = permissions_services.functions()
    aws.client("s3").delete_bucket_policy(Bucket="inbound-mail")
    aws.client("lambda").remove_permission(FunctionName=arn, StatementId="ses")
    return arn


def test_an_operator_previews_and_grants_the_permissions_for_ses(olga_client: Client, mixed: None) -> None:
    arn = revoke_ses_permissions()
    create_api_key(user=make_staff(Role.OPERATOR), name="function", scopes=("route", "report"), actor=None)
    policy_url = reverse("receipt_rules:bucket_policy") + "?bucket=inbound-mail"
    permission_url = reverse("receipt_rules:function_permission") + f"?function={arn}"
    page = olga_client.get(reverse("receipt_rules:check"))
    assert all(url.partition("?")[0] in page.text for url in (policy_url, permission_url))
    for url, button, done in (
        (policy_url, "Update policy", "SES can now write to inbound-mail."),
        (permission_url, "Add permission", "SES can now invoke the function."),
    ):
        preview = olga_client.get(url)
        assert button in preview.text
        assert "InboundAdminSes" in preview.text
        assert done in message_text(olga_client.post(url, {"digest": preview.context["grant"].digest}))
        assert button not in olga_client.get(url).text
    assert "Action needed" not in olga_client.get(reverse("receipt_rules:check")).text.partition("Bucket")[2]


def test_an_outdated_preview_is_shown_again(olga_client: Client, mixed: None) -> None:
    revoke_ses_permissions()
    url = reverse("receipt_rules:bucket_policy")
    answer = olga_client.post(url, {"digest": "of another day"})
    assert (answer.status_code, answer["Location"]) == (302, url)
    assert "has changed since you opened" in message_text(answer)


def test_support_sees_the_setup_but_cannot_change_it(sam_client: Client, mixed: None) -> None:
    arn = revoke_ses_permissions()
    assert "Review policy…" not in sam_client.get(reverse("receipt_rules:check")).text
    for url in (
        reverse("receipt_rules:bucket_policy"),
        reverse("receipt_rules:function_permission") + f"?function={arn}",
    ):
        page = sam_client.get(url)
        assert page.status_code == 200
        assert "InboundAdminSes" in page.text
        assert page.context["grant"].digest not in page.text
        assert sam_client.post(url, {"digest": page.context["grant"].digest}).status_code == 403


def test_customers_cannot_see_the_setup(alice_client: Client) -> None:
    for name in ("check", "bucket_policy", "function_permission"):
        url = reverse(f"receipt_rules:{name}")
        assert (alice_client.get(url).status_code, alice_client.post(url).status_code) == (403, 403)


def test_an_old_rule_set_is_deleted_but_the_active_one_is_not(olga_client: Client, mixed: None) -> None:
    olga = set_up_receiving()
    Address.objects.all().delete()
    approve_and_run(olga, PlanRequest(method=Method.BLUE_GREEN), typed="inbound-mail")
    url = reverse("receipt_rules:check")
    (old,) = olga_client.get(url).context["old_sets"]
    active = live().name
    assert "is deleted" not in message_text(olga_client.post(url, {"name": active}))
    assert f"Deleted the rule set {old}." in message_text(olga_client.post(url, {"name": old}))
    assert olga_client.get(url).context["old_sets"] == ()
    assert live().name == active


def test_invalid_query_parameters_are_refused_or_ignored(olga_client: Client, mixed: None) -> None:
    url = reverse("receipt_rules:plan")
    assert olga_client.get(url + "?method=magic&compacting=maybe").status_code == 200
    gone = olga_client.get(url + "?snapshot=%00gone")
    assert gone.status_code == 422
    assert "That state is no longer kept" in gone.text
    nobodys = olga_client.get(url + "?take_over=nobodys")
    assert "has no unmanaged rule nobodys" in nobodys.text
    assert olga_client.post(reverse("receipt_rules:simulator"), {"do": "stop", "expectation": "\0"}).status_code == 404


# --- the simulator ---------------------------------------------------------------------------------------------------


def test_the_simulator_explains_the_result_rule_by_rule(olga_client: Client, mixed: None) -> None:
    set_up_receiving()
    url = reverse("receipt_rules:simulator")
    page = olga_client.get(url, {"addresses": "billing@shop.com, other@shop.com\nx@elsewhere.com nonsense"}).text
    for words in (
        "billing@shop.com is a recipient.",
        "shop.com is a recipient. It covers every address at the domain.",
        "No rule in inbound-mail matches: SES rejects the message.",
        "It has no recipients at elsewhere.com.",
        "That isn&#x27;t an email address.",
        "set on the address",
    ):
        assert words in page
    together = olga_client.get(url, {"addresses": "billing@shop.com x@elsewhere.com", "together": "1"}).text
    assert "billing@shop.com, x@elsewhere.com" in together


def test_a_saved_expectation_blocks_a_plan_that_breaks_it(olga_client: Client, mixed: None) -> None:
    url = reverse("receipt_rules:simulator")
    form = {"do": "expect", "address": "other@shop.com", "expected": Expected.NOT_TAKEN}
    assert olga_client.post(url, form).status_code == 302
    assert "other@shop.com" in olga_client.get(url).text
    page = olga_client.get(reverse("receipt_rules:plan")).text
    assert "Can’t be approved: it breaks 1 saved expectation" in page
    assert 'id="approve"' not in page
    row = Expectation.objects.get()
    assert olga_client.post(url, {"do": "stop", "expectation": row.pk}).status_code == 302
    assert not Expectation.objects.exists()
    assert olga_client.post(url, form | {"address": "nonsense"}).status_code == 422
