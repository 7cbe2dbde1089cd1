"""The layers that control sending, and the resulting status."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenants.policy.core import status_to_resume
from tenants.status import core
from tenants.status.core import (
    BY_AMAZON,
    LayerName,
    SendingStatus,
    StatusFacts,
    TenantStatus,
    derive,
    is_settled,
    layers,
)

WHEN = datetime(2026, 5, 4, 12, tzinfo=UTC)
ON, OFF, AGAIN = "ENABLED", "DISABLED", "REINSTATED"
HEALTHY = StatusFacts(
    account="HEALTHY",
    account_sends=True,
    account_since=None,
    amazon=(ON, "", None),
    staff=(ON, "", None),
    paused_by_us=False,
    configuration_set="alice",
    set_sends=True,
    identities=2,
    identities_ready=2,
    identities_unknown=0,
)


@pytest.mark.parametrize(
    ("wants_pause", "under_way", "amazon", "aggregate", "standing"),
    [
        (False, False, ON, ON, TenantStatus.ACTIVE),
        (False, False, ON, AGAIN, TenantStatus.ACTIVE),
        (True, True, ON, ON, TenantStatus.PAUSING),
        (True, True, "", "", TenantStatus.PAUSING),
        (True, True, ON, OFF, TenantStatus.PAUSING),  # as wanted, but read before the request
        (True, False, ON, OFF, TenantStatus.PAUSED),
        (False, False, ON, OFF, TenantStatus.PAUSED),  # by the policy, or manually in SES
        (True, False, ON, ON, TenantStatus.UNDONE),  # ended in SES: mail is sent, but we still want the pause
        (False, True, ON, OFF, TenantStatus.RESUMING),
        (False, True, ON, ON, TenantStatus.RESUMING),  # as wanted, but read before the request
        (False, False, OFF, OFF, TenantStatus.SUSPENDED),
        (True, True, OFF, OFF, TenantStatus.SUSPENDED),
        (False, True, OFF, OFF, TenantStatus.SUSPENDED),
        (False, False, "", "", TenantStatus.UNKNOWN),
        (False, False, "WATCHED", "WATCHED", TenantStatus.UNKNOWN),
        (False, False, "WATCHED", ON, TenantStatus.ACTIVE),
    ],
)
def test_the_status_follows_from_what_was_read(
    wants_pause: bool, under_way: bool, amazon: str, aggregate: str, standing: TenantStatus
) -> None:
    found = derive(wants_pause=wants_pause, under_way=under_way, amazon=amazon, aggregate=aggregate)
    assert found == standing


STATUSES = st.sampled_from([ON, OFF, AGAIN, "", "WATCHED"])


@given(st.booleans(), st.booleans(), STATUSES, STATUSES)
def test_a_tenant_is_paused_only_if_the_aggregate_is_disabled(
    wants_pause: bool, under_way: bool, amazon: str, aggregate: str
) -> None:
    found = derive(wants_pause=wants_pause, under_way=under_way, amazon=amazon, aggregate=aggregate)
    if found == TenantStatus.PAUSED:
        assert aggregate == OFF
    if found == TenantStatus.ACTIVE:
        assert aggregate in (ON, AGAIN)
    if amazon == OFF:
        assert found == TenantStatus.SUSPENDED


@given(st.booleans(), STATUSES, STATUSES)
def test_nothing_that_was_read_before_a_request_confirms_it(wants_pause: bool, amazon: str, aggregate: str) -> None:
    found = derive(wants_pause=wants_pause, under_way=True, amazon=amazon, aggregate=aggregate)
    waits = TenantStatus.PAUSING if wants_pause else TenantStatus.RESUMING
    assert found == (TenantStatus.SUSPENDED if amazon == OFF else waits)


@given(STATUSES, STATUSES, STATUSES)
def test_a_pause_is_confirmed_by_both_the_aggregate_and_our_status(staff: str, amazon: str, aggregate: str) -> None:
    settled = is_settled(wants_pause=True, staff=staff, amazon=amazon, aggregate=aggregate)
    assert settled == (staff == OFF and aggregate == OFF)


@pytest.mark.parametrize(
    ("policy", "impacts", "is_ours", "status"),
    [
        ("standard", ["NONE"], True, SendingStatus.ENABLED),
        ("standard", ["LOW"], True, SendingStatus.ENABLED),
        ("standard", ["HIGH"], True, SendingStatus.REINSTATED),
        ("standard", ["NONE", "HIGH"], True, SendingStatus.REINSTATED),  # a finding that the impact doesn't reflect yet
        ("strict", ["LOW"], True, SendingStatus.REINSTATED),
        ("standard", ["NONE"], False, SendingStatus.REINSTATED),
        ("none", ["HIGH"], True, SendingStatus.ENABLED),
        ("none", ["HIGH"], False, SendingStatus.ENABLED),  # this policy never pauses
        ("a new one", ["HIGH"], True, SendingStatus.ENABLED),
    ],
)
def test_a_tenant_that_would_be_paused_again_at_once_is_reinstated(
    policy: str, impacts: list[str], is_ours: bool, status: SendingStatus
) -> None:
    assert status_to_resume(policy=policy, impacts=impacts, is_ours=is_ours) == status


def allowed(facts: StatusFacts) -> dict[LayerName, bool | None]:
    return {layer.name: layer.allows for layer in layers(facts)}


def test_the_layers_are_listed_from_the_widest_to_the_narrowest() -> None:
    assert [layer.name for layer in layers(HEALTHY)] == list(LayerName)
    assert set(allowed(HEALTHY).values()) == {True}


@pytest.mark.parametrize(
    ("facts", "layer", "allows"),
    [
        (replace(HEALTHY, account="SHUTDOWN"), LayerName.ACCOUNT, False),
        (replace(HEALTHY, account="PROBATION"), LayerName.ACCOUNT, True),
        (replace(HEALTHY, account_sends=None), LayerName.ACCOUNT, None),
        (replace(HEALTHY, amazon=(OFF, "Phishing", None)), LayerName.AMAZON, False),
        (replace(HEALTHY, amazon=("WATCHED", "", None)), LayerName.AMAZON, None),
        (replace(HEALTHY, amazon=("", "", None)), LayerName.AMAZON, None),
        (replace(HEALTHY, staff=(OFF, "", None)), LayerName.STAFF, False),
        (replace(HEALTHY, staff=(AGAIN, "", None)), LayerName.STAFF, True),
        (replace(HEALTHY, set_sends=False), LayerName.CONFIGURATION_SET, False),
        (replace(HEALTHY, set_sends=None), LayerName.CONFIGURATION_SET, None),
        (replace(HEALTHY, identities_ready=0), LayerName.IDENTITY, False),
        (replace(HEALTHY, identities_ready=1), LayerName.IDENTITY, True),
        (replace(HEALTHY, identities_ready=1, identities_unknown=1), LayerName.IDENTITY, True),
        (replace(HEALTHY, identities_ready=0, identities_unknown=1), LayerName.IDENTITY, None),
        (replace(HEALTHY, identities=0, identities_ready=0), LayerName.IDENTITY, False),
    ],
)
def test_one_layer_does_not_affect_the_others(facts: StatusFacts, layer: LayerName, allows: bool | None) -> None:
    found = allowed(facts)
    assert found.pop(layer) is allows
    assert set(found.values()) == {True}


@pytest.mark.parametrize(
    ("facts", "layer", "status", "cause"),
    [
        (HEALTHY, LayerName.ACCOUNT, "HEALTHY", ""),
        (replace(HEALTHY, account_sends=None), LayerName.ACCOUNT, "HEALTHY", ""),
        (replace(HEALTHY, account_sends=False), LayerName.ACCOUNT, "HEALTHY", "Sending is disabled for our account."),
        (
            replace(HEALTHY, account="SHUTDOWN"),
            LayerName.ACCOUNT,
            "SHUTDOWN",
            "AWS has stopped sending for our account.",
        ),
        (HEALTHY, LayerName.STAFF, ON, ""),
        (replace(HEALTHY, staff=(ON, "SES said why", None), paused_by_us=True), LayerName.STAFF, ON, core.UNDONE),
        (replace(HEALTHY, staff=(ON, "SES said why", None)), LayerName.STAFF, ON, "SES said why"),
        (replace(HEALTHY, staff=(OFF, "SES said why", None)), LayerName.STAFF, OFF, "SES said why"),
        (
            replace(HEALTHY, staff=(AGAIN, "", None)),
            LayerName.STAFF,
            AGAIN,
            "Reinstated: can send although findings are open.",
        ),
        (replace(HEALTHY, staff=(AGAIN, "SES said why", None)), LayerName.STAFF, AGAIN, "SES said why"),
        (HEALTHY, LayerName.CONFIGURATION_SET, ON, ""),
        (
            replace(HEALTHY, set_sends=False),
            LayerName.CONFIGURATION_SET,
            OFF,
            "Sending with alice is disabled in SES.",
        ),
        (replace(HEALTHY, set_sends=None), LayerName.CONFIGURATION_SET, "", ""),
        (HEALTHY, LayerName.IDENTITY, "2 of 2", ""),
        (
            replace(HEALTHY, identities=0, identities_ready=0),
            LayerName.IDENTITY,
            "0 of 0",
            "No domain is associated yet.",
        ),
        (
            replace(HEALTHY, identities_ready=1),
            LayerName.IDENTITY,
            "1 of 2",
            "Not all domains are associated and verified.",
        ),
        (
            replace(HEALTHY, identities_ready=1, identities_unknown=1),
            LayerName.IDENTITY,
            "1 of 2",
            "Not all domains’ verification status is known.",
        ),
    ],
)
def test_a_layer_shows_its_status_and_its_cause(facts: StatusFacts, layer: LayerName, status: str, cause: str) -> None:
    found = {each.name: each for each in layers(facts)}[layer]
    assert (found.status, found.cause) == (status, cause)


def test_an_unknown_status_is_shown_unchanged() -> None:
    layer = layers(replace(HEALTHY, amazon=("WATCHED", "because", None)))[1]
    assert (layer.status, layer.cause, layer.lifted_by) == ("WATCHED", "because", BY_AMAZON)


@pytest.mark.parametrize(
    ("wants_pause", "read", "allows"),
    [(True, OFF, None), (True, ON, True), (False, ON, None), (False, OFF, False), (True, "", None)],
)
def test_the_layer_of_staff_does_not_follow_a_read_from_before_the_request(
    wants_pause: bool, read: str, allows: bool | None
) -> None:
    waits = replace(HEALTHY, staff=(read, "SES said why", None), paused_by_us=wants_pause, is_under_way=True)
    layer = layers(waits)[2]
    assert (layer.allows, layer.cause) == (allows, f"{'Pause' if wants_pause else 'Resume'}{core.UNCONFIRMED}")
    assert core.shown(layer).sentence == layer.cause


def test_the_account_has_a_time_of_its_own_and_says_why_it_could_not_be_read() -> None:
    layer = layers(replace(HEALTHY, account_read_at=WHEN, account_problem="AWS denied access."))[0]
    assert (layer.read_at, layer.problem) == (WHEN, "AWS denied access.")
    assert {each.read_at for each in layers(replace(HEALTHY, account_read_at=WHEN))[1:]} == {None}


def test_a_pause_by_the_policy_is_recognised_by_its_cause() -> None:
    assert core.is_by_policy("Paused by the reputation policy strict: a finding of LOW impact is open.")
    assert not core.is_by_policy("Status manually updated.")
    cause = "Paused by the reputation policy strict."
    layer = core.Layer(core.LayerName.STAFF, "DISABLED", cause, None, core.BY_STAFF, allows=False)
    assert core.shown(layer).sentence == "Paused by the SES reputation policy."
