"""What the active rules do with an address's mail, compared with the desired delivery."""

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


def unmanaged(*actions: Action) -> ForeignRule:
    return ForeignRule("corp", "{}", RuleDelivery(actions), ("a@shop.com",))


def test_our_rule_with_the_desired_delivery_carries_the_mail() -> None:
    assert rules_fact([OURS], OWN) is RulesFact.CARRIED


def test_an_address_without_a_rule_is_waiting() -> None:
    assert rules_fact([], OWN) is RulesFact.WAITING
    assert rules_fact([], None) is RulesFact.WAITING


def test_our_rule_with_another_delivery_does_not_serve_the_address() -> None:
    assert rules_fact([OURS], RuleDelivery((S3("other", ""),))) is RulesFact.WAITING


def test_an_unmanaged_rule_with_another_delivery_is_elsewhere() -> None:
    assert rules_fact([unmanaged(S3("theirs"))], OWN) is RulesFact.ELSEWHERE
    assert rules_fact([unmanaged(S3("theirs"), Stop()), OURS], OWN) is RulesFact.ELSEWHERE


def test_an_unmanaged_rule_with_the_desired_delivery_carries_the_mail() -> None:
    assert rules_fact([unmanaged(S3("inbound-mail", "mail/"))], OWN) is RulesFact.CARRIED


def test_an_unmanaged_rule_before_ours_that_stores_a_copy_is_reported() -> None:
    assert rules_fact([unmanaged(S3("theirs")), OURS], OWN) is RulesFact.COPIED


def test_a_bounce_or_stop_before_our_rule_prevents_delivery() -> None:
    bounce = Bounce("postmaster@corp.com", "550", "no")
    assert rules_fact([unmanaged(bounce), OURS], OWN) is RulesFact.BOUNCED
    assert rules_fact([unmanaged(Stop()), OURS], OWN) is RulesFact.STOPPED


def test_a_rule_after_ours_changes_nothing() -> None:
    assert rules_fact([OURS, unmanaged(Stop())], OWN) is RulesFact.CARRIED


def test_a_synchronous_function_before_our_rule_makes_the_result_unsure() -> None:
    asks = Lambda("arn:aws:lambda:eu-west-1:1:function:f", Invocation.REQUEST_RESPONSE)
    assert rules_fact([unmanaged(asks), OURS], OWN) is RulesFact.UNSURE


def test_a_covered_address_has_the_delivery_of_the_covering_recipient() -> None:
    desired = DesiredEntries({"shop.com": OWN}, {"a@shop.com": "shop.com", "a+b@shop.com": "a@shop.com"})
    assert delivery_of("a+b@shop.com", desired) == OWN
    assert delivery_of("other@else.com", desired) is None


def test_the_best_address_decides_the_fact_for_a_name() -> None:
    assert best_fact([RulesFact.WAITING, RulesFact.CARRIED]) is RulesFact.CARRIED
    assert best_fact([RulesFact.BOUNCED, RulesFact.STOPPED]) is RulesFact.BOUNCED
    assert best_fact([]) is RulesFact.NOTHING


@pytest.mark.parametrize("lost", [RulesFact.STOPPED, RulesFact.BOUNCED, RulesFact.ELSEWHERE])
def test_a_name_with_delivered_and_lost_addresses_is_partly_served(lost: RulesFact) -> None:
    assert best_fact([RulesFact.CARRIED, lost]) is RulesFact.PARTLY


def test_a_matching_rule_that_stores_nothing_loses_the_mail() -> None:
    header = unmanaged(AddHeader("x", "y"))
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
    old = unmanaged(*OWN.actions, Lambda("arn:aws:lambda:eu-west-1:1:function:old"))
    assert rules_fact([old], ROUTED) is RulesFact.CARRIED
    assert rules_fact([unmanaged(*OWN.actions)], ROUTED) is RulesFact.UNROUTED


def test_a_rule_that_requires_tls_unasked_rejects_some_mail() -> None:
    strict = ours(*ROUTED.actions, tls_required=True)
    assert rules_fact([strict], ROUTED) is RulesFact.TLS_ONLY
    assert rules_fact([strict], RuleDelivery(ROUTED.actions, tls_required=True)) is RulesFact.CARRIED


@pytest.mark.parametrize("defect", [RulesFact.UNROUTED, RulesFact.TLS_ONLY])
def test_a_defect_of_one_address_is_not_hidden_behind_another_address(defect: RulesFact) -> None:
    assert best_fact([RulesFact.CARRIED, defect]) is defect
