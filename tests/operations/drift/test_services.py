"""Receipt rule drift on the page of all differences."""

from datetime import timedelta

import pytest
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from audit.models import Change
from inbound_admin.lib import aws
from inbound_admin.lib.errors import Refused
from operations import tasks as operations_tasks
from operations.drift import services as operations_drift_services
from operations.drift.core import Decision, rule_differences
from operations.drift_store import services as drift_store_services
from operations.models import Difference, DriftCheck
from receipt_rules.drift import services as receipt_rules_drift_services
from receipt_rules.models.runs import OwnRuleSet
from sandbox.process import Sandbox
from tests.receipt_rules.factories import make_operator, make_unmanaged_rule, set_up_receiving

pytestmark = pytest.mark.django_db


def check_and_list() -> list[Difference]:
    receipt_rules_drift_services.check_drift()
    operations_drift_services.import_rule_drift()
    return list(Difference.objects.filter(area="rules", gone_at=None))


def decide(found: Difference, decision: Decision, **more: object) -> None:
    actor = more.pop("actor", None) or make_operator()
    operations_drift_services.decide(difference=found, decision=decision, because="as agreed", actor=actor)  # type: ignore[arg-type]  # a person


def test_an_unmanaged_rule_is_listed_and_logged_once(sandbox: Sandbox) -> None:
    set_up_receiving()
    assert check_and_list() == []
    make_unmanaged_rule("theirs", ["a@b.com"], rule_set="inbound-mail")
    (found,) = check_and_list()
    assert (found.kind, found.subject, found.may_restore) == ("extra", "theirs", False)
    assert Change.objects.filter(what__in=("rules.drift", "drift.found")).count() == 1
    (again,) = check_and_list()
    assert again.pk == found.pk


def test_drift_can_be_accepted_from_the_list(sandbox: Sandbox) -> None:
    set_up_receiving()
    make_unmanaged_rule("theirs", ["a@b.com"], rule_set="inbound-mail")
    (found,) = check_and_list()
    decide(found, Decision.ADOPT)
    assert not Difference.objects.filter(gone_at=None).exists()
    assert check_and_list() == []
    assert Change.objects.filter(what="rules.accepted").count() == 1


def test_drift_is_ignored_with_a_reason_on_either_page(sandbox: Sandbox) -> None:
    operator = set_up_receiving()
    for name in ("first", "second"):
        make_unmanaged_rule(name, ["a@b.com"], rule_set="inbound-mail")
    first, second = sorted(check_and_list(), key=lambda each: each.subject)
    decide(first, Decision.IGNORE)
    receipt_rules_drift_services.ignore(key=second.key, because="theirs for a week", actor=operator)
    found = {each.subject: (each.decision, each.because) for each in check_and_list()}
    assert found == {"first": ("ignore", "as agreed"), "second": ("ignore", "theirs for a week")}


@pytest.mark.parametrize("decision", [Decision.ADOPT, Decision.IGNORE])
def test_a_difference_that_is_gone_decides_nothing(sandbox: Sandbox, decision: Decision) -> None:
    set_up_receiving()
    make_unmanaged_rule("first", ["a@b.com"], rule_set="inbound-mail")
    (found,) = check_and_list()
    aws.client("ses").delete_receipt_rule(RuleSetName="inbound-mail", RuleName="first")
    make_unmanaged_rule("second", ["c@b.com"], rule_set="inbound-mail")
    with pytest.raises(Refused, match="no such difference now"):
        decide(found, decision)  # nobody checked since
    check_and_list()
    with pytest.raises(Refused, match="no longer exists"):
        decide(found, decision)
    assert [each.subject for each in check_and_list()] == ["second"]


