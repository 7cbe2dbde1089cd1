"""The judgement of receiving: the result of the MX, the rules and the identity together."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domains.checking.core.judgement import NextActor, Overall, State, with_receiving
from domains.receiving.core import MxFact as Mx
from domains.receiving.core import (
    ReceivingFacts,
    ReceivingState,
    RulesFact,
    judge,
    most_severe,
    mx_fact,
    requires_mx,
)

HOST = "inbound-smtp.eu-west-1.amazonaws.com"
READY = ReceivingFacts("shop.com", mx=Mx.HERE, rules=RulesFact.CARRIED)
FACTS = st.builds(
    ReceivingFacts,
    name=st.sampled_from(["shop.com", "*.shop.com"]),
    mx=st.sampled_from(Mx),
    rules=st.sampled_from(RulesFact),
    is_wanted=st.booleans(),
    is_verified=st.booleans(),
    can_receive=st.booleans(),
    is_unread=st.booleans(),
)


def test_mail_arrives_if_the_mx_points_here_and_the_rules_store_it() -> None:
    assert judge(READY).state is ReceivingState.LIVE
    assert judge(READY).sentence == "Mail for shop.com arrives here."


@given(FACTS)
def test_live_requires_every_condition(facts: ReceivingFacts) -> None:
    """A subdomain catch-all above receives the mail of a send-only domain too, and of one without addresses."""
    holds = facts.can_receive and facts.is_verified
    points_here = facts.mx is Mx.HERE or (facts.mx is Mx.SHARED and not facts.is_wanted)
    assert judge(facts).is_live == (holds and points_here and facts.rules in (RulesFact.CARRIED, RulesFact.CAUGHT))


@given(FACTS)
def test_the_mx_is_never_required_while_mail_would_be_rejected(facts: ReceivingFacts) -> None:
    published_elsewhere = replace(facts, mx=Mx.ELSEWHERE)
    if requires_mx(published_elsewhere):
        assert judge(replace(published_elsewhere, mx=Mx.HERE)).state in (ReceivingState.LIVE, ReceivingState.COPIED)


def test_of_a_subdomain_it_is_said_that_ses_may_apply_its_parents_verification() -> None:
    found = judge(ReceivingFacts("in.shop.com", mx=Mx.HERE, is_verified=False, has_parent=True))
    until = "SES rejects all mail for in.shop.com until it has verified the domain"
    assert found.sentence == f"{until}, unless it has verified a parent domain."


@pytest.mark.parametrize("rules", [RulesFact.NOTHING, RulesFact.WAITING, RulesFact.NOT_SET_UP, RulesFact.HALTED])
def test_an_mx_that_points_here_without_rules_is_rejected_and_red(rules: RulesFact) -> None:
    found = judge(replace(READY, rules=rules))
    assert found.state is ReceivingState.REJECTED
    assert found.is_red
    assert found.sentence.startswith("SES rejects all mail for shop.com: ")


ADDRESS = replace(READY, recipient="press@shop.com")


@pytest.mark.parametrize(
    ("rules", "state", "expected"),
    [
        (RulesFact.WAITING, ReceivingState.REJECTED, "SES rejects {all}mail for {whom}: "),
        (RulesFact.BOUNCED, ReceivingState.BOUNCED, "Mail for {whom} bounces: "),
        (RulesFact.STOPPED, ReceivingState.LOST, "Mail for {whom} is lost: SES accepts it, "),
        (RulesFact.UNSTORED, ReceivingState.LOST, "Mail for {whom} is lost: SES accepts it, "),
    ],
)
def test_rejected_bounced_and_lost_mail_have_their_own_states(
    rules: RulesFact, state: ReceivingState, expected: str
) -> None:
    for facts, all_, whom in ((READY, "all ", "shop.com"), (ADDRESS, "", "press@shop.com")):
        found = judge(replace(facts, rules=rules))
        assert found.state is state
        assert found.sentence.startswith(expected.format(all=all_, whom=whom))
        assert found.is_red


@given(FACTS)
def test_accepted_mail_is_never_called_rejected(facts: ReceivingFacts) -> None:
    accepted = (RulesFact.STOPPED, RulesFact.UNSTORED, RulesFact.PARTLY, RulesFact.ELSEWHERE, RulesFact.BOUNCED)
    found = judge(replace(facts, rules=facts.rules if facts.rules in accepted else RulesFact.STOPPED))
    if facts.is_verified and facts.is_wanted:
        assert found.state is not ReceivingState.REJECTED
        assert "reject" not in found.sentence


def test_a_partly_lost_name_is_not_called_lost_and_keeps_its_mx() -> None:
    partly = replace(READY, rules=RulesFact.PARTLY)
    assert judge(partly).state is ReceivingState.PARTLY_LOST
    assert judge(partly).sentence.startswith("Mail for some addresses at shop.com doesn't arrive: ")
    assert requires_mx(partly)
    assert not requires_mx(replace(partly, mx=Mx.ELSEWHERE))
    assert judge(replace(partly, mx=Mx.ELSEWHERE)).state is ReceivingState.BLOCKED


def test_without_an_address_the_sentence_asks_to_add_one() -> None:
    assert (
        judge(replace(READY, rules=RulesFact.NOTHING)).sentence
        == "SES rejects all mail for shop.com: no address is on. Add one or turn one on."
    )


def test_unread_rules_of_a_new_holder_are_not_checked() -> None:
    assert judge(replace(READY, rules=RulesFact.NOTHING, is_unread=True)).state is ReceivingState.NOT_CHECKED


def test_an_unverified_identity_rejects_mail_and_needs_no_mx() -> None:
    assert judge(replace(READY, is_verified=False)).state is ReceivingState.REJECTED
    assert not requires_mx(replace(READY, mx=Mx.ELSEWHERE, is_verified=False))


def test_an_address_is_requested_before_the_mx() -> None:
    new = ReceivingFacts("shop.com", mx=Mx.ELSEWHERE)
    assert judge(new).state is ReceivingState.ADD_ADDRESS
    assert not requires_mx(new)
    waiting = replace(new, rules=RulesFact.WAITING)
    assert judge(waiting).state is ReceivingState.APPLYING
    assert not requires_mx(waiting)
    carried = replace(new, rules=RulesFact.CARRIED)
    assert judge(carried).state is ReceivingState.PUBLISH_MX
    assert requires_mx(carried)
    assert "goes to another mail service. Publish the MX record" in judge(carried).sentence


@pytest.mark.parametrize("mx", [Mx.SHARED, Mx.BEHIND])
def test_a_published_mx_beside_another_is_not_called_missing(mx: Mx) -> None:
    found = judge(replace(READY, mx=mx))
    assert (found.state, found.word) == (ReceivingState.PUBLISH_MX, "Conflicting MX record")
    assert "Publish" not in found.sentence
    assert requires_mx(replace(READY, mx=mx))


def test_an_outage_of_the_rules_keeps_the_mx_required() -> None:
    assert requires_mx(replace(READY, rules=RulesFact.NOT_SET_UP))
    assert not requires_mx(replace(READY, rules=RulesFact.NOTHING))


def test_mail_taken_by_an_unmanaged_rule_is_not_live() -> None:
    assert judge(replace(READY, rules=RulesFact.ELSEWHERE)).state is ReceivingState.TAKEN
    assert not judge(replace(READY, rules=RulesFact.COPIED)).is_live


def test_a_failed_lookup_gives_could_not_tell() -> None:
    for mx in (Mx.UNSEEN, Mx.UNKNOWN):
        assert judge(replace(READY, mx=mx)).state is ReceivingState.COULD_NOT_TELL


@pytest.mark.parametrize(
    ("changed", "state"),
    [
        ({"rules": RulesFact.HELD}, ReceivingState.REJECTED),
        ({"rules": RulesFact.WAITING}, ReceivingState.REJECTED),
        ({"rules": RulesFact.HALTED}, ReceivingState.REJECTED),
        ({"rules": RulesFact.STOPPED}, ReceivingState.LOST),
        ({"rules": RulesFact.BOUNCED}, ReceivingState.BOUNCED),
        ({"rules": RulesFact.PARTLY}, ReceivingState.PARTLY_LOST),
        ({"rules": RulesFact.ELSEWHERE}, ReceivingState.TAKEN),
        ({"rules": RulesFact.UNROUTED}, ReceivingState.UNDELIVERED),
        ({"rules": RulesFact.TLS_ONLY}, ReceivingState.TLS_ONLY),
        ({"is_verified": False}, ReceivingState.REJECTED),
        ({"is_wanted": False, "rules": RulesFact.NOTHING}, ReceivingState.REJECTED),
        ({"is_wanted": False}, ReceivingState.COULD_NOT_TELL),
        ({"rules": RulesFact.UNSURE}, ReceivingState.COULD_NOT_TELL),
        ({"rules": RulesFact.COPIED}, ReceivingState.COULD_NOT_TELL),
    ],
)
def test_a_failed_mx_lookup_still_shows_the_state_of_the_rules(changed: dict[str, Any], state: ReceivingState) -> None:
    found = judge(replace(READY, mx=Mx.UNSEEN, **changed))
    assert found.state is state
    assert "at the last successful check" in found.sentence


def test_send_only_is_red_only_if_the_mx_points_here() -> None:
    only = replace(READY, is_wanted=False, rules=RulesFact.NOTHING)
    for mx in (Mx.ELSEWHERE, Mx.NOWHERE, Mx.UNKNOWN, Mx.NOT_CHECKED):
        found = judge(replace(only, mx=mx))
        assert found.state is ReceivingState.SEND_ONLY
        assert not found.is_red
    assert judge(only).is_red
    assert not requires_mx(only)


def test_the_most_severe_of_several_names_wins() -> None:
    red = judge(replace(READY, name="*.shop.com", rules=RulesFact.NOTHING))
    assert most_severe([judge(READY), red]) == red
    assert "subdomains of shop.com" in red.sentence


@pytest.mark.parametrize(("name", "expected"), [("shop.com", False), ("*.shop.com", True)])
def test_only_the_subdomain_catch_all_mentions_mx_records_of_subdomains(name: str, expected: bool) -> None:
    found = judge(replace(READY, name=name, mx=Mx.NOWHERE))
    assert ("A subdomain with DNS records needs its own MX record." in found.sentence) is expected


@pytest.mark.parametrize(
    ("answers", "before", "fact"),
    [
        ([(f"10 {HOST}",)], "", Mx.HERE),
        ([(f"10 {HOST}", "20 backup.example.com")], "", Mx.HERE),
        ([(f"10 {HOST}", "10 mail.example.com")], "", Mx.SHARED),
        ([(f"20 {HOST}", "10 mail.example.com")], "", Mx.BEHIND),
        ([(f"10 {HOST}", "0 .")], "", Mx.BEHIND),
        ([("0 .",)], "", Mx.NOWHERE),
        ([()], "here", Mx.NOWHERE),
        ([(), (f"10 {HOST}",)], "", Mx.HERE),
        ([None, ("10 mail.example.com",)], "here", Mx.ELSEWHERE),
        ([None, None], "here", Mx.UNSEEN),
        ([None], "unseen", Mx.UNSEEN),
        ([None], "elsewhere", Mx.UNKNOWN),
        ([], "elsewhere", Mx.ELSEWHERE),
    ],
)
def test_the_mx_fact_follows_the_best_preference_and_never_a_failed_lookup(
    answers: list[tuple[str, ...] | None], before: str, fact: Mx
) -> None:
    assert mx_fact(answers, HOST, Mx(before)) is fact


INGRESS = "10 abcdefghijkl.mnop.mail-manager-smtp.amazonaws.com"


def test_a_mail_manager_endpoint_is_recognised_as_not_managed_here() -> None:
    assert mx_fact([(INGRESS,)], "inbound-smtp.eu-west-1.amazonaws.com", Mx.NOT_CHECKED) is Mx.MAIL_MANAGER
    mixed = (INGRESS, "10 mx.example.net")
    assert mx_fact([mixed], "inbound-smtp.eu-west-1.amazonaws.com", Mx.NOT_CHECKED) is Mx.ELSEWHERE
    found = judge(ReceivingFacts("shop.com", mx=Mx.MAIL_MANAGER))
    assert (found.state, "SES Mail Manager" in found.sentence) == (ReceivingState.FOREIGN, True)
    wanted = judge(ReceivingFacts("shop.com", mx=Mx.MAIL_MANAGER, rules=RulesFact.CARRIED))
    assert (wanted.state, "goes to SES Mail Manager" in wanted.sentence) == (ReceivingState.PUBLISH_MX, True)


def test_an_address_is_not_requested_before_ownership_is_proven() -> None:
    new = judge(ReceivingFacts("shop.com", mx=Mx.ELSEWHERE, is_proven=False, is_verified=False))
    assert (new.state, new.asks_for_address, "an address" in new.sentence) == (ReceivingState.ADD_ADDRESS, False, False)
    assert "verify ownership first" in new.sentence


def test_a_domain_halted_by_staff_is_not_called_ready_to_send() -> None:
    """Pausing sending can stop receiving as well."""
    verified = Overall(State.VERIFIED, NextActor.NOBODY, "", 5, 5)
    for rules, is_ready in ((RulesFact.HALTED, False), (RulesFact.STOPPED, True)):
        found = judge(ReceivingFacts("shop.com", rules=rules))
        sentence = with_receiving(verified, [found]).sentence
        assert sentence.endswith(found.sentence)
        assert sentence.startswith("Ready to send.") is is_ready


def test_a_dropped_recipient_is_rejected_and_not_being_set_up() -> None:
    dropped = ReceivingFacts("shop.com", mx=Mx.HERE, rules=RulesFact.DROPPED)
    assert judge(dropped).state is ReceivingState.REJECTED
    assert "although they were set up. Our team has been notified." in judge(dropped).sentence
    elsewhere = judge(replace(dropped, mx=Mx.ELSEWHERE))
    assert elsewhere.state is ReceivingState.BLOCKED
    assert elsewhere.sentence.startswith("Mail for shop.com would be rejected")
