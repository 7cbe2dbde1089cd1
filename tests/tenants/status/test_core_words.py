"""The texts about a status for staff and for customers."""

import pytest

from tenants.policy.core import open_findings
from tenants.status.core import (
    ACCOUNT_STOPPED,
    BY_AMAZON,
    BY_STAFF,
    OURS,
    STAGES,
    STANDINGS,
    WITHOUT_ITS_NAME,
    Layer,
    LayerName,
    TenantStatus,
    sentence_of,
    shown,
)


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
    assert sentence_of(stage, standing, names_tenant=names_tenant, account_stopped=False) == sentence


@pytest.mark.parametrize("stage", ["creating", "ready", "deleting"])
@pytest.mark.parametrize("standing", list(TenantStatus))
@pytest.mark.parametrize("names_tenant", [True, False])
def test_nothing_reads_as_sent_while_sending_is_stopped_for_the_account(
    stage: str, standing: str, names_tenant: bool
) -> None:
    found = sentence_of(stage, standing, names_tenant=names_tenant, account_stopped=True)
    assert found.startswith(ACCOUNT_STOPPED)
    assert "is enabled" not in found
    assert "still leaves" not in found


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
        (LayerName.STAFF, BY_STAFF, None, "Our status in SES is unknown.", ""),
    ],
)
def test_a_layer_shows_its_effect_and_who_can_lift_it_only_if_it_stops_sending(
    name: LayerName, by: str, allows: bool | None, sentence: str, lifted_by: str
) -> None:
    found = shown(Layer(name, "", "", None, by, allows=allows))
    assert (found.sentence, found.lifted_by) == (sentence, lifted_by)


@pytest.mark.parametrize(
    ("cause", "sentence"),
    [
        (OURS, "Paused on our side."),
        ("", "Paused in SES, outside this system."),
        ("Status manually updated.", "Paused in SES, outside this system."),
        ("Paused by the reputation policy strict.", "Paused by the SES reputation policy."),
    ],
)
def test_a_pause_says_who_made_it_whatever_cause_ses_gives(cause: str, sentence: str) -> None:
    found = shown(Layer(LayerName.STAFF, "DISABLED", cause, None, BY_STAFF, allows=False))
    assert (found.sentence, found.lifted_by) == (sentence, f"Can be resolved by: {BY_STAFF}")


def test_only_the_staff_layer_is_paused_by_the_policy() -> None:
    cause = "Paused by the reputation policy strict."
    assert shown(Layer(LayerName.STAFF, "", cause, None, BY_STAFF, allows=True)).sentence == "Not paused by our team."
    aws_layer = shown(Layer(LayerName.AMAZON, "", cause, None, BY_AMAZON, allows=False))
    assert aws_layer.sentence == "AWS has suspended this tenant."