def test_the_rule_set_that_is_adopted_is_the_one_that_was_shown(sandbox: Sandbox) -> None:
    make_unmanaged_rule("theirs", ["a@b.com"], rule_set="old", create_set=True)
    (found,) = check_and_list()
    make_unmanaged_rule("other", ["a@b.com"], rule_set="another", create_set=True)
    with pytest.raises(Refused, match="old isn't an active rule set"):
        decide(found, Decision.ADOPT)
    assert not OwnRuleSet.objects.filter(adopted=True).exists()


def test_what_changed_after_the_last_check_is_not_accepted_from_the_list(sandbox: Sandbox) -> None:
    set_up_receiving()
    make_unmanaged_rule("listed", ["a@b.com"], rule_set="inbound-mail")
    (found,) = check_and_list()
    make_unmanaged_rule("later", ["c@b.com"], rule_set="inbound-mail")
    with pytest.raises(Refused, match="Rule later was created"):
        decide(found, Decision.ADOPT)
    assert {each.subject for each in check_and_list()} == {"listed", "later"}


def test_two_accepted_together_are_both_accepted(sandbox: Sandbox) -> None:
    set_up_receiving()
    for name in ("first", "second"):
        make_unmanaged_rule(name, ["a@b.com"], rule_set="inbound-mail")
    outcomes = operations_drift_services.decide_many(
        found=check_and_list(), decision=Decision.ADOPT, because="as agreed", actor=make_operator()
    )
    assert [each.problem for each in outcomes] == ["", ""]
    assert check_and_list() == []


def test_a_difference_that_cannot_be_stored_holds_up_no_other(db: None) -> None:
    rows = [(f"extra {name}", "extra", name, f"Rule {name}") for name in ("first", "seco\0nd", "third")]
    new = drift_store_services.store(area="rules", found=rule_differences(rows), now=timezone.now())
    assert new == 2
    assert set(Difference.objects.values_list("subject", flat=True)) == {"first", "third"}


def test_an_unmanaged_rule_set_is_adopted_from_the_list(sandbox: Sandbox) -> None:
    make_unmanaged_rule("theirs", ["a@b.com"], rule_set="old", create_set=True)
    (found,) = check_and_list()
    assert found.kind == "stranger_active"
    decide(found, Decision.ADOPT)
    assert OwnRuleSet.objects.get().name == "old"
    assert check_and_list() == []


def test_only_a_plan_can_restore_the_rules(sandbox: Sandbox) -> None:
    set_up_receiving()
    make_unmanaged_rule("theirs", ["a@b.com"], rule_set="inbound-mail")
    (found,) = check_and_list()
    with pytest.raises(Refused, match="Approve a plan to revert"):
        decide(found, Decision.RESTORE)


def test_a_failed_check_is_reported_and_keeps_the_differences(sandbox: Sandbox) -> None:
    set_up_receiving()
    make_unmanaged_rule("theirs", ["a@b.com"], rule_set="inbound-mail")
    (found,) = check_and_list()
    sandbox.control.add_fault("error", "DescribeActiveReceiptRuleSet", times=9)
    with pytest.raises(Exception, match="We couldn't"):
        receipt_rules_drift_services.check_drift()
    operations_drift_services.import_rule_drift()
    found.refresh_from_db()
    assert found.gone_at is None
    assert "couldn't" in DriftCheck.objects.get(area="rules").problem


def test_the_nightly_check_runs_in_the_background_queue(sandbox: Sandbox) -> None:
    operations_tasks.check_drift_nightly(timestamp=0)
    assert set(ProcrastinateJob.objects.filter(task_name="operations.look").values_list("queue_name")) == {
        ("background",)
    }


def test_a_difference_with_a_changed_key_keeps_its_first_seen_time(sandbox: Sandbox) -> None:
    first_seen, now = timezone.now() - timedelta(days=3), timezone.now()
    for key, at in (("harmful theirs a", first_seen), ("harmful theirs b", now)):
        found = rule_differences([(key, "harmful", "theirs", "It stops all mail.")])
        drift_store_services.store(area="rules", found=found, now=at, is_logged=False)
    assert Difference.objects.get(gone_at=None).first_seen_at == first_seen
