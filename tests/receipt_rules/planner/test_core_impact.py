"""Addresses are counted, and lines grouped so that a large plan fits on a screen."""

import pytest

from receipt_rules.planner.core.consequences import (
    HARMFUL,
    ConsequenceKind,
    consequences,
    impact,
    served,
    summary,
    tls_warnings,
)
from receipt_rules.planner.core.groups import grouped_addresses, grouped_steps
from receipt_rules.planner.core.rules import S3, AnyRule, Bounce, ForeignRule, Rule, RuleDelivery, RuleSet, Stop
from receipt_rules.planner.core.steps import Create, Delete, Step

OURS, THEIRS = RuleDelivery((S3("mail"),)), RuleDelivery((S3("somebodys"),))
STORES = frozenset({"mail"})
MANY = tuple(f"a{number}@shop.com" for number in range(29))


def _unmanaged(name: str, recipients: tuple[str, ...], delivery: RuleDelivery = THEIRS) -> ForeignRule:
    return ForeignRule(name, "{}", delivery, recipients)


def test_addresses_delivered_to_an_unmanaged_bucket_are_counted_although_none_loses_delivery() -> None:
    foreign = _unmanaged("somebodys", MANY)
    before = RuleSet("s", (Rule("inbound-admin-001", OURS, (*MANY, "b@b.com", "c@c.com")), foreign))
    after = RuleSet("s", (Rule("inbound-admin-001", OURS, ("b@b.com", "c@c.com")), foreign))
    found = impact(consequences(before, after, None), served=served(before), stores=STORES)
    assert (found.served, found.stops, found.unmanaged_buckets) == (31, 0, 29)
    assert "29 of 31 addresses are delivered to an unmanaged bucket." in found.sentences
    assert found.needs_typing(99)


def test_an_address_in_two_rules_is_stored_twice_even_with_different_buckets() -> None:
    before = RuleSet("s", (_unmanaged("somebodys", ("a@a.com",)),))
    after = RuleSet("s", (*before.rules, Rule("inbound-admin-001", OURS, ("a@a.com",))))
    (only,) = consequences(before, after, None)
    assert only.kind is ConsequenceKind.TWICE
    assert "stored and processed more than once" in only.sentence
    (only,) = consequences(RuleSet("s"), after, None)
    assert only.kind is ConsequenceKind.TWICE


def test_a_compaction_affects_no_address() -> None:
    before = RuleSet("s", tuple(Rule(f"inbound-admin-00{n}", OURS, (f"{n}@a.com",)) for n in range(1, 4)))
    after = RuleSet("s", (Rule("inbound-admin-001", OURS, ("1@a.com", "2@a.com", "3@a.com")),))
    assert not impact(consequences(before, after, None), served=3, stores=STORES).needs_typing(0)


def test_199_unmanaged_rules_and_ten_thousand_addresses_are_grouped_into_few_lines() -> None:
    rules = tuple(_unmanaged(f"r{n}", (f"a@d{n}.com",), RuleDelivery((S3("old", f"d{n}/"),))) for n in range(199))
    many = tuple(f"a{number}@shop.com" for number in range(10_000))
    new = Rule("inbound-admin-001", OURS, (*(f"a@d{n}.com" for n in range(199)), *many))
    found = consequences(RuleSet("s", rules), RuleSet("s", (new,)), None)
    groups = grouped_addresses(found)
    assert [(group.kind, len(group.members), len(group.befores)) for group in groups] == [
        (ConsequenceKind.REDIRECTED, 199, 199),
        (ConsequenceKind.GAINS, 10_000, 0),
    ]
    steps: tuple[Step, ...] = (Create("s", new), *(Delete("s", rule) for rule in rules))
    assert [(group.number, len(group.members)) for group in grouped_steps(steps)] == [(1, 1), (2, 199)]


def test_few_lines_are_listed_separately_by_their_previous_delivery() -> None:
    rules = tuple(_unmanaged(f"r{n}", (f"a@d{n}.com",), RuleDelivery((S3(f"b{n}"),))) for n in range(3))
    after = RuleSet("s", (Rule("inbound-admin-001", OURS, tuple(f"a@d{n}.com" for n in range(3))),))
    assert len(grouped_addresses(consequences(RuleSet("s", rules), after, None))) == 3


