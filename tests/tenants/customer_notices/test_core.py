"""What customers read about their sending: never a wish as a fact, never that mail is sent while nobody sends."""

from dataclasses import replace
from itertools import product

import pytest

from tenants.customer_notices.core import (
    GOES_ON,
    NOBODY_SENDS,
    PAUSED_IN_SES,
    RESUMED,
    TOLD,
    CustomerNotice,
    InboundMail,
    banner_of,
    customer_text_for,
    customer_words,
    is_current,
    owner_email,
)
from tenants.status.core import TenantStatus

OFF = (TenantStatus.PAUSING, TenantStatus.PAUSED, TenantStatus.UNDONE, TenantStatus.RESUMING, TenantStatus.SUSPENDED)
ALL = [
    CustomerNotice("Alice", *each)
    for each in product(
        (*TenantStatus, "WATCHED", ""),
        ("", TOLD["spam"]),
        (True, False),
        (True, False),
        InboundMail,
        (True, False),
        (True, False),
    )
]


def text_of(notice: CustomerNotice) -> str:
    banner = banner_of(notice)
    return "" if banner is None else " ".join((banner.title, banner.told, banner.goes_on, banner.to_do))


def test_customers_read_their_status_in_their_own_terms() -> None:
    assert customer_words("ready", "paused", account_stopped=False) == "Sending is paused."
    unknown = "Sending status unknown. We’re checking with Amazon SES."
    assert customer_words("ready", "unknown", account_stopped=False) == unknown
    assert "being set up" in customer_words("creating", "active", account_stopped=False)
    assert customer_text_for("spam") == TOLD["spam"]
    assert customer_text_for("a later reason") == TOLD["other"]


@pytest.mark.parametrize("stage", ["creating", "ready", "deleting"])
@pytest.mark.parametrize("standing", list(TenantStatus))
def test_no_status_reads_as_enabled_while_nobody_sends(stage: str, standing: str) -> None:
    assert customer_words(stage, standing, account_stopped=True) == NOBODY_SENDS


def test_every_banner_says_that_nobody_sends_while_the_account_is_stopped() -> None:
    for notice in ALL:
        if notice.account_stopped:
            assert NOBODY_SENDS in text_of(notice)
            assert "your own mail is still sent" not in text_of(notice)
            assert "Sending resumes automatically" not in text_of(notice)
        else:
            assert NOBODY_SENDS not in text_of(notice)


def test_inbound_mail_is_never_described_as_stopped_or_unaffected_before_ses_has_it() -> None:
    for notice in ALL:
        text = text_of(notice)
        if notice.receiving is not InboundMail.STOPPED:
            assert "isn’t delivered to you" not in text
            assert "We stopped receiving" not in text
        if notice.receiving is not InboundMail.ON:
            assert GOES_ON not in text
            assert text
        if notice.receiving is InboundMail.STOPPING:
            assert "Until Amazon SES confirms it, mail may still arrive." in text
        if notice.receiving is InboundMail.RESTORING:
            assert "may be rejected" in text


def test_a_pause_is_never_described_as_done_before_ses_confirms_it() -> None:
    for notice in ALL:
        if notice.standing == TenantStatus.PAUSING or not notice.is_confirmed:
            told = text_of(replace(notice, receiving=InboundMail.ON))
            assert not (TOLD["spam"] in told and notice.standing != TenantStatus.UNDONE)


@pytest.mark.parametrize(
    ("standing", "tone"),
    [("pausing", "warn"), ("paused", "warn"), ("undone", "warn"), ("resuming", "info"), ("suspended", "bad")],
)
def test_a_banner_says_what_still_works(standing: str, tone: str) -> None:
    banner = banner_of(CustomerNotice("Alice", standing))
    assert banner is not None
    assert (banner.tone, banner.goes_on) == (tone, GOES_ON)
    assert "Alice" in banner.title


