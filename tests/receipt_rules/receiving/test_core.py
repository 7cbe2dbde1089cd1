"""What the active rules do with one address's mail, as its customer wants it."""

import pytest

from domains.receiving.core import RulesFact
from receipt_rules.planner.core.desired import DesiredEntries
from receipt_rules.planner.core.rules import (
    S3,
    Action,
    AddHeader,
    Bounce,
    ForeignRule,
    Invocation,
    Lambda,
    Rule,
    RuleDelivery,
    Stop,
)
from receipt_rules.receiving.core import best_fact, delivery_of, rules_fact

OWN = RuleDelivery((S3("inbound-mail", "mail/"),))
OURS = Rule("inbound-admin-1", OWN, ("a@shop.com",))


def foreign(*actions: Action) -> ForeignRule:
    return ForeignRule("corp", "{}", RuleDelivery(actions), ("a@shop.com",))


def test_our_rule_carries_the_mail_to_the_customers_place() -> None:
    assert rules_fact([OURS], OWN) is RulesFact.CARRIED


def test_without_a_rule_the_address_waits() -> None:
    assert rules_fact([], OWN) is RulesFact.WAITING
    assert rules_fact([], None) is RulesFact.WAITING


def test_a_rule_of_ours_to_another_place_does_not_serve_the_address() -> None:
    assert rules_fact([OURS], RuleDelivery((S3("other", ""),))) is RulesFact.WAITING


def test_a_foreign_rule_that_takes_the_mail_elsewhere_is_not_ours() -> None:
    assert rules_fact([foreign(S3("theirs"))], OWN) is RulesFact.ELSEWHERE
    assert rules_fact([foreign(S3("theirs"), Stop()), OURS], OWN) is RulesFact.ELSEWHERE


def test_a_foreign_rule_to_the_customers_own_place_serves_it() -> None:
    assert rules_fact([foreign(S3("inbound-mail", "mail/"))], OWN) is RulesFact.CARRIED


def test_a_copy_in_front_is_said() -> None:
    assert rules_fact([foreign(S3("theirs")), OURS], OWN) is RulesFact.COPIED


def test_what_bounces_or_stops_in_front_keeps_the_mail_from_arriving() -> None:
    bounce = Bounce("postmaster@corp.com", "550", "no")
    assert rules_fact([foreign(bounce), OURS], OWN) is RulesFact.BOUNCED
    assert rules_fact([foreign(Stop()), OURS], OWN) is RulesFact.STOPPED


def test_what_stands_behind_ours_changes_nothing() -> None:
    assert rules_fact([OURS, foreign(Stop())], OWN) is RulesFact.CARRIED


def test_a_function_in_front_that_may_stop_leaves_it_open() -> None:
    asks = Lambda("arn:aws:lambda:eu-west-1:1:function:f", Invocation.REQUEST_RESPONSE)
    assert rules_fact([foreign(asks), OURS], OWN) is RulesFact.UNSURE


def test_an_address_that_a_broader_entry_serves_has_its_delivery() -> None:
    desired = DesiredEntries({"shop.com": OWN}, {"a@shop.com": "shop.com", "a+b@shop.com": "a@shop.com"})
    assert delivery_of("a+b@shop.com", desired) == OWN
    assert delivery_of("other@else.com", desired) is None


def test_the_best_of_the_addresses_at_a_name_speaks_for_it() -> None:
    assert best_fact([RulesFact.WAITING, RulesFact.CARRIED]) is RulesFact.CARRIED
    assert best_fact([RulesFact.BOUNCED, RulesFact.STOPPED]) is RulesFact.BOUNCED
    assert best_fact([]) is RulesFact.NOTHING


@pytest.mark.parametrize("kept", [RulesFact.STOPPED, RulesFact.BOUNCED, RulesFact.ELSEWHERE])
def test_an_address_that_another_rule_keeps_from_us_is_not_hidden_behind_one_that_is_carried(kept: RulesFact) -> None:
    assert best_fact([RulesFact.CARRIED, kept]) is RulesFact.PARTLY


def test_a_rule_that_matches_without_storing_makes_ses_accept_what_is_then_lost() -> None:
    header = foreign(AddHeader("x", "y"))
    assert rules_fact([header], OWN) is RulesFact.UNSTORED
    assert rules_fact([header, OURS], OWN) is RulesFact.CARRIED


FUNCTION = Lambda("arn:aws:lambda:eu-west-1:1:function:inbound")
ROUTED = RuleDelivery((*OWN.actions, FUNCTION))


def ours(*actions: Action, tls_required: bool = False) -> Rule:
    return Rule("inbound-admin-1", RuleDelivery(actions, tls_required=tls_required), ("a@shop.com",))


def test_mail_is_unrouted_if_our_rule_stores_it_without_calling_the_function() -> None:
    assert rules_fact([ours(*ROUTED.actions)], ROUTED) is RulesFact.CARRIED
    assert rules_fact([OURS], ROUTED) is RulesFact.UNROUTED
    assert rules_fact([ours(*OWN.actions, Lambda("arn:aws:lambda:eu-west-1:1:function:other"))], ROUTED) is (
        RulesFact.UNROUTED
    )
    assert rules_fact([ours(*OWN.actions, Stop(), FUNCTION)], ROUTED) is RulesFact.UNROUTED


def test_a_later_rule_may_call_the_function_unless_an_earlier_one_stops() -> None:
    assert rules_fact([OURS, ours(FUNCTION)], ROUTED) is RulesFact.CARRIED
    assert rules_fact([ours(*OWN.actions, Stop()), ours(FUNCTION)], ROUTED) is RulesFact.UNROUTED


def test_the_function_of_an_unmanaged_rule_may_deliver_the_mail() -> None:
    old = foreign(*OWN.actions, Lambda("arn:aws:lambda:eu-west-1:1:function:old"))
    assert rules_fact([old], ROUTED) is RulesFact.CARRIED
    assert rules_fact([foreign(*OWN.actions)], ROUTED) is RulesFact.UNROUTED


def test_a_rule_that_requires_tls_unasked_rejects_some_mail() -> None:
    strict = ours(*ROUTED.actions, tls_required=True)
    assert rules_fact([strict], ROUTED) is RulesFact.TLS_ONLY
    assert rules_fact([strict], RuleDelivery(ROUTED.actions, tls_required=True)) is RulesFact.CARRIED


@pytest.mark.parametrize("defect", [RulesFact.UNROUTED, RulesFact.TLS_ONLY])
def test_a_defect_of_one_address_is_not_hidden_behind_another_address(defect: RulesFact) -> None:
    assert best_fact([RulesFact.CARRIED, defect]) is defect
