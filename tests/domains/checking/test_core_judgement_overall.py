"""The state of an aspect and of the whole domain, from the states of its records and from SES."""

from itertools import product

import pytest

from domains.checking.core.judgement import (
    Aspect,
    Judgement,
    NextActor,
    SesStatus,
    State,
    judge_aspect,
    judge_aspects,
    judge_domain,
    with_receiving,
)
from domains.checking.core.sentences import naming_subdomains
from domains.receiving.core import MxFact, ReceivingFacts, RulesFact
from domains.receiving.core import judge as judge_receiving
from domains.records.core import Need
from tests.domains.checking.judged_records import RECORDS


def judgements(**states: State) -> list[Judgement]:
    """Return judgements with all required records verified, except those named (dashes as underscores)."""
    required = [record for record in RECORDS.values() if record.key != "challenge"]
    return [
        Judgement(record.key, record.need, states.get(record.key.replace("-", "_"), State.VERIFIED), (), "", "")
        for record in required
    ]


ALL_GOOD = {Aspect.IDENTITY: SesStatus.SUCCESS, Aspect.DKIM: SesStatus.SUCCESS, Aspect.MAIL_FROM: SesStatus.SUCCESS}


@pytest.mark.parametrize(
    ("dns", "ses", "state"),
    [
        (State.VERIFIED, SesStatus.SUCCESS, State.VERIFIED),
        (State.VERIFIED, SesStatus.PENDING, State.SPREADING),
        (State.VERIFIED, SesStatus.NOT_STARTED, State.SPREADING),
        (State.VERIFIED, SesStatus.TEMPORARY_FAILURE, State.AT_RISK),
        (State.VERIFIED, SesStatus.FAILED, State.WRONG),
        (State.VERIFIED, SesStatus.UNKNOWN, State.COULD_NOT_CHECK),
        (State.WAITING, SesStatus.PENDING, State.WAITING),
        (State.WAITING, SesStatus.UNKNOWN, State.WAITING),
        (State.WAITING, SesStatus.SUCCESS, State.WAITING),
        (State.WAITING, SesStatus.FAILED, State.WRONG),
        (State.WRONG, SesStatus.PENDING, State.WRONG),
        (State.AT_RISK, SesStatus.SUCCESS, State.AT_RISK),
        (State.SPREADING, SesStatus.PENDING, State.SPREADING),
        (State.COULD_NOT_CHECK, SesStatus.SUCCESS, State.COULD_NOT_CHECK),
        (State.COULD_NOT_CHECK, SesStatus.TEMPORARY_FAILURE, State.AT_RISK),
        (State.NOT_CHECKED, SesStatus.PENDING, State.NOT_CHECKED),
    ],
)
def test_an_aspect_combines_dns_and_ses(dns: State, ses: SesStatus, state: State) -> None:
    aspect = judge_aspect(Aspect.DKIM, judgements(dkim_2=dns), ses)
    assert aspect.state is state
    assert (ses is SesStatus.FAILED) == ("estart verification" in aspect.sentence)


def test_receiving_is_judged_by_dns_alone() -> None:
    assert judge_aspect(Aspect.RECEIVING, judgements(), SesStatus.UNKNOWN).state is State.VERIFIED
    assert judge_aspect(Aspect.RECEIVING, judgements(inbound_mx=State.WRONG), SesStatus.UNKNOWN).state is State.WRONG


def test_only_aspects_with_records_are_judged() -> None:
    only = [judgement for judgement in judgements() if judgement.key == "identity"]
    assert [aspect.aspect for aspect in judge_aspects(only, ALL_GOOD)] == [Aspect.IDENTITY]
    assert [aspect.aspect for aspect in judge_aspects(judgements(), ALL_GOOD)] == list(Aspect)


def test_a_domain_with_all_records_and_ses_confirmed_is_verified() -> None:
    whole = judge_domain(judge_aspects(judgements(), ALL_GOOD), judgements())
    assert (whole.state, whole.next_actor, whole.done, whole.required) == (State.VERIFIED, NextActor.NOBODY, 7, 7)