BOUNCING = RuleDelivery((Bounce("postmaster@shop.com", "550", "No such mailbox."),))
REFUSES = _unmanaged("their-bounce", ("noreply@shop.com",), BOUNCING)


def _serves(*recipients: str) -> Rule:
    return Rule("inbound-admin-001", OURS, recipients)


@pytest.mark.parametrize("place", [0, 1])
def test_an_address_that_starts_receiving_and_is_still_bounced_is_harm(place: int) -> None:
    """SES runs both rules in either order, since neither stops."""
    rules: list[AnyRule] = [REFUSES]
    rules.insert(place, _serves("noreply@shop.com", "a@shop.com"))
    found = consequences(RuleSet("s", (REFUSES,)), RuleSet("s", tuple(rules)), None)
    kinds = {each.address: each.kind for each in found}
    assert kinds == {"noreply@shop.com": ConsequenceKind.BOUNCES, "a@shop.com": ConsequenceKind.GAINS}
    bounced = next(each for each in found if each.kind is ConsequenceKind.BOUNCES)
    assert "their-bounce returns its mail to the senders." in bounced.sentence
    assert "Before: a bounce by their-bounce." in bounced.sentence
    assert summary(found) == "1 address is delivered and also bounced, 1 starts receiving."
    number = impact(found, served=0, stores=STORES)
    assert (number.bounces, number.harmed) == (1, 1)
    assert "1 of 1 addresses are delivered and also bounced." in number.sentences
    assert number.needs_typing(99)


def test_a_stop_before_the_bounce_prevents_it() -> None:
    stopping = Rule("inbound-admin-001", RuleDelivery((S3("mail"), Stop())), ("noreply@shop.com",))
    (only,) = consequences(RuleSet("s", (REFUSES,)), RuleSet("s", (stopping, REFUSES)), None)
    assert only.kind is ConsequenceKind.GAINS


def test_a_plan_that_lets_a_bounce_rule_run_for_a_served_address_is_harm() -> None:
    stopping = Rule("inbound-admin-001", RuleDelivery((S3("mail"), Stop())), ("noreply@shop.com",))
    for before in (RuleSet("s", (stopping, REFUSES)), RuleSet("s", (_serves("noreply@shop.com"),))):
        (only,) = consequences(before, RuleSet("s", (_serves("noreply@shop.com"), REFUSES)), None)
        assert only.kind is ConsequenceKind.BOUNCES
        assert only.kind in HARMFUL


def test_a_served_address_that_is_no_longer_bounced_is_shown() -> None:
    ours = _serves("noreply@shop.com")
    (only,) = consequences(RuleSet("s", (ours, REFUSES)), RuleSet("s", (ours,)), None)
    assert only.kind is ConsequenceKind.CLEARS
    assert only.sentence.startswith("noreply@shop.com is no longer bounced")


def test_an_address_that_stops_receiving_is_bounced_rather_than_rejected_if_a_rule_says_so() -> None:
    ours = _serves("noreply@shop.com")
    (only,) = consequences(RuleSet("s", (ours, REFUSES)), RuleSet("s", (REFUSES,)), None)
    assert only.kind is ConsequenceKind.LOSES
    assert only.sentence == "noreply@shop.com stops receiving. their-bounce returns its mail to the senders."


def test_a_disabled_bounce_rule_bounces_nothing() -> None:
    disabled = ForeignRule("their-bounce", "{}", BOUNCING, ("noreply@shop.com",), enabled=False)
    (only,) = consequences(RuleSet("s"), RuleSet("s", (_serves("noreply@shop.com"), disabled)), None)
    assert only.kind is ConsequenceKind.GAINS


def test_a_changed_requirement_of_tls_is_a_warning_of_its_own() -> None:
    strict = RuleDelivery((S3("mail"),), tls_required=True)
    before = RuleSet("s", (_unmanaged("theirs", ("a@shop.com", "b@shop.com"), strict),))
    after = RuleSet("s", (_serves("a@shop.com", "b@shop.com"),))
    (dropped,) = tls_warnings(consequences(before, after, None))
    assert dropped.startswith("Mail for a@shop.com and 1 more is also accepted without TLS")
    (required,) = tls_warnings(consequences(after, before, None))
    assert required.startswith("Mail for a@shop.com and 1 more is bounced if it comes without TLS")
    assert not list(tls_warnings(consequences(before, before, None)))
