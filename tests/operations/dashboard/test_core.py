"""The summary and the suggested reply on the case page, by state: what is wrong and who must act."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from domains.checking.core.judgement import State
from domains.zone_causes.core import ZoneCause
from operations.dashboard.core import AUTOMATIC, NOTHING, CaseFacts, RecordToFix, SendingOff, summary_of

DKIM = RecordToFix("DKIM record 2", "CNAME", "k2._domainkey.shop.com", "k2.dkim.amazonses.com", (), "It is missing.")
MX = RecordToFix(
    "Inbound MX", "MX", "shop.com", "inbound-smtp.eu-west-1.amazonaws.com", ("5 mx.old.example",), priority=10
)
BROKEN = CaseFacts("shop.com", "ready", State.WRONG, (DKIM, MX))
FINE = CaseFacts("shop.com", "ready", State.VERIFIED)


def test_records_to_fix_are_for_the_customer_and_the_reply_lists_each_with_its_current_value() -> None:
    found = summary_of(BROKEN)
    assert (found.wrong, found.who) == ("2 required records missing or incorrect", "The customer")
    for line in (
        "Please publish or correct these 2 DNS records for shop.com at your DNS host, exactly as shown:",
        "1. DKIM record 2\n   Type: CNAME\n   Name: k2._domainkey.shop.com\n   Value: k2.dkim.amazonses.com",
        "   Currently: not found\n   It is missing.",
        "2. Inbound MX\n   Type: MX",
        "   Priority: 10\n   Value: inbound-smtp.eu-west-1.amazonaws.com\n",
        "   Currently: 5 mx.old.example",
    ):
        assert line in found.reply, line


@pytest.mark.parametrize(
    ("facts", "wrong", "who", "part"),
    [
        (FINE, "All required records are verified", "No one", "don’t need to do anything"),
        (replace(FINE, state=State.SPREADING), "verification is pending", "automatic", "are published"),
        (replace(FINE, state=State.WAITING), "Not verified yet", "automatic", "isn’t verified yet"),
        (replace(FINE, state=State.WRONG), "see the diagnosis", "Our team", "found a problem"),
        (replace(FINE, state=State.AT_RISK), "see the diagnosis", "Our team", "found a problem"),
        (replace(FINE, state=State.COULD_NOT_CHECK), "unknown", "Our team", "couldn’t check"),
        (replace(FINE, state=State.NOT_CHECKED), "not been checked yet", "Our team", "about to check"),
        (replace(BROKEN, state=State.AT_RISK), "2 required records", "The customer", "was verified, but"),
        (replace(BROKEN, stopped=True), "2 required records", "The customer", "SES has stopped checking"),
        (replace(BROKEN, is_held=True), "On hold", "Our team", "paused the checks"),
        (replace(BROKEN, problem="SES is busy."), "delayed. SES is busy.", "Our team", "delayed on our side"),
        (replace(BROKEN, stage="starting"), "Being set up", "automatic", "setting up shop.com"),
        (replace(BROKEN, stage="deleting"), "Being deleted", "automatic", "is being deleted"),
        (replace(BROKEN, stage="claim", to_fix=(DKIM,)), "not proven", "The customer", "prove that you own shop.com"),
    ],
)
def test_each_state_has_its_summary_and_reply(facts: CaseFacts, wrong: str, who: str, part: str) -> None:
    found = summary_of(facts)
    assert wrong in found.wrong
    assert who in found.who
    assert part in found.reply
    assert found.reply.startswith("Hello,\n\n")


def test_a_failed_check_is_reported_neither_as_missing_nor_as_wrong() -> None:
    reply = summary_of(replace(FINE, state=State.COULD_NOT_CHECK)).reply
    assert "not found" not in reply
    unknown = summary_of(replace(BROKEN, stage="claim", to_fix=(replace(DKIM, found=None, sentence=""),))).reply
    assert "Currently" not in unknown


@pytest.mark.parametrize("state", [State.WAITING, State.WRONG, State.AT_RISK, State.COULD_NOT_CHECK])
def test_the_reply_calls_records_published_only_if_they_were_found(state: State) -> None:
    assert "published" not in summary_of(replace(FINE, state=state)).reply


def test_the_reply_contains_no_details_of_internal_problems() -> None:
    assert "AccessDenied" not in summary_of(replace(BROKEN, problem="AccessDenied for ses:X.")).reply


@pytest.mark.parametrize(
    ("sentence", "label"),
    [
        ("DKIM record 2 has the wrong name.", "DKIM record 2 has the wrong name."),
        ("It is missing.", "DKIM record 2: It is missing."),
        ("", "DKIM record 2"),
    ],
)
def test_a_record_is_named_once(sentence: str, label: str) -> None:
    assert replace(DKIM, sentence=sentence).told == label


def test_the_reply_shows_the_relative_name_first_and_the_full_name_in_brackets() -> None:
    bounce = RecordToFix("MAIL FROM MX", "MX", "bounce.shop.com", "10 feedback.example", typed_name="bounce")
    assert "   Name: bounce (in full: bounce.shop.com)" in summary_of(replace(BROKEN, to_fix=(bounce,))).reply


def test_the_reply_says_which_of_two_spf_records_stays_and_asks_to_publish_none() -> None:
    step = "Keep “v=spf1 a ~all” unchanged and delete the other: “v=spf1 -all”."
    spf = RecordToFix("SPF", "TXT", "shop.com", "v=spf1 a ~all", ("v=spf1 a ~all", "v=spf1 -all"), sentence=step)
    reply = summary_of(replace(BROKEN, to_fix=(spf,))).reply
    assert "publish" not in reply
    assert "Please correct this DNS record" in reply
    assert "Currently: v=spf1 a ~all, v=spf1 -all" in reply
    assert step in reply


def test_rejected_mail_is_reported_before_the_records() -> None:
    rejected = replace(FINE, rejected="SES rejects all mail for shop.com: a rule.", rejected_word="Mail rejected")
    ours = summary_of(replace(rejected, rejected_by_us=True))
    assert (ours.wrong, ours.who) == ("Mail rejected", "Our team")
    assert "rejects mail for shop.com" in ours.reply
    assert "don’t need to do anything" not in ours.reply
    add = "SES rejects all mail for shop.com: no address is on. Add one or turn one on."
    theirs = summary_of(replace(BROKEN, rejected=add, rejected_word="Mail rejected"))
    assert theirs.who == "The customer"
    assert "Add one or turn one on" in theirs.reply
    assert "DKIM record 2" in theirs.reply


@pytest.mark.parametrize(
    ("word", "part"),
    [
        ("Mail lost", "Senders get no bounce."),
        ("Mail bounces", "SES bounces mail for shop.com"),
        ("Caught by another rule", "Mail for shop.com doesn’t arrive."),
    ],
)
def test_lost_or_bounced_mail_is_not_called_rejected(word: str, part: str) -> None:
    found = summary_of(replace(FINE, rejected="Why.", rejected_word=word, rejected_by_us=True))
    assert found.wrong == word
    assert part in found.reply
    assert "reject" not in found.reply


def test_an_unresponsive_nameserver_is_for_the_customer_to_fix() -> None:
    found = summary_of(replace(FINE, lame=("One nameserver doesn't answer: ns2.", "Contact your DNS host.")))
    assert (found.wrong, found.who) == ("One nameserver doesn't answer: ns2.", "The customer")
    assert "Contact your DNS host." in found.reply
    assert "don’t need to do anything" not in found.reply


def test_a_delegation_to_dead_nameservers_is_for_the_customer_though_no_record_could_be_checked() -> None:
    dead = ("_domainkey.shop.com is delegated to the nameservers ns1.gone.example.", "Delete the NS records.")
    found = summary_of(replace(FINE, state=State.COULD_NOT_CHECK, lame=dead))
    assert (found.wrong, found.who) == (dead[0], "The customer")
    assert "Delete the NS records." in found.reply
    assert "are published" not in found.reply
    assert summary_of(replace(FINE, state=State.COULD_NOT_CHECK)).who == "Our team"


def test_a_domain_at_risk_has_a_deadline_and_a_stopped_one_needs_a_restart() -> None:
    reply = summary_of(replace(BROKEN, state=State.AT_RISK, deadline=datetime(2026, 12, 3, 2, 15, tzinfo=UTC))).reply
    assert "Amazon SES keeps it until about 3 December 2026, 02:15 UTC" in reply
    stopped = summary_of(replace(BROKEN, stopped=True)).reply
    assert "Restart verification" in stopped
    assert "as shown: Amazon" not in stopped


OFF = SendingOff("suspended", "Amazon SES has suspended sending for Shop", "It was suspended.", "Mail keeps arriving.")


@pytest.mark.parametrize("state", [State.VERIFIED, State.SPREADING])
def test_the_reply_waits_for_the_diagnosis_if_the_records_are_in_order(state: State) -> None:
    waits = summary_of(replace(FINE, state=state, awaits_diagnosis=True))
    assert (waits.reply, "No one" in waits.who, "diagnosis is running" in waits.wrong) == ("", False, True)
    assert summary_of(replace(FINE, state=state)).reply


def test_a_summary_that_the_diagnosis_cannot_change_is_shown_at_once() -> None:
    for facts in (BROKEN, replace(FINE, stage="claim", to_fix=(DKIM,)), replace(FINE, rejected="SES rejects mail.")):
        assert summary_of(replace(facts, awaits_diagnosis=True)) == summary_of(facts)


def test_a_suspension_comes_first_in_summary_and_reply() -> None:
    found = summary_of(replace(BROKEN, off=OFF))
    assert found.wrong == f"{OFF.title}. 2 required records missing or incorrect"
    assert found.who == "Our team (sending); The customer (domain)"
    assert found.reply.index("It was suspended. Only Amazon can lift") < found.reply.index("1. DKIM record 2")


@pytest.mark.parametrize("standing", ["pausing", "paused", "resuming", "suspended"])
def test_the_summary_never_says_that_nothing_is_to_do_while_sending_is_off(standing: str) -> None:
    found = summary_of(replace(FINE, off=replace(OFF, standing=standing)))
    assert (found.wrong, "No one" in found.who, "don’t need to do anything" in found.reply) == (OFF.title, False, False)


@pytest.mark.parametrize(
    ("state", "said"),
    [(State.WRONG, "may need some hours to see them"), (State.AT_RISK, "will check again automatically")],
)
def test_correct_records_that_ses_has_not_seen_are_nobodys_task(state: State, said: str) -> None:
    found = summary_of(replace(FINE, state=state, is_correct=True))
    assert found.who == AUTOMATIC
    assert said in found.reply
    assert NOTHING in found.reply


def test_records_are_asked_for_after_a_move_and_not_before_a_renewal() -> None:
    moved, lapsed = ZoneCause("dns.change.nameservers", "It moved."), ZoneCause("dns.domain.lapsed", "It has expired.")
    facts = replace(FINE, state=State.AT_RISK, to_fix=[RecordToFix("DKIM record 1", "CNAME", "a.example.com", "b")])
    assert "It moved.\n\n1. DKIM record 1" in summary_of(replace(facts, cause=moved)).reply
    assert "DKIM" not in summary_of(replace(facts, cause=lapsed)).reply
