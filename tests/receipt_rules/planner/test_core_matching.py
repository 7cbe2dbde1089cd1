"""How SES evaluates receipt rules for a message, as tables: ses.md B."""

import pytest

from receipt_rules.planner.core.matching import MatchReason, RecipientOutcome, delivering_rules, match, route, why_not
from receipt_rules.planner.core.rules import (
    S3,
    AnyRule,
    Bounce,
    ForeignRule,
    Invocation,
    Lambda,
    Rule,
    RuleDelivery,
    Stop,
)

ALICE, BOB = RuleDelivery((S3("mail", "alice/"),)), RuleDelivery((S3("mail", "bob/"),))


def rule(
    *recipients: str, delivery: RuleDelivery = ALICE, name: str = "inbound-admin-001", enabled: bool = True
) -> Rule:
    return Rule(name, delivery, recipients, enabled)


def unmanaged(*recipients: str, stops: bool = False, name: str = "theirs", enabled: bool = True) -> ForeignRule:
    actions = (S3("theirs"), Stop()) if stops else (S3("theirs"),)
    return ForeignRule(name, "{}", RuleDelivery(actions), recipients, enabled)


@pytest.mark.parametrize(
    ("entry", "address", "reason"),
    [
        ("ann@example.com", "ann@example.com", MatchReason.ADDRESS),
        ("Ann@Example.COM", "ann@example.com", MatchReason.ADDRESS),
        ("ann@example.com", "ann+shop@example.com", MatchReason.LABEL),
        ("ann@example.com", "ann+a+b@example.com", MatchReason.LABEL),
        ("ann+shop@example.com", "ann+shop@example.com", MatchReason.ADDRESS),
        ("ann+shop@example.com", "ann@example.com", None),
        ("ann+shop@example.com", "ann+other@example.com", None),
        ("ann@example.com", "annie@example.com", None),
        ("example.com", "ann@example.com", MatchReason.DOMAIN),
        ("example.com", "ann@sub.example.com", None),
        (".example.com", "ann@sub.example.com", MatchReason.SUBDOMAIN),
        (".example.com", "ann@a.b.example.com", MatchReason.SUBDOMAIN),
        (".example.com", "ann@example.com", None),
        (".example.com", "ann@notexample.com", None),
        ("*@example.com", "ann@example.com", None),
    ],
)
def test_recipient_conditions_match_as_ses_documents(entry: str, address: str, reason: MatchReason | None) -> None:
    found = match(unmanaged(entry), address)
    assert (found.reason if found else None) == reason


def test_a_rule_without_recipients_matches_every_address() -> None:
    found = match(unmanaged(), "ann@example.com")
    assert found is not None
    assert found.reason is MatchReason.EVERYBODY
    assert "no recipient condition" in route([unmanaged()], ["a@example.com"]).flags[0]


def test_the_most_specific_recipient_condition_is_the_reason() -> None:
    found = match(rule("example.com", "ann@example.com"), "ann@example.com")
    assert found is not None
    assert found.entry == "ann@example.com"


def test_all_matching_rules_apply_in_order_with_the_recipients_they_match() -> None:
    rules: list[AnyRule] = [rule("alice.com"), rule("bob.com", "ann@alice.com", delivery=BOB, name="inbound-admin-002")]
    routing = route(rules, ["Ann@Alice.com", "me@bob.com", "x@nowhere.com"])
    assert [(each.rule.name, [found.recipient for found in each.matches]) for each in routing.fired] == [
        ("inbound-admin-001", ["ann@alice.com"]),
        ("inbound-admin-002", ["ann@alice.com", "me@bob.com"]),
    ]
    assert [name for name, _ in routing.actions] == ["inbound-admin-001", "inbound-admin-002"]
    assert routing.stored_twice == ("ann@alice.com",)
    assert routing.unserved == ("x@nowhere.com",)
    assert not routing.is_rejected
    assert any("more than once" in flag for flag in routing.flags)


def test_a_stop_action_ends_evaluation_for_all_recipients_of_the_message() -> None:
    rules: list[AnyRule] = [unmanaged("theirs.com", stops=True), rule("bob.com", delivery=BOB)]
    alone, together = route(rules, ["me@bob.com"]), route(rules, ["x@theirs.com", "me@bob.com"])
    assert alone.unserved == ()
    assert together.unserved == ("me@bob.com",)
    assert together.stopped_by == "theirs"
    assert "theirs stops it" in together.flags[0]
    assert together.flags[0].endswith("Senders get no bounce. The other recipients aren't affected.")
    assert together.outcomes[1].stopped_by == "theirs"
    assert any("stops rule evaluation before it" in flag for flag in together.flags)


