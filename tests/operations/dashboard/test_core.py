"""What the case page says: what is wrong, who acts next, and the reply, chosen by state."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from domains.checking.core.judgement import State
from operations.dashboard.core import CaseFacts, RecordToFix, summary_of

DKIM = RecordToFix("DKIM record 2", "CNAME", "k2._domainkey.shop.com", "k2.dkim.amazonses.com", (), "It is missing.")
MX = RecordToFix("Inbound MX", "MX", "shop.com", "10 inbound-smtp.eu-west-1.amazonaws.com", ("5 mx.old.example",))
BROKEN = CaseFacts("shop.com", "ready", State.WRONG, (DKIM, MX))
FINE = CaseFacts("shop.com", "ready", State.VERIFIED)


def test_records_to_fix_are_the_customers_and_the_reply_lists_each_with_what_is_there_now() -> None:
    found = summary_of(BROKEN)
    assert (found.wrong, found.who) == ("2 required records missing or incorrect", "The customer")
    for line in (
        "Please publish or correct these 2 DNS records for shop.com at your DNS host, exactly as shown:",
        "1. DKIM record 2\n   Type: CNAME\n   Name: k2._domainkey.shop.com\n   Value: k2.dkim.amazonses.com",
        "   Currently: not found\n   It is missing.",
        "2. Inbound MX\n   Type: MX",
        "   Currently: 5 mx.old.example",
    ):
        assert line in found.reply, line


@pytest.mark.parametrize(
    ("facts", "wrong", "who", "said"),
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
def test_each_state_has_its_words(facts: CaseFacts, wrong: str, who: str, said: str) -> None:
    found = summary_of(facts)
    assert wrong in found.wrong
    assert who in found.who
    assert said in found.reply
    assert found.reply.startswith("Hello,\n\n")


def test_a_check_that_failed_says_neither_missing_nor_wrong() -> None:
    reply = summary_of(replace(FINE, state=State.COULD_NOT_CHECK)).reply
    assert "not found" not in reply
    unknown = summary_of(replace(BROKEN, stage="claim", to_fix=(replace(DKIM, found=None, sentence=""),))).reply
    assert "Currently" not in unknown


@pytest.mark.parametrize("state", [State.WAITING, State.WRONG, State.AT_RISK, State.COULD_NOT_CHECK])
def test_records_are_called_published_only_where_they_were_seen(state: State) -> None:
    assert "published" not in summary_of(replace(FINE, state=state)).reply


def test_our_own_trouble_is_not_told_to_the_customer_in_detail() -> None:
    assert "AccessDenied" not in summary_of(replace(BROKEN, problem="AccessDenied for ses:X.")).reply


@pytest.mark.parametrize(
    ("sentence", "told"),
    [
        ("DKIM record 2 has the wrong name.", "DKIM record 2 has the wrong name."),
        ("It is missing.", "DKIM record 2: It is missing."),
        ("", "DKIM record 2"),
    ],
)
def test_a_record_is_named_once(sentence: str, told: str) -> None:
    assert replace(DKIM, sentence=sentence).told == told


def test_what_is_typed_comes_first_and_the_full_name_in_brackets() -> None:
    bounce = RecordToFix("MAIL FROM MX", "MX", "bounce.shop.com", "10 feedback.example", typed_name="bounce")
    assert "   Name: bounce (in full: bounce.shop.com)" in summary_of(replace(BROKEN, to_fix=(bounce,))).reply


def test_of_two_spf_records_one_is_kept_and_none_is_published() -> None:
    spf = RecordToFix("SPF", "TXT", "shop.com", "v=spf1 a ~all", ("v=spf1 a ~all", "v=spf1 -all"), must_delete=True)
    reply = summary_of(replace(BROKEN, to_fix=(spf,))).reply
    assert "publish" not in reply
    assert "Please correct this DNS record" in reply
    assert "Keep one SPF record with this value and delete the others:\n   - v=spf1 -all" in reply


def test_mail_that_is_rejected_is_told_before_records_in_order() -> None:
    rejected = replace(FINE, rejected="SES rejects all mail for shop.com: a rule.", rejected_word="Mail rejected")
    ours = summary_of(replace(rejected, rejected_by_us=True))
    assert (ours.wrong, ours.who) == ("Mail rejected", "Our team")
    assert "rejects mail for shop.com" in ours.reply
    assert "don’t need to do anything" not in ours.reply
    add = "SES rejects all mail for shop.com: add an address."
    theirs = summary_of(replace(BROKEN, rejected=add, rejected_word="Mail rejected"))
    assert theirs.who == "The customer"
    assert "add an address" in theirs.reply
    assert "DKIM record 2" in theirs.reply


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("Mail lost", "Senders get no bounce."),
        ("Mail bounces", "SES bounces mail for shop.com"),
        ("Caught by another rule", "Mail for shop.com doesn’t arrive."),
    ],
)
def test_mail_that_is_lost_or_bounced_is_not_called_rejected(word: str, says: str) -> None:
    found = summary_of(replace(FINE, rejected="Why.", rejected_word=word, rejected_by_us=True))
    assert found.wrong == word
    assert says in found.reply
    assert "reject" not in found.reply


def test_a_nameserver_that_does_not_answer_is_the_customers() -> None:
    found = summary_of(replace(FINE, lame=("One nameserver doesn't answer: ns2.", "Contact your DNS host.")))
    assert (found.wrong, found.who) == ("One nameserver doesn't answer: ns2.", "The customer")
    assert "Contact your DNS host." in found.reply
    assert "don’t need to do anything" not in found.reply


def test_a_domain_at_risk_has_a_deadline_and_one_that_stopped_says_who_restarts() -> None:
    reply = summary_of(replace(BROKEN, state=State.AT_RISK, deadline=datetime(2026, 12, 3, 2, 15, tzinfo=UTC))).reply
    assert "Amazon SES keeps it until about 3 December 2026, 02:15 UTC" in reply
    stopped = summary_of(replace(BROKEN, stopped=True)).reply
    assert "Restart verification" in stopped
    assert "as shown: Amazon" not in stopped