@pytest.mark.parametrize("key", [record.key for record in RECORDS.values() if record.need is Need.REQUIRED][:-1])
@pytest.mark.parametrize("state", [state for state in State if state is not State.VERIFIED])
def test_a_domain_with_one_unverified_required_record_is_not_verified(key: str, state: State) -> None:
    given_states = judgements(**{key.replace("-", "_"): state})
    whole = judge_domain(judge_aspects(given_states, ALL_GOOD), given_states)
    assert whole.state is state
    assert (whole.done, whole.required) == (6, 7)
    assert whole.sentence.endswith(".")


def test_recommended_records_do_not_block_verification() -> None:
    given_states = judgements(dmarc=State.WRONG, apex_spf=State.WAITING)
    assert judge_domain(judge_aspects(given_states, ALL_GOOD), given_states).state is State.VERIFIED


@pytest.mark.parametrize(
    ("states", "ses", "state", "turn", "words"),
    [
        (
            {"dkim_1": State.WAITING, "dkim_2": State.WAITING},
            {},
            State.WAITING,
            NextActor.YOU,
            "Publish 2 more DNS records.",
        ),
        (
            {"dkim_1": State.WAITING, "dkim_2": State.WRONG},
            {},
            State.WRONG,
            NextActor.YOU,
            "1 to fix, 1 to publish",
        ),
        ({"dkim_1": State.AT_RISK, "dkim_2": State.WRONG}, {}, State.AT_RISK, NextActor.YOU, "1 to restore, 1 to fix"),
        ({"dkim_1": State.SPREADING}, {}, State.SPREADING, NextActor.CACHES, "is published and propagating"),
        (
            {},
            {Aspect.DKIM: SesStatus.PENDING},
            State.SPREADING,
            NextActor.AMAZON,
            "Waiting for Amazon SES to verify it",
        ),
        ({}, {Aspect.DKIM: SesStatus.FAILED}, State.WRONG, NextActor.YOU, "Restart verification"),
        (
            {},
            {Aspect.DKIM: SesStatus.TEMPORARY_FAILURE},
            State.AT_RISK,
            NextActor.AMAZON,
            "will check them automatically",
        ),
        ({}, {Aspect.DKIM: SesStatus.UNKNOWN}, State.COULD_NOT_CHECK, NextActor.US, "get its status from Amazon SES"),
        ({"dkim_1": State.COULD_NOT_CHECK}, {}, State.COULD_NOT_CHECK, NextActor.US, "couldn't check 1 of 7"),
    ],
)
def test_the_overall_state_names_the_next_actor(
    states: dict[str, State], ses: dict[Aspect, SesStatus], state: State, turn: NextActor, words: str
) -> None:
    given_states = judgements(**states)
    whole = judge_domain(judge_aspects(given_states, {**ALL_GOOD, **ses}), given_states)
    assert (whole.state, whole.next_actor) == (state, turn)
    assert words in whole.sentence


def test_a_domain_without_records_is_not_checked() -> None:
    assert judge_domain((), ()).state is State.NOT_CHECKED


def test_the_domain_is_verified_only_if_every_part_is() -> None:
    for state, ses in product(State, SesStatus):
        given_states = judgements(identity=state)
        aspects = judge_aspects(given_states, {**ALL_GOOD, Aspect.IDENTITY: ses})
        verified = judge_domain(aspects, given_states).state is State.VERIFIED
        assert verified == (state is State.VERIFIED and ses is SesStatus.SUCCESS)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([], "Publish the MX record."),
        ([""], "Publish the MX record."),
        (["shop.com"], "Publish the MX record."),
        (["sub.shop.com"], "sub.shop.com: Publish the MX record."),
        (["a.shop.com", "b.shop.com", "c.shop.com"], "a.shop.com and 2 more: Publish the MX record."),
        (["sub.shop.com", ""], "Publish the MX record."),
    ],
)
def test_a_summary_names_the_subdomain_that_causes_it(names: list[str], expected: str) -> None:
    assert naming_subdomains("Publish the MX record.", names, "shop.com") == expected