def test_there_is_no_banner_while_sending_is_on_or_unknown() -> None:
    for standing in ("active", "unknown", "WATCHED", ""):
        assert banner_of(CustomerNotice("Alice", standing, "Stop that.")) is None


def test_a_banner_always_shows_what_staff_wrote() -> None:
    for standing in OFF:
        banner = banner_of(CustomerNotice("Alice", standing, " Change all passwords now and call us. "))
        assert banner is not None
        assert "Change all passwords now and call us." in banner.told


def test_a_banner_names_the_reason_as_far_as_it_is_done() -> None:
    told = {standing: banner_of(CustomerNotice("Alice", standing, f" {TOLD['bounces']} ")) for standing in OFF}
    paused, pausing = told[TenantStatus.PAUSED], told[TenantStatus.PAUSING]
    suspended, undone = told[TenantStatus.SUSPENDED], told[TenantStatus.UNDONE]
    assert paused is not None
    assert pausing is not None
    assert suspended is not None
    assert undone is not None
    assert paused.told == TOLD["bounces"]
    assert suspended.told.startswith("Amazon SES, which delivers your mail, suspended")
    assert pausing.told.startswith("We’re pausing your sending because too many of your messages bounce.")
    assert pausing.told.endswith("Some mail may still be sent until the pause is confirmed.")
    assert undone.told.endswith("Some mail may still be sent: the pause isn’t in effect in Amazon SES.")


def test_a_pause_that_nobody_of_us_decided_is_not_described_as_ours() -> None:
    banner = banner_of(CustomerNotice("Alice", "paused", by_us=False))
    assert banner is not None
    assert banner.told == PAUSED_IN_SES


def test_a_banner_without_a_reason_has_a_default_text() -> None:
    paused, pausing = banner_of(CustomerNotice("Alice", "paused", " ")), banner_of(CustomerNotice("Alice", "pausing"))
    assert paused is not None
    assert pausing is not None
    assert paused.told == TOLD["other"]
    assert pausing.told.startswith("Our team is pausing your sending.")


def test_owners_are_emailed_the_banners_text() -> None:
    sent = owner_email("paused", CustomerNotice("Alice", "paused", TOLD["spam"], receiving=InboundMail.STOPPED))
    assert sent is not None
    subject, text = sent
    assert subject == "Sending for Alice is paused"
    assert text.startswith(f"{TOLD['spam']}\n\nWhat to do: ")
    assert "Mail to your addresses isn’t delivered to you" in text
    with pytest.raises(ValueError, match="active"):
        owner_email("active", CustomerNotice("Alice", "active"))


@pytest.mark.parametrize("receiving", list(InboundMail))
@pytest.mark.parametrize("stopped", [True, False])
def test_the_email_of_a_resume_says_what_is_not_back_yet(receiving: InboundMail, stopped: bool) -> None:
    notice = CustomerNotice("Alice", "active", receiving=receiving, account_stopped=stopped)
    subject, text = owner_email(RESUMED, notice) or ("", "")
    assert (subject == "Sending for Alice is enabled again") is not stopped
    assert ("can send mail again" in text) is not stopped
    assert (NOBODY_SENDS in text) is stopped
    assert ("may be rejected" in text) is (receiving is InboundMail.RESTORING)


def test_owners_are_not_emailed_while_their_sends_do_not_name_the_tenant() -> None:
    for what in ("paused", "suspended", RESUMED):
        assert owner_email(what, CustomerNotice("Alice", "paused", names_tenant=False)) is None
    stopped = CustomerNotice("Alice", "paused", names_tenant=False, receiving=InboundMail.STOPPED)
    assert owner_email("paused", stopped) is not None


@pytest.mark.parametrize(
    ("what", "standing", "current"),
    [
        ("paused", "paused", True),
        ("paused", "active", False),
        (RESUMED, "active", True),
        (RESUMED, "paused", False),
        (RESUMED, RESUMED, False),
    ],
)
def test_an_email_is_sent_only_while_it_is_current(what: str, standing: str, current: bool) -> None:
    assert is_current(what, standing) is current
