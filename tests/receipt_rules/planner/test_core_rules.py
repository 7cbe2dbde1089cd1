"""Rules, names and steps as values; what is stored is what is read back."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given

from inbound_admin.lib.errors import Refused
from receipt_rules.planner.core.plans import digest, dump, load, touched_digest
from receipt_rules.planner.core.rules import (
    S3,
    SES_LIMITS,
    AddHeader,
    Bounce,
    ForeignRule,
    Invocation,
    Lambda,
    Opaque,
    Rule,
    RuleDelivery,
    RuleLimits,
    RuleSet,
    Sns,
    Stop,
    is_first_rule,
    is_ours,
    new_names,
    next_set_name,
)
from receipt_rules.planner.core.steps import (
    Activate,
    CloneSet,
    Create,
    CreateSet,
    Delete,
    LiveStatus,
    Move,
    Reorder,
    RuleStep,
    Update,
    apply,
    live_status,
)
from tests.receipt_rules.strategies import rule_sets

DELIVERY = RuleDelivery((S3("inbound-mail", "mail/"),))
RULE = Rule("inbound-admin-001", DELIVERY, ("b@example.com", "A@example.com", "a@example.com"))
OTHER = Rule("inbound-admin-002", DELIVERY, ("c@example.com",))
THEIRS = ForeignRule("theirs", "{}", RuleDelivery((S3("theirs"),)), ("Old.example.com",))
LIVE = RuleSet("inbound", (RULE, THEIRS, OTHER), datetime(2026, 1, 1, tzinfo=UTC))
LARGER = replace(RULE, recipients=("a@example.com", "b@example.com", "d@example.com"))


def test_a_rule_without_recipients_cannot_be_made() -> None:
    with pytest.raises(Refused, match="receive all mail"):
        Rule("inbound-admin-001", DELIVERY, ())


@pytest.mark.parametrize(
    "actions",
    [(), (AddHeader("X-A", "b"),), (S3("b"), Opaque("New", "{}")), (Stop(), S3("b")), (Bounce("a", "550", "b"),)],
)
def test_a_rule_that_takes_the_mail_nowhere_or_is_not_ours_to_write_cannot_be_made(actions: tuple[S3, ...]) -> None:
    with pytest.raises(Refused):
        Rule("inbound-admin-001", RuleDelivery(actions), ("a@example.com",))


def test_recipients_are_compared_as_ses_compares_them() -> None:
    assert RULE.recipients == ("a@example.com", "b@example.com")
    assert replace(RULE, recipients=("B@EXAMPLE.com", "a@example.com")) == RULE
    assert THEIRS.recipient_set == {"old.example.com"}


def test_only_a_stop_surely_stops_and_a_function_that_is_waited_for_may() -> None:
    waiting = RuleDelivery((Lambda("arn", Invocation.REQUEST_RESPONSE),))
    assert RuleDelivery((S3("b"), Stop())).stops
    assert waiting.may_stop
    assert not waiting.stops
    assert not RuleDelivery((Lambda("arn"), Opaque("WorkmailAction", "{}"))).may_stop
    assert RuleDelivery((Opaque("NewAction", "{}"),)).may_stop


def test_equal_deliveries_have_one_hash() -> None:
    assert {DELIVERY: 1}[RuleDelivery((S3("inbound-mail", "mail/"),))] == 1
    assert replace(DELIVERY, tls_required=True) != DELIVERY


def test_names_are_deterministic_short_and_known_as_ours() -> None:
    names = new_names({"inbound-admin-001"}, first=False, limits=SES_LIMITS)
    assert [next(names), next(names)] == ["inbound-admin-002", "inbound-admin-003"]
    first = next(new_names((), first=True, limits=SES_LIMITS))
    assert is_first_rule(first)
    assert not is_first_rule("inbound-admin-001")
    for foreign in (
        "example.com-rule",
        "inbound-admin",
        "inbound-admin-1",
        "x-inbound-admin-001",
        "inbound-admin-001-b",
    ):
        assert not is_ours(foreign)
    with pytest.raises(Refused, match="longer"):
        next(new_names((), first=True, limits=RuleLimits(name_length=10)))


@pytest.mark.parametrize(
    ("name", "taken", "made"),
    [
        ("inbound", {"inbound"}, "inbound-002"),
        ("inbound-002", {"inbound-002"}, "inbound-003"),
        ("inbound-002", {"inbound-002", "inbound-003"}, "inbound-004"),
        ("x" * 64, set(), "x" * 60 + "-002"),
    ],
)
def test_the_successor_of_a_rule_set_has_the_next_free_number(name: str, taken: set[str], made: str) -> None:
    assert next_set_name(name, taken, SES_LIMITS) == made


STEPS: tuple[RuleStep, ...] = (
    Create("inbound", Rule("inbound-admin-003", DELIVERY, ("e@example.com",)), after=RULE.name),
    Update("inbound", RULE, LARGER),
    Delete("inbound", OTHER),
    Delete("inbound", THEIRS),
    Move("inbound", OTHER, after=RULE.name),
    Move("inbound", OTHER),
    Reorder("inbound", LIVE.names, (OTHER.name, RULE.name, THEIRS.name)),
)


@pytest.mark.parametrize("step", STEPS, ids=str)
def test_a_step_is_to_do_then_done_and_a_lost_answer_is_no_error(step: RuleStep) -> None:
    assert live_status(step, LIVE) is LiveStatus.TO_DO
    assert live_status(step, apply(step, LIVE)) is LiveStatus.DONE


@pytest.mark.parametrize(
    ("step", "edited"),
    [
        (STEPS[0], RuleSet("inbound", (*LIVE.rules, replace(OTHER, name="inbound-admin-003")))),
        (STEPS[1], RuleSet("inbound", (replace(RULE, enabled=False), OTHER))),
        (STEPS[1], RuleSet("inbound", (OTHER,))),
        (STEPS[2], RuleSet("inbound", (replace(OTHER, recipients=("x@example.com",)),))),
        (STEPS[4], RuleSet("inbound", (OTHER,))),
        (STEPS[6], RuleSet("inbound", (RULE, OTHER))),
    ],
)
def test_a_step_whose_rule_somebody_changed_may_not_be_made(step: RuleStep, edited: RuleSet) -> None:
    assert live_status(step, edited) is LiveStatus.CHANGED


def test_an_edit_elsewhere_does_not_matter_and_one_of_the_same_rule_does() -> None:
    step = STEPS[1]
    elsewhere = RuleSet("inbound", (THEIRS, RULE, replace(OTHER, enabled=False)))
    here = RuleSet("inbound", (replace(RULE, enabled=False), THEIRS, OTHER))
    assert touched_digest([step], LIVE) == touched_digest([step], elsewhere)
    assert touched_digest([step], LIVE) != touched_digest([step], here)
    swap = Activate("inbound-002", instead_of="inbound")
    assert touched_digest([swap], LIVE) != touched_digest([swap], elsewhere)


def test_every_value_is_stored_and_read_back() -> None:
    actions = (
        S3("b", "p/", "t", "k", "r"),
        Lambda("arn", Invocation.REQUEST_RESPONSE, "t"),
        Sns("t", "Base64"),
        Stop("t"),
        AddHeader("X-A", "b"),
        Bounce("a", "550", "m", "5.1.1", "t"),
        Opaque("New", "{}"),
    )
    values = (
        *STEPS,
        CreateSet("s"),
        CloneSet("s", "t"),
        Activate("s", "t"),
        LIVE,
        ForeignRule("theirs", "{}", RuleDelivery(actions, tls_required=True, scan=False)),
    )
    assert load(dump(values)) == values
    assert len({digest(value) for value in values}) == len(values)


@given(rule_sets)
def test_any_rule_set_is_stored_and_read_back(rule_set: RuleSet) -> None:
    assert load(dump(rule_set)) == rule_set
