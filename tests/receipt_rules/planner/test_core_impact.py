"""Addresses are counted, and lines grouped so that a large plan fits on a screen."""

from receipt_rules.planner.core.consequences import ConsequenceKind, consequences, impact, served
from receipt_rules.planner.core.groups import grouped_addresses, grouped_steps
from receipt_rules.planner.core.rules import S3, ForeignRule, Rule, RuleDelivery, RuleSet
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
