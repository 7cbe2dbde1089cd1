"""Changes made outside this system are detected, reported once, then restored, accepted or ignored."""

from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from accounts.models.people import User
from accounts.roles import Role
from audit.models import Change
from domains.models.domains import Domain
from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsUnreachable, Refused
from notifications.models.alerts import Alert
from receipt_rules.addresses import services as addresses_services
from receipt_rules.auto_apply import services as auto_apply_services
from receipt_rules.drift import services as drift_services
from receipt_rules.jobs import DRIFT_CHECK
from receipt_rules.live.services import read_live
from receipt_rules.models.addresses import Address, CatchAll
from receipt_rules.models.runs import IgnoredDifference, RulesCheck, Run
from receipt_rules.planner import services as planner_services
from receipt_rules.planner.core.plans import Method
from receipt_rules.planner.services import PlanRequest
from receipt_rules.rollback import services as rollback_services
from receipt_rules.runs import services as runs_services
from receipt_rules.simulator import services as simulator_services
from receipt_rules.tasks import check_drift, watch_active_set
from sandbox.process import Sandbox
from tests.domains.factories import make_zone
from tests.factories import make_customer, make_staff, make_user
from tests.receipt_rules.factories import (
    approve_and_run,
    live,
    make_address,
    make_unmanaged_rule,
    make_verified,
    rule_count,
    set_up_receiving,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop(sandbox: Sandbox) -> Domain:
    domain = make_verified("shop.com")
    addresses_services.set_catch_all(domain=domain, actor=None)
    return domain


@pytest.fixture
def olga(shop: Domain) -> User:
    return set_up_receiving()


def change_recipients_manually(recipients: list[str]) -> None:
    rule = {"Name": live().rules[0].name, "Recipients": recipients, "Enabled": True}
    aws.client("ses").update_receipt_rule(RuleSetName=live().name, Rule=rule)


def kinds() -> list[str]:
    return [each.kind for each in drift_services.differences(read_live()) if not each.is_ignored]


def test_no_difference_records_no_drift(olga: User) -> None:
    assert drift_services.check_drift() == ()
    assert not Change.objects.filter(what="rules.drift").exists()


def test_a_manual_change_is_recorded_once_and_restored_by_a_plan(olga: User) -> None:
    change_recipients_manually(["else.com"])
    first, again = drift_services.check_drift(), drift_services.check_drift()
    assert first == again
    assert [each.kind for each in first] == ["changed", "not_as_wanted"]
    assert "1 removed (shop.com)" in first[0].sentence
    assert Change.objects.filter(what="rules.drift").count() == 2
    assert not CatchAll.objects.get().is_served
    approve_and_run(olga, typed="inbound-mail")
    assert (kinds(), rule_count("a@shop.com")) == ([], 1)
    assert CatchAll.objects.get().is_served


def test_a_manual_change_remains_drift_while_our_runs_change_other_rules(olga: User, shop: Domain) -> None:
    make_unmanaged_rule("theirs", ["else.com"], rule_set="inbound-mail")
    drift_services.accept(because="marketing's own", actor=olga)
    rule = {"Name": "theirs", "Recipients": ["other.com"], "Enabled": True}
    aws.client("ses").update_receipt_rule(RuleSetName="inbound-mail", Rule=rule)
    addresses_services.add_address(text="a@eu.shop.com", customer=shop.customer, actor=None)
    auto_apply_services.work()
    assert rule_count("a@eu.shop.com") == 1
    (found,) = drift_services.differences(read_live())
    assert (found.kind, found.rule) == ("changed", "theirs")
    drift_services.accept(because="fine", actor=olga)
    assert kinds() == []


def test_unmanaged_deleted_and_reordered_rules_are_drift(olga: User) -> None:
    make_unmanaged_rule("theirs", ["else.com"], rule_set="inbound-mail")
    assert kinds() == ["extra"]
    drift_services.accept(because="marketing's own", actor=olga)
    assert kinds() == []
    aws.client("ses").set_receipt_rule_position(RuleSetName="inbound-mail", RuleName="theirs", After=live().names[1])
    assert kinds() == ["reordered"]
    aws.client("ses").delete_receipt_rule(RuleSetName="inbound-mail", RuleName="theirs")
    assert kinds() == ["missing"]


def test_an_ignored_rule_is_drift_again_after_another_change(olga: User) -> None:
    change_recipients_manually(["else.com"])
    (found,) = drift_services.differences(read_live())
    with pytest.raises(Refused):
        drift_services.ignore(key=found.key, because="", actor=olga)
    with pytest.raises(Refused):
        drift_services.ignore(key=found.key, because="I may", actor=make_user())
    drift_services.ignore(key=found.key, because="a trial", actor=olga)
    assert kinds() == []
    change_recipients_manually(["another.com"])
    assert kinds() == ["changed"]


def test_only_a_difference_that_is_there_now_can_be_ignored_or_accepted(olga: User) -> None:
    change_recipients_manually(["else.com"])
    (old,) = drift_services.differences(read_live())
    change_recipients_manually(["another.com"])
    acts = (
        partial(drift_services.ignore, key="changed no-such-rule 0123456789abcdef"),
        partial(drift_services.ignore, key="not_as_wanted 0123456789abcdef"),
        partial(drift_services.ignore, key=""),
        partial(drift_services.ignore, key=old.key),
        partial(drift_services.accept, key=old.key),
    )
    for act in acts:
        with pytest.raises(Refused, match="no such difference now"):
            act(because="a trial", actor=olga)
    assert not IgnoredDifference.objects.exists()
    assert kinds() == ["changed"]


def test_rules_that_were_read_before_a_run_ended_are_not_accepted(olga: User, shop: Domain) -> None:
    change_recipients_manually(["stranger.org"])
    approve_and_run(olga)
    Run.objects.update(ended_at=timezone.now() + timedelta(seconds=20))
    with pytest.raises(Refused) as refused:
        drift_services.accept(because="Fine.", actor=olga)
    assert refused.value.code == "CHANGED_MEANWHILE"


def test_an_activated_unmanaged_rule_set_is_drift_and_can_be_adopted(olga: User) -> None:
    make_unmanaged_rule("theirs", ["else.com"], rule_set="marketing", create_set=True)
    (found,) = drift_services.check_drift()
    assert found.kind == "stranger_active"
    assert "marketing is active (1 rule" in found.sentence
    drift_services.adopt_rule_set(name="marketing", because="one set for all", actor=olga)
    approve_and_run(olga)
    assert (live().name, rule_count("x@else.com"), rule_count("a@shop.com")) == ("marketing", 1, 1)
    assert [rule.name for rule in live().foreign] == ["theirs"]


def test_rules_that_differ_from_the_desired_state_are_drift_without_an_outside_change(olga: User, shop: Domain) -> None:
    make_address("a@eu.shop.com", shop)
    (found,) = drift_services.check_drift()
    assert found.kind == "not_as_wanted"
    assert "1 address starts receiving" in found.sentence
    drift_services.ignore(key=found.key, because="tomorrow", actor=olga)
    assert [each.is_ignored for each in drift_services.check_drift()] == [True]


def test_an_old_rule_set_can_be_deleted_but_the_active_one_cannot(olga: User, shop: Domain) -> None:
    make_address("a@eu.shop.com", shop)
    approve_and_run(olga, PlanRequest(method=Method.BLUE_GREEN))
    make_unmanaged_rule("theirs", ["else.com"], rule_set="marketing", create_set=True)
    aws.client("ses").set_active_receipt_rule_set(RuleSetName="inbound-mail-002")
    assert rollback_services.old_rule_sets() == ("inbound-mail",)
    for name in ("inbound-mail-002", "marketing"):
        with pytest.raises(Refused, match="can't be deleted"):
            rollback_services.delete_rule_set(name=name, actor=olga)
    rollback_services.delete_rule_set(name="inbound-mail", actor=olga)
    assert rollback_services.old_rule_sets() == ()
    assert rule_count("a@eu.shop.com") == 1


def test_no_active_rule_set_is_drift(olga: User) -> None:
    aws.client("ses").set_active_receipt_rule_set()
    assert kinds() == ["none_active"]


def test_a_failed_check_keeps_the_last_known_differences(
    olga: User, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    change_recipients_manually(["else.com"])
    drift_services.check_drift()
    monkeypatch.setattr(aws, "ATTEMPTS", 1)
    sandbox.control.add_fault("cut_before")
    with pytest.raises(AwsUnreachable):
        drift_services.check_drift()
    row = RulesCheck.objects.get()
    assert row.problem
    assert [each["kind"] for each in row.differences] == ["changed", "not_as_wanted"]


# The simulator


def test_the_simulator_shows_the_mail_host_the_rules_and_the_owner(sandbox: Sandbox, olga: User, shop: Domain) -> None:
    make_address("a@shop.com", shop)
    zone = make_zone(sandbox, shop)
    sandbox.control.add_record(zone, "shop.com", "MX", "20 backup.example.net")
    sandbox.control.add_record(zone, "shop.com", "MX", "10 inbound-smtp.eu-west-1.amazonaws.com")
    found = simulator_services.simulate(envelope=["A@shop.com", "x@else.com"], live=live())
    assert found.routing.unserved == ("x@else.com",)
    assert next((host.domain, host.is_amazon) for host in found.mail_hosts) == ("shop.com", True)
    assert found.routes[0].owner == Address.objects.get().id
    assert found.stored_at == (("inbound-admin-001", "inbound-mail/"),)


def test_a_failed_mx_lookup_is_not_reported_as_missing(sandbox: Sandbox, shop: Domain) -> None:
    make_zone(sandbox, shop)
    sandbox.control.set_dns_fault("shop.com", "servfail")
    (found,) = simulator_services.mail_hosts(["shop.com"])
    assert found.is_amazon is None
    assert "couldn't look up" in found.sentence


def queued_drift_checks() -> int:
    return ProcrastinateJob.objects.filter(status="todo", task_name=DRIFT_CHECK).count()


def test_the_read_every_minute_detects_outside_changes(olga: User, sandbox: Sandbox) -> None:
    ProcrastinateJob.objects.all().delete()
    watch_active_set(timestamp=0)
    assert queued_drift_checks() == 0
    stop = [{"StopAction": {"Scope": "RuleSet"}}]
    make_unmanaged_rule("archive-everything", [], rule_set="inbound-mail", actions=stop)
    sandbox.control.clear_calls()
    watch_active_set(timestamp=60)
    assert [call.operation for call in sandbox.control.calls()] == [
        "DescribeActiveReceiptRuleSet",
        "ListReceiptFilters",
    ]
    assert queued_drift_checks() == 1
    check_drift()
    assert Alert.objects.filter(kind="rule.drift", state="open", severity="high").exists()
    assert CatchAll.objects.get().rules == "stopped"
    ProcrastinateJob.objects.all().delete()
    watch_active_set(timestamp=120)
    assert queued_drift_checks() == 0  # already known, so no comparison is queued
    aws.client("ses").delete_receipt_rule(RuleSetName="inbound-mail", RuleName="archive-everything")
    watch_active_set(timestamp=180)
    assert queued_drift_checks() == 1
    check_drift()
    assert Alert.objects.get(kind="rule.drift").state == "recovered"


def test_our_own_changes_are_no_drift_for_the_read_every_minute(
    olga: User, shop: Domain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This holds between the steps of a run and after it."""
    make_unmanaged_rule("theirs", ["else.com"], rule_set="inbound-mail")
    drift_services.accept(because="marketing's own", actor=olga)
    for name in ("a@eu.shop.com", "b@us.shop.com"):
        make_address(name, shop)
    planner_services.approve(digest=planner_services.plan_changes().digest, because="as planned", actor=olga)
    ProcrastinateJob.objects.all().delete()
    done = runs_services._record_step
    seen: list[object] = []

    def check_after_step(*args: Any, **named: Any) -> None:
        done(*args, **named)
        seen.append((drift_services.check_drift(), watch_active_set(timestamp=0), queued_drift_checks()))

    monkeypatch.setattr(runs_services, "_record_step", check_after_step)
    auto_apply_services.work()
    assert seen
    assert set(seen) == {((), None, 0)}
    watch_active_set(timestamp=60)
    assert (queued_drift_checks(), rule_count("a@eu.shop.com")) == (0, 1)


def test_a_run_that_changes_a_manually_disabled_rule_does_not_accept_the_disabling(olga: User, shop: Domain) -> None:
    tess = make_staff(Role.TRUST_AND_SAFETY)
    make_address("bob@bob.com", make_verified("bob.com", customer=make_customer("Bob")))
    approve_and_run(olga)
    ses = aws.client("ses")
    rule = ses.describe_receipt_rule(RuleSetName="inbound-mail", RuleName=live().rules[0].name)["Rule"]
    ses.update_receipt_rule(RuleSetName="inbound-mail", Rule=rule | {"Enabled": False})
    auto_apply_services.stop(customer=shop.customer, because="phishing", actor=tess)
    auto_apply_services.work()
    assert "shop.com" not in live().rules[0].recipient_set
    found = {each.kind: each.sentence for each in drift_services.check_drift()}
    assert "disabled" in found["changed"]
    assert "removed" not in found["changed"]
