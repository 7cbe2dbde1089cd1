"""Rules, names and steps are values that are read back as stored."""

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


def test_a_rule_of_ours_requires_recipients() -> None:
    with pytest.raises(Refused, match="receive all mail"):
        Rule("inbound-admin-001", DELIVERY, ())


@pytest.mark.parametrize(
    "actions",
    [(), (AddHeader("X-A", "b"),), (S3("b"), Opaque("New", "{}")), (Stop(), S3("b")), (Bounce("a", "550", "b"),)],
)
def test_a_rule_of_ours_requires_a_delivery_that_we_can_write(actions: tuple[S3, ...]) -> None:
    with pytest.raises(Refused):
        Rule("inbound-admin-001", RuleDelivery(actions), ("a@example.com",))


def test_recipients_are_compared_like_ses_compares_them() -> None:
    assert RULE.recipients == ("a@example.com", "b@example.com")
    assert replace(RULE, recipients=("B@EXAMPLE.com", "a@example.com")) == RULE
    assert THEIRS.recipient_set == {"old.example.com"}


def test_only_a_stop_action_certainly_stops_but_a_synchronous_function_may() -> None:
    waiting = RuleDelivery((Lambda("arn", Invocation.REQUEST_RESPONSE),))
    assert RuleDelivery((S3("b"), Stop())).stops
    assert waiting.may_stop
    assert not waiting.stops
    assert not RuleDelivery((Lambda("arn"), Opaque("WorkmailAction", "{}"))).may_stop
    assert RuleDelivery((Opaque("NewAction", "{}"),)).may_stop


def test_equal_deliveries_have_equal_hashes() -> None:
    assert {DELIVERY: 1}[RuleDelivery((S3("inbound-mail", "mail/"),))] == 1
    assert replace(DELIVERY, tls_required=True) != DELIVERY


def test_rule_names_are_deterministic_short_and_recognised_as_ours() -> None:
    names = new_names({"inbound-admin-001"}, first=False, limits=SES_LIMITS)
    assert [next(names), next(names)] == ["inbound-admin-002", "inbound-admin-003"]
    first = next(new_names((), first=True, limits=SES_LIMITS))
    assert is_first_rule(first)
    assert not is_first_rule("inbound-admin-001")
    for unmanaged in (
        "example.com-rule",
        "inbound-admin",
        "inbound-admin-1",
        "x-inbound-admin-001",
        "inbound-admin-001-b",
    ):
        assert not is_ours(unmanaged)
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
def test_a_step_is_to_do_before_and_done_after_it_was_applied(step: RuleStep) -> None:
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
def test_a_step_whose_rule_was_edited_is_reported_as_changed(step: RuleStep, edited: RuleSet) -> None:
    assert live_status(step, edited) is LiveStatus.CHANGED


def test_only_an_edit_of_the_touched_rule_changes_the_digest() -> None:
    step = STEPS[1]
    elsewhere = RuleSet("inbound", (THEIRS, RULE, replace(OTHER, enabled=False)))
    here = RuleSet("inbound", (replace(RULE, enabled=False), THEIRS, OTHER))
    assert touched_digest([step], LIVE) == touched_digest([step], elsewhere)
    assert touched_digest([step], LIVE) != touched_digest([step], here)
    swap = Activate("inbound-002", instead_of="inbound")
    assert touched_digest([swap], LIVE) != touched_digest([swap], elsewhere)


def test_every_value_is_read_back_as_stored() -> None:
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
def test_any_rule_set_is_read_back_as_stored(rule_set: RuleSet) -> None:
    assert load(dump(rule_set)) == rule_set