def test_actions_after_a_stop_in_the_same_rule_are_not_relied_on() -> None:
    stopping = ForeignRule("theirs", "{}", RuleDelivery((Stop(), S3("theirs"))), ("a.com",))
    routing = route([stopping], ["x@a.com"])
    assert [action for _, action in routing.actions] == [Stop()]
    assert routing.unserved == ("x@a.com",)
    assert routing.recipient_outcomes == {"x@a.com": RecipientOutcome.LOST}
    sentence = "Mail for x@a.com is lost: SES accepts it, but theirs stops it before a rule stores it."
    uncertain = "theirs has actions after its Stop action. AWS doesn't document whether SES runs them."
    assert routing.flags == (f"{sentence} Senders get no bounce.", uncertain)


def test_a_disabled_rule_neither_delivers_nor_stops() -> None:
    rules: list[AnyRule] = [unmanaged("bob.com", stops=True, enabled=False), rule("bob.com")]
    routing = route(rules, ["me@bob.com"])
    assert [each.rule.name for each in routing.fired] == ["inbound-admin-001"]
    assert "disabled" in routing.outcomes[0].sentence
    assert any("disabled" in flag for flag in routing.flags)


def test_a_message_that_no_rule_matches_is_rejected() -> None:
    routing = route([rule("alice.com")], ["x@bob.com"])
    assert routing.is_rejected
    assert routing.flags == ("No rule matches: SES rejects the message.",)
    assert routing.outcomes[0].sentence == "It covers none of the recipients."


def test_a_bounce_action_delivers_to_nobody() -> None:
    bouncing = ForeignRule("theirs", "{}", RuleDelivery((Bounce("a@a.com", "550", "No"),)), ("a.com",))
    assert not delivering_rules([bouncing], "x@a.com")
    routing = route([bouncing], ["x@a.com"])
    assert not routing.is_rejected
    assert routing.recipient_outcomes == {"x@a.com": RecipientOutcome.BOUNCED}
    assert routing.flags == ("Mail for x@a.com bounces: theirs returns it to its senders.",)


def test_each_recipient_of_a_message_has_its_own_outcome() -> None:
    stopping = ForeignRule("theirs", "{}", RuleDelivery((Stop(),)), ("alice.com",))
    rules: list[AnyRule] = [rule("alice.com"), stopping, rule("bob.com")]
    assert route(rules, ["a@alice.com", "b@bob.com", "c@else.com"]).recipient_outcomes == {
        "a@alice.com": RecipientOutcome.STORED,
        "b@bob.com": RecipientOutcome.LOST,  # its rule matches, so SES accepts the mail
        "c@else.com": RecipientOutcome.REJECTED,
    }


def test_a_synchronous_function_is_flagged() -> None:
    waiting = rule("a.com", delivery=RuleDelivery((Lambda("arn", Invocation.REQUEST_RESPONSE),)))
    routing = route([waiting], ["x@a.com"])
    assert any("may stop rule evaluation" in flag for flag in routing.flags)


def test_a_rule_that_requires_tls_is_flagged() -> None:
    strict = rule("a.com", delivery=RuleDelivery((S3("mail"),), tls_required=True))
    assert any("without TLS" in flag for flag in route([strict], ["x@a.com"]).flags)


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ((".example.com",), "not example.com itself"),
        (("example.org", "bob@example.com"), "1 other address at example.com"),
        (("example.org",), "no recipients at example.com"),
    ],
)
def test_a_miss_names_the_nearest_recipient_condition(entries: tuple[str, ...], reason: str) -> None:
    assert reason in why_not(rule(*entries), "ann@example.com")


def test_a_miss_at_a_subdomain_says_that_the_domain_does_not_cover_it() -> None:
    assert "not those at its subdomains" in why_not(rule("example.com"), "ann@sub.example.com")


def test_delivering_rules_are_those_that_match_this_address() -> None:
    rules: list[AnyRule] = [
        rule("alice.com"),
        unmanaged("alice.com", stops=True),
        rule("alice.com", delivery=BOB, name="inbound-admin-009"),
    ]
    assert [rule.delivery for rule in delivering_rules(rules, "x@Alice.com")] == [ALICE, rules[1].delivery]
    assert delivering_rules(rules, "x@alice.com")
    assert not delivering_rules(rules, "x@bob.com")
