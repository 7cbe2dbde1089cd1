"""SES stops applying our rules: a person deactivates the set, or an old system activates its own."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from accounts.models.people import User
from accounts.roles import Role
from domains.models.domains import Domain
from inbound_admin.lib import aws
from inbound_admin.lib.errors import Refused
from notifications.models.alerts import Alert
from operations.drift import services as board_services
from operations.drift.core import Decision
from operations.models import Difference
from receipt_rules.addresses import services as addresses_services
from receipt_rules.auto_apply import services as auto_apply_services
from receipt_rules.drift import services as drift_services
from receipt_rules.live import gateway
from receipt_rules.live import services as live_services
from receipt_rules.live.selectors import receiving_outage
from receipt_rules.models.runs import RulesCheck
from receipt_rules.planner import services as planner_services
from receipt_rules.planner.services import PlanRequest
from receipt_rules.tasks import watch_active_set
from sandbox.process import Sandbox
from tests.factories import make_member, make_staff
from tests.receipt_rules.factories import (
    approve_and_run,
    live,
    make_unmanaged_rule,
    make_verified,
    rule_count,
    set_up_receiving,
)

pytestmark = pytest.mark.django_db
OVERVIEW = "operations:overview"
BANNER = 'id="receiving-outage"'


@pytest.fixture
def shop(sandbox: Sandbox) -> Domain:
    domain = make_verified("shop.com")
    addresses_services.set_catch_all(domain=domain, actor=None)
    return domain


@pytest.fixture
def olga(shop: Domain) -> User:
    return set_up_receiving()


def deactivate() -> None:
    aws.client("ses").set_active_receipt_rule_set()
    watch_active_set(0)


def activate_old_system() -> None:
    make_unmanaged_rule("theirs", ["else.com"], rule_set="postbox-2019", create_set=True)
    watch_active_set(0)


def page(client: Client, person: User, name: str = OVERVIEW, *args: str) -> str:
    client.force_login(person)
    return client.get(reverse(name, args=args)).text


def test_no_page_warns_while_our_rule_set_is_active(client: Client, olga: User) -> None:
    watch_active_set(0)
    assert BANNER not in page(client, olga)
    assert not Alert.objects.filter(kind="receiving.stopped").exists()


def test_every_staff_page_starts_with_the_outage_banner_if_no_rule_set_is_active(client: Client, olga: User) -> None:
    deactivate()
    for name in (OVERVIEW, "domains:list", "tenants:list", "receipt_rules:rules", "operations:differences"):
        text = page(client, olga, name)
        assert "SES rejects all mail in eu-west-1: no receipt rule set is active" in text
        assert text.index(BANNER) < text.index('<main id="main"')
        assert text.index("Restore rule set</a>") < text.index("SES rejects all mail")
    sam = page(client, make_staff(Role.SUPPORT))
    assert BANNER in sam
    assert "Ask an operator to restore it." in sam
    assert "Restore rule set</a>" not in sam


def test_an_outage_opens_an_alert_at_once_and_a_restoring_run_ends_it(client: Client, olga: User) -> None:
    deactivate()
    assert [each.state for each in Alert.objects.filter(kind="receiving.stopped")] == ["open"]
    approve_and_run(olga)
    assert [each.state for each in Alert.objects.filter(kind="receiving.stopped")] == ["recovered"]
    assert BANNER not in page(client, olga)
    assert rule_count("a@shop.com") == 1


def test_a_failed_read_neither_starts_nor_ends_an_outage(
    client: Client, olga: User, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch_active_set(0)
    monkeypatch.setattr(aws, "ATTEMPTS", 1)
    sandbox.control.add_fault("cut_before")
    watch_active_set(0)
    assert BANNER not in page(client, olga)
    deactivate()
    sandbox.control.add_fault("cut_before")
    watch_active_set(0)
    assert BANNER in page(client, olga)


def test_another_programs_rule_set_is_named_and_ours_is_restored_by_a_plan(client: Client, olga: User) -> None:
    activate_old_system()
    text = page(client, olga)
    assert "Another program activated the rule set postbox-2019 in eu-west-1" in text
    assert "instead_of=postbox-2019" in text
    plan = client.get(reverse("receipt_rules:plan"), {"instead_of": "postbox-2019"}).text
    assert "Activate the rule set inbound-mail instead of postbox-2019, which is kept" in plan
    assert "1 stops receiving" in plan
    assert approve_and_run(olga, PlanRequest(instead_of="postbox-2019"), typed="postbox-2019").state == "done"
    assert (live().name, rule_count("a@shop.com")) == ("inbound-mail", 1)
    assert gateway.describe_rule_set("postbox-2019").names == ("theirs",)
    assert BANNER not in page(client, olga)
    assert receiving_outage() is None


def test_another_programs_rule_set_is_not_replaced_without_a_request(olga: User) -> None:
    activate_old_system()
    with pytest.raises(Refused, match="Another program activated the rule set"):
        planner_services.plan_changes()
    with pytest.raises(Refused):
        planner_services.plan_changes(PlanRequest(instead_of="another"))


def test_a_plan_instead_of_a_rule_set_that_is_not_active_is_refused(client: Client, olga: User) -> None:
    """The link to it may be old: what the plan would then do is another thing."""
    activate_old_system()
    asked = PlanRequest(instead_of="postbox-2019")
    approve_and_run(olga, asked, typed="postbox-2019")
    with pytest.raises(Refused, match="postbox-2019 isn't active") as refused:
        planner_services.plan_changes(asked)
    assert refused.value.code == "RULE_SET_MISSING"
    client.force_login(olga)
    text = client.get(reverse("receipt_rules:plan"), {"instead_of": "postbox-2019"}).text
    assert "postbox-2019 isn&#x27;t active" in text
    assert "Reset options" in text
    deactivate()
    with pytest.raises(Refused, match="isn't active"):
        planner_services.plan_changes(asked)


def test_a_plan_is_refused_if_the_other_program_adds_rules_after_the_approval(olga: User) -> None:
    activate_old_system()
    asked = PlanRequest(instead_of="postbox-2019")
    made = planner_services.plan_changes(asked)
    run = planner_services.approve(
        digest=made.digest, because="outage", actor=olga, request=asked, typed="postbox-2019"
    )
    make_unmanaged_rule("more", ["more.com"], rule_set="postbox-2019")
    auto_apply_services.work()
    run.refresh_from_db()
    assert (run.state, live().name) == ("refused", "postbox-2019")
    assert "The rules of postbox-2019 have changed" in run.problem


def test_our_deleted_rule_set_is_created_again_while_another_is_active(olga: User) -> None:
    activate_old_system()
    aws.client("ses").delete_receipt_rule_set(RuleSetName="inbound-mail")
    assert approve_and_run(olga, PlanRequest(instead_of="postbox-2019"), typed="postbox-2019").state == "done"
    assert (live().name, rule_count("a@shop.com")) == ("inbound-mail", 1)


def test_an_outage_cannot_be_ignored(client: Client, olga: User) -> None:
    activate_old_system()
    drift_services.check_drift()
    board_services.import_rule_drift()
    row = Difference.objects.get(kind="stranger_active", gone_at=None)
    assert "postbox-2019" in row.sentence
    with pytest.raises(Refused, match="outage"):
        drift_services.ignore(key=row.key, because="tomorrow", actor=olga)
    text = page(client, olga, "operations:difference", row.pk)
    assert "Restore" in text
    assert 'value="ignore"' not in text


def test_customers_read_on_their_own_domain_that_receiving_is_disrupted(
    client: Client, olga: User, shop: Domain
) -> None:
    alice, bob_domain = make_member(shop.customer), make_verified("bob.com")
    activate_old_system()
    text = page(client, alice, "receipt_rules:domain", shop.pk)
    assert "Inbound mail is disrupted" in text
    assert "postbox-2019" not in text
    assert BANNER not in text
    bob = make_member(bob_domain.customer)
    assert "Inbound mail is disrupted" not in page(client, bob, "receipt_rules:domain", bob_domain.pk)


def test_a_region_without_receiving_domains_has_no_outage(client: Client, sandbox: Sandbox) -> None:
    watch_active_set(0)
    assert BANNER not in page(client, make_staff(Role.OPERATOR))


def stop_rule(name: str, recipients: list[str]) -> None:
    """Create a stop rule in front of ours."""
    rule = {"Name": name, "Enabled": True, "Recipients": recipients, "Actions": [{"StopAction": {"Scope": "RuleSet"}}]}
    aws.client("ses").create_receipt_rule(RuleSetName="inbound-mail", Rule=rule)
    if live().names[0] != name:
        aws.client("ses").set_receipt_rule_position(RuleSetName="inbound-mail", RuleName=name)


def test_an_unmanaged_rule_that_stops_customers_mail_is_listed_first_as_harmful(client: Client, olga: User) -> None:
    for number in range(3):
        make_unmanaged_rule(f"a-harmless-{number}", [f"else{number}.com"], rule_set="inbound-mail")
    stop_rule("corp-060", ["shop.com"])
    drift_services.check_drift()
    board_services.import_rule_drift()
    text = page(client, olga, "operations:differences")
    harm = "The unmanaged rule corp-060 stops all mail for 1 address of 1 customer."
    assert harm in text
    assert text.index(harm) < text.index("a-harmless-0")
    assert "corp-060 was created outside this system" not in text
    assert harm.rstrip(".") in page(client, olga)
    with pytest.raises(Refused):
        board_services.decide(
            difference=Difference.objects.get(kind="harmful"), decision=Decision.ADOPT, because="fine", actor=olga
        )


def test_a_harmful_rule_is_still_reported_after_all_drift_was_accepted(olga: User) -> None:
    stop_rule("corp-060", ["shop.com"])
    drift_services.accept(because="known", actor=olga)
    found = [each.kind for each in drift_services.check_drift()]
    assert found[0] == "harmful"
    assert "extra" not in found


def test_a_drift_that_a_run_fixed_is_closed_by_the_check_after_the_run(olga: User) -> None:
    rule = {"Name": live().rules[0].name, "Recipients": ["else.com"], "Enabled": True}
    aws.client("ses").update_receipt_rule(RuleSetName="inbound-mail", Rule=rule)
    drift_services.check_drift()
    board_services.import_rule_drift()
    assert Difference.objects.filter(gone_at=None).exists()
    ProcrastinateJob.objects.all().delete()
    approve_and_run(olga, typed="inbound-mail")
    assert ProcrastinateJob.objects.filter(task_name="receipt_rules.look").exists()
    drift_services.check_drift()
    board_services.import_rule_drift()
    assert not Difference.objects.filter(gone_at=None).exists()


def test_the_drift_page_says_that_the_rules_are_being_read_until_they_were(client: Client, olga: User) -> None:
    board_services.request_rules_check()
    assert "Rules: reading from SES" in page(client, olga, "operations:differences")
    drift_services.check_drift()
    board_services.import_rule_drift()
    assert "Rules: last fully read" in page(client, olga, "operations:differences")


def test_a_check_from_before_the_request_does_not_end_the_reading_state(client: Client, olga: User) -> None:
    before = timezone.now() - timedelta(minutes=5)
    for problem in ("Amazon SES isn’t answering.", ""):
        RulesCheck.objects.update_or_create(region="eu-west-1", defaults={"at": before, "problem": problem})
        board_services.request_rules_check()
        board_services.import_rule_drift()
        assert "Rules: reading from SES" in page(client, olga, "operations:differences")


def test_no_forecast_is_shown_for_a_region_that_was_never_read(client: Client, shop: Domain) -> None:
    text = page(client, make_staff(Role.OPERATOR))
    assert "have not been read from SES yet" in text
    assert "full by about" not in text


def test_an_older_read_of_the_active_set_does_not_end_a_newer_outage(shop: Domain, olga: User) -> None:
    active, before = live(), timezone.now()
    deactivate()
    assert receiving_outage() is not None
    assert live_services.record_active_set(active, now=before) is not None
    assert live_services.record_active_set(active, now=timezone.now()) is None
