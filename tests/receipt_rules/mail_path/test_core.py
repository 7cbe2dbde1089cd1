"""The hops agree with the receiving status computed from the same facts."""

import pytest

from domains.receiving.core import MxFact, ReceivingFacts, ReceivingState, RulesFact, judge
from receipt_rules.mail_path.core import End, Hop, HopState, mail_path

DESK = End("Desk", "webhook")


def path(facts: ReceivingFacts, *ends: End) -> dict[str, Hop]:
    return {hop.key: hop for hop in mail_path(facts, judge(facts), ends)}


def test_received_mail_passes_every_hop() -> None:
    hops = path(ReceivingFacts("shop.com", mx=MxFact.HERE, rules=RulesFact.CARRIED), DESK)
    assert list(hops) == ["sender", "mx", "rule", "store", "end"]
    assert {hop.state for key, hop in hops.items() if key != "sender"} == {HopState.OK}
    assert hops["end"].sentence == "Desk (webhook)"


def test_an_mx_that_some_senders_do_not_follow_is_a_warning() -> None:
    facts = ReceivingFacts("shop.com", mx=MxFact.HERE, rules=RulesFact.CARRIED, policy="A policy blocks mail.")
    hops = path(facts, DESK)
    assert (hops["mx"].state, hops["rule"].state) == (HopState.WARNING, HopState.OK)
    assert hops["mx"].sentence == "Points to SES, but senders that follow an MTA-STS policy don't deliver there"


def test_a_failed_lookup_is_unknown() -> None:
    for fact in (MxFact.UNSEEN, MxFact.UNKNOWN, MxFact.NOT_CHECKED):
        assert path(ReceivingFacts("shop.com", mx=fact, rules=RulesFact.CARRIED))["mx"].state is HopState.UNKNOWN


@pytest.mark.parametrize("mx", MxFact)
@pytest.mark.parametrize("rules", RulesFact)
@pytest.mark.parametrize("is_verified", [True, False])
def test_mail_stops_at_the_rule_or_the_storage_only_if_the_receiving_status_is_red(
    mx: MxFact, rules: RulesFact, is_verified: bool
) -> None:
    facts = ReceivingFacts("shop.com", mx=mx, rules=rules, is_verified=is_verified)
    found, hops = judge(facts), path(facts, DESK)
    if rules is RulesFact.TLS_ONLY and is_verified:
        assert hops["rule"].state is HopState.WARNING, "only some of the mail stops"
    else:
        assert (HopState.STOPPED in (hops["rule"].state, hops["store"].state)) == found.is_red
    if found.state is ReceivingState.LIVE:
        assert hops["mx"].state is hops["rule"].state is hops["store"].state is HopState.OK


def test_the_worst_endpoint_decides_the_state_and_three_are_listed() -> None:
    facts = ReceivingFacts("shop.com", mx=MxFact.HERE, rules=RulesFact.CARRIED)
    ends = (DESK, End(), End("Books", waits=True), End("Old", is_off=True), End("Bad", is_failing=True))
    end = path(facts, *ends)["end"]
    assert (end.name, end.state) == ("Endpoints", HopState.UNDELIVERED)
    assert end.sentence.startswith(
        "Bad isn't accepting mail. Stored only (no endpoint). Old is off. Mail is stored only"
    )
    assert end.sentence.endswith(", and 2 more")
    assert path(facts, End())["end"].sentence == "Stored only (no endpoint)"
    assert path(facts)["end"].state is HopState.NONE


def test_up_to_three_endpoints_are_all_listed() -> None:
    facts = ReceivingFacts("shop.com", mx=MxFact.HERE, rules=RulesFact.CARRIED)
    three = path(facts, DESK, End("Books", waits=True), End("Old", is_off=True))["end"]
    assert three.sentence.endswith("Desk (webhook)")
    assert [path(facts, *[DESK] * number)["end"].name for number in (1, 2)] == ["Endpoint", "Endpoints"]


@pytest.mark.parametrize(
    ("rules", "is_verified", "sentence"),
    [
        (RulesFact.CARRIED, True, "Stores and routes the mail"),
        (RulesFact.CARRIED, False, "No mail yet"),
        (RulesFact.WAITING, True, "No mail yet"),
        (RulesFact.WAITING, False, "No mail yet"),
    ],
)
def test_mail_is_stored_if_the_domain_is_verified_and_a_rule_delivers(
    rules: RulesFact, sentence: str, *, is_verified: bool
) -> None:
    facts = ReceivingFacts("shop.com", mx=MxFact.HERE, rules=rules, is_verified=is_verified)
    assert path(facts, DESK)["store"].sentence == sentence


def test_a_hop_has_the_label_tone_and_icon_of_its_state() -> None:
    hop = path(ReceivingFacts("shop.com", mx=MxFact.HERE, rules=RulesFact.CARRIED), DESK)["rule"]
    assert (hop.word, hop.tone, hop.icon) == ("OK", "good", "check-circle")
