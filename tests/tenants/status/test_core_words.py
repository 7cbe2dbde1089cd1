"""The texts about a status for staff and for customers."""

import pytest

from tenants.policy.core import open_findings
from tenants.status.core import (
    BY_AMAZON,
    BY_STAFF,
    GOES_ON,
    RESUMED,
    STAGES,
    STANDINGS,
    STOPPED_TOO,
    TOLD,
    WITHOUT_ITS_NAME,
    Layer,
    LayerName,
    TenantStatus,
    banner_of,
    customer_text_for,
    customer_words,
    is_current,
    owner_email,
    sentence_of,
    shown,
)

OFF = (TenantStatus.PAUSING, TenantStatus.PAUSED, TenantStatus.RESUMING, TenantStatus.SUSPENDED)


@pytest.mark.parametrize(
    ("stage", "standing", "names_tenant", "sentence"),
    [
        ("ready", "active", True, STANDINGS["active"]),
        ("ready", "active", False, STANDINGS["active"]),
        ("ready", "paused", True, STANDINGS["paused"]),
        ("ready", "paused", False, WITHOUT_ITS_NAME["paused"]),  # such a pause stops no mail
        ("ready", "suspended", False, WITHOUT_ITS_NAME["suspended"]),
        ("creating", "paused", False, STAGES["creating"]),
        ("deleting", "active", True, STAGES["deleting"]),
        ("ready", "WATCHED", True, "Status: WATCHED."),
    ],
)
def test_the_sentence_for_staff_says_whether_the_pause_stops_mail(
    stage: str, standing: str, names_tenant: bool, sentence: str
) -> None:
    assert sentence_of(stage, standing, names_tenant=names_tenant) == sentence


@pytest.mark.parametrize(
    ("high", "low", "found"),
    [
        (1, 0, "Open findings: 1 of high impact."),
        (0, 2, "Open findings: 2 of low impact."),
        (1, 2, "Open findings: 1 of high and 2 of low impact."),
    ],
)
def test_open_findings_are_counted_by_impact(high: int, low: int, found: str) -> None:
    assert open_findings(high, low) == f"{found} A policy that pauses on them pauses the tenant immediately."
    assert open_findings(0, 0) == ""


@pytest.mark.parametrize(
    ("name", "by", "allows", "sentence", "lifted_by"),
    [
        (LayerName.ACCOUNT, BY_AMAZON, True, "Sending is enabled for our account.", ""),
        (LayerName.ACCOUNT, BY_AMAZON, False, "Sending is disabled for our account and every customer.", BY_AMAZON),
        (LayerName.ACCOUNT, BY_AMAZON, None, "The account’s sending status has not been read yet.", ""),
        (LayerName.STAFF, BY_STAFF, True, "Not paused by our team.", ""),
        (LayerName.STAFF, BY_STAFF, False, "Paused on our side.", f"Can be resolved by: {BY_STAFF}"),
        (LayerName.STAFF, BY_STAFF, None, "Our status in SES is unknown.", ""),
    ],
)
def test_a_layer_shows_its_effect_and_who_can_lift_it_only_if_it_stops_sending(
    name: LayerName, by: str, allows: bool | None, sentence: str, lifted_by: str
) -> None:
    found = shown(Layer(name, "", "", None, by, allows=allows))
    assert (found.sentence, found.lifted_by) == (sentence, lifted_by)


def test_only_the_staff_layer_is_paused_by_the_policy() -> None:
    cause = "Paused by the reputation policy strict."
    assert shown(Layer(LayerName.STAFF, "", cause, None, BY_STAFF, allows=True)).sentence == "Not paused by our team."
    aws_layer = shown(Layer(LayerName.AMAZON, "", cause, None, BY_AMAZON, allows=False))
    assert aws_layer.sentence == "AWS has suspended this tenant."


def test_customers_read_their_status_in_their_own_terms() -> None:
    assert customer_words("ready", "paused") == "Sending is paused."
    assert customer_words("ready", "unknown") == "Sending status unknown. We’re checking with Amazon SES."
    assert "being set up" in customer_words("creating", "active")
    assert customer_text_for("spam") == TOLD["spam"]
    assert customer_text_for("a later reason") == TOLD["other"]


@pytest.mark.parametrize(
    ("standing", "tone"), [("pausing", "warn"), ("paused", "warn"), ("resuming", "info"), ("suspended", "bad")]
)
def test_a_banner_says_what_still_works(standing: str, tone: str) -> None:
    banner, stopped = banner_of("Alice", standing, ""), banner_of("Alice", standing, "", stops_receiving=True)
    assert banner is not None
    assert stopped is not None
    assert (banner.tone, banner.goes_on, stopped.goes_on) == (tone, GOES_ON, STOPPED_TOO)
    assert "Alice" in banner.title


def test_there_is_no_banner_while_sending_is_on_or_unknown() -> None:
    assert [banner_of("Alice", standing, "Stop that.") for standing in ("active", "unknown", "WATCHED")] == [None] * 3


def test_a_banner_shows_the_reason_from_staff_unless_aws_suspended_the_tenant() -> None:
    banners = {str(standing): banner_of("Alice", standing, f" {TOLD['bounces']} ") for standing in OFF}
    assert banners["paused"] is not None
    assert banners["paused"].told == TOLD["bounces"]
    assert banners["suspended"] is not None
    assert banners["suspended"].told.startswith("Amazon SES, which delivers your mail, suspended")
    assert banners["pausing"] is not None
    assert banners["pausing"].told.startswith("We’re pausing your sending because too many of your messages bounce.")
    assert banners["pausing"].told.endswith("Some mail may still be sent until the pause is confirmed.")


def test_a_banner_without_a_reason_has_a_default_text() -> None:
    paused, pausing = banner_of("Alice", "paused", " "), banner_of("Alice", "pausing", "")
    assert paused is not None
    assert pausing is not None
    assert paused.told == TOLD["other"]
    assert pausing.told.startswith("Our team is pausing your sending.")


def test_owners_are_emailed_the_banners_text_and_when_sending_is_enabled_again() -> None:
    sent = owner_email("paused", customer="Alice", told=TOLD["spam"], stops_receiving=True)
    assert sent is not None
    subject, text = sent
    assert subject == "Sending for Alice is paused"
    assert text.startswith(f"{TOLD['spam']}\n\nWhat to do: ")
    assert text.endswith(f"\n\n{STOPPED_TOO}\n")
    sent = owner_email(RESUMED, customer="Alice", told=TOLD["spam"], stops_receiving=False)
    assert sent is not None
    subject, text = sent
    assert subject == "Sending for Alice is enabled again"
    assert TOLD["spam"] not in text
    with pytest.raises(ValueError, match="active"):
        owner_email("active", customer="Alice", told="", stops_receiving=False)


def test_owners_are_not_emailed_while_their_sends_do_not_name_the_tenant() -> None:
    for what in ("paused", "suspended", RESUMED):
        assert owner_email(what, customer="Alice", told="", stops_receiving=False, names_tenant=False) is None


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
