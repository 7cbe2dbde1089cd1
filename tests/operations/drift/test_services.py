"""The receipt rules' own differences on the board of all differences."""

from datetime import timedelta

import pytest
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from audit.models import Change
from inbound_admin.lib.errors import Refused
from operations import tasks as operations_tasks
from operations.drift import services as operations_drift_services
from operations.drift.core import Decision, rule_differences
from operations.drift_store import services as drift_store_services
from operations.models import Difference, DriftCheck
from receipt_rules.drift import services as receipt_rules_drift_services
from receipt_rules.models.runs import OwnRuleSet
from sandbox.process import Sandbox
from tests.receipt_rules.factories import foreign_rule, make_operator, set_up_receiving

pytestmark = pytest.mark.django_db


def looked() -> list[Difference]:
    receipt_rules_drift_services.check_drift()
    operations_drift_services.import_rule_drift()
    return list(Difference.objects.filter(area="rules", gone_at=None))


def decide(found: Difference, decision: Decision, **more: object) -> None:
    actor = more.pop("actor", None) or make_operator()
    operations_drift_services.decide(difference=found, decision=decision, because="as agreed", actor=actor)  # type: ignore[arg-type]  # a person


def test_a_rule_made_elsewhere_stands_on_the_board_and_is_logged_once(sandbox: Sandbox) -> None:
    set_up_receiving()
    assert looked() == []
    foreign_rule("theirs", ["a@b.com"], rule_set="inbound-mail")
    (found,) = looked()
    assert (found.kind, found.subject, found.may_restore) == ("extra", "theirs", False)
    assert Change.objects.filter(what__in=("rules.drift", "drift.found")).count() == 1
    (again,) = looked()
    assert again.pk == found.pk


def test_it_is_accepted_from_the_board(sandbox: Sandbox) -> None:
    set_up_receiving()
    foreign_rule("theirs", ["a@b.com"], rule_set="inbound-mail")
    (found,) = looked()
    decide(found, Decision.ADOPT)
    assert not Difference.objects.filter(gone_at=None).exists()
    assert looked() == []
    assert Change.objects.filter(what="rules.accepted").count() == 1


def test_it_is_left_with_a_reason_here_or_on_the_pages_of_the_rules(sandbox: Sandbox) -> None:
    operator = set_up_receiving()
    for name in ("first", "second"):
        foreign_rule(name, ["a@b.com"], rule_set="inbound-mail")
    first, second = sorted(looked(), key=lambda each: each.subject)
    decide(first, Decision.IGNORE)
    receipt_rules_drift_services.ignore(key=second.key, because="theirs for a week", actor=operator)
    found = {each.subject: (each.decision, each.because) for each in looked()}
    assert found == {"first": ("ignore", "as agreed"), "second": ("ignore", "theirs for a week")}


def test_a_rule_set_of_somebody_elses_is_adopted_from_the_board(sandbox: Sandbox) -> None:
    foreign_rule("theirs", ["a@b.com"], rule_set="old", create_set=True)
    (found,) = looked()
    assert found.kind == "stranger_active"
    decide(found, Decision.ADOPT)
    assert OwnRuleSet.objects.get().name == "old"
    assert looked() == []


def test_the_plan_alone_undoes(sandbox: Sandbox) -> None:
    set_up_receiving()
    foreign_rule("theirs", ["a@b.com"], rule_set="inbound-mail")
    (found,) = looked()
    with pytest.raises(Refused, match="Approve a plan to revert"):
        decide(found, Decision.RESTORE)


def test_a_look_that_failed_is_told_and_touches_nothing(sandbox: Sandbox) -> None:
    set_up_receiving()
    foreign_rule("theirs", ["a@b.com"], rule_set="inbound-mail")
    (found,) = looked()
    sandbox.control.add_fault("error", "DescribeActiveReceiptRuleSet", times=9)
    with pytest.raises(Exception, match="We couldn't"):
        receipt_rules_drift_services.check_drift()
    operations_drift_services.import_rule_drift()
    found.refresh_from_db()
    assert found.gone_at is None
    assert "couldn't" in DriftCheck.objects.get(area="rules").problem


def test_the_nights_look_holds_no_place_of_what_runs_each_minute(sandbox: Sandbox) -> None:
    operations_tasks.check_drift_nightly(timestamp=0)
    assert set(ProcrastinateJob.objects.filter(task_name="operations.look").values_list("queue_name")) == {
        ("background",)
    }


def test_a_difference_that_looks_different_by_now_was_first_seen_when_it_was(sandbox: Sandbox) -> None:
    begun, now = timezone.now() - timedelta(days=3), timezone.now()
    for key, at in (("harmful theirs a", begun), ("harmful theirs b", now)):
        found = rule_differences([(key, "harmful", "theirs", "It stops all mail.")])
        drift_store_services.store(area="rules", found=found, now=at, is_logged=False)
    assert Difference.objects.get(gone_at=None).first_seen_at == begun