NO_ADDRESS = (RulesFact.NOTHING, RulesFact.FOREIGN, RulesFact.ACCEPTED, RulesFact.CAUGHT)


@pytest.mark.parametrize("rules", [each for each in RulesFact if each not in NO_ADDRESS])
def test_a_domain_with_pending_addresses_is_not_verified(
    rules: RulesFact,
) -> None:
    facts = ReceivingFacts("*.track.example.com", mx=MxFact.NOWHERE, rules=rules)
    whole = judge_domain(judge_aspects(judgements(), ALL_GOOD), judgements())
    result = with_receiving(whole, [judge_receiving(facts)])
    is_published_next = rules in (RulesFact.CARRIED, RulesFact.COPIED)  # then the MX itself is a required record
    assert result.state is (State.VERIFIED if is_published_next else State.SPREADING)
    assert result.next_actor is (NextActor.NOBODY if is_published_next else NextActor.US)


def lost(*found: tuple[str, str]) -> list[Judgement]:
    return [Judgement(key, Need.REQUIRED, State.AT_RISK, (), code, "") for key, code in found]


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (
            [("dkim-1", "dns.absent")],
            "1 of 7 records has changed or disappeared. Restore it before the domain loses its verification.",
        ),
        (
            [("mail-from-mx", "dns.absent")],
            "1 of 7 records has changed or disappeared. Restore it before SES stops using the MAIL FROM domain.",
        ),
        (
            [("mail-from-spf", "dns.rival.spf")],
            "1 of 7 records conflicts with another record. SPF fails for mail that SES sends. Correct it.",
        ),
        (
            [("inbound-mx", "dns.rival.mx")],
            "1 of 7 records has changed or disappeared. Mail goes elsewhere now. Restore it.",
        ),
        (
            [("inbound-mx", "dns.rival.mx_shared")],
            "1 of 7 records conflicts with another record. Only some of the mail arrives here now. Correct it.",
        ),
        (
            [("inbound-mx", "dns.rival.null_mx_beside")],
            "1 of 7 records conflicts with another record. Some senders reject all mail now. Correct it.",
        ),
        (
            [("inbound-mx", "dns.absent"), ("dkim-2", "dns.absent")],
            (
                "2 of 7 records have changed or disappeared. Mail no longer arrives here. "
                "Restore them before the domain loses its verification."
            ),
        ),
    ],
)
def test_a_lost_record_says_what_is_at_stake_and_only_that(found: list[tuple[str, str]], sentence: str) -> None:
    keys = {key for key, _ in found}
    rest = [each for each in judgements() if each.key not in keys]
    all_ = [*lost(*found), *rest]
    assert judge_domain(judge_aspects(all_, ALL_GOOD), all_).sentence == sentence


def test_several_classes_of_records_still_say_that_mail_goes_elsewhere() -> None:
    rest = [each for each in judgements(dkim_1=State.WRONG) if each.key != "inbound-mx"]
    all_ = [*lost(("inbound-mx", "dns.rival.mx")), *rest]
    sentence = judge_domain(judge_aspects(all_, ALL_GOOD), all_).sentence
    assert sentence == "Of 7 records: 1 to restore, 1 to fix. Mail goes elsewhere now."


def test_records_that_could_not_be_checked_are_not_called_wrong_once_ses_gave_up() -> None:
    unclear = judge_aspect(Aspect.DKIM, judgements(dkim_1=State.COULD_NOT_CHECK), SesStatus.FAILED).sentence
    assert "which may be correct" in unclear
    assert "Fix the records" not in unclear
    assert "Fix the records" in judge_aspect(Aspect.DKIM, judgements(dkim_1=State.WRONG), SesStatus.FAILED).sentence
