"""Endpoint secrets are masked for people, kept when the mask is sent back, and dropped when the host changes."""

import time
from typing import Any

import pytest

from inbound_admin.lib.redaction import MASK
from receipt_rules.endpoints.core import SecretMissing, merge_config, shown_config

STORED = {
    "url": "https://a.example/in?token=t0ken&room=7",
    "timeout": 30,
    "headers": {"X-Key": "k3y", "X-Room": "7"},
    "verification_token": "v3rify",
}


def test_the_shown_config_masks_secret_values() -> None:
    assert shown_config(STORED) == {
        "url": f"https://a.example/in?token={MASK}&room=7",
        "timeout": 30,
        "headers": {"X-Key": MASK, "X-Room": MASK},
        "verification_token": MASK,
    }


def test_sending_back_the_shown_config_changes_nothing() -> None:
    assert merge_config(shown_config(STORED), STORED) == (STORED, ())


def test_a_partial_change_keeps_the_other_fields() -> None:
    assert merge_config({"timeout": 60}, STORED) == (STORED | {"timeout": 60}, ())


def test_given_headers_replace_the_stored_ones() -> None:
    merged, dropped = merge_config({"headers": {"x-key": MASK, "X-New": "n"}}, STORED)
    assert (merged["headers"], dropped) == ({"x-key": "k3y", "X-New": "n"}, ())


@pytest.mark.parametrize(
    "url", ["https://b.example/in", "https://a.example:8443/in", "https://a.example.b.example/", "http://a.example/in"]
)
@pytest.mark.parametrize("also", [{}, {"headers": shown_config(STORED)["headers"], "verification_token": MASK}])
def test_a_new_host_gets_none_of_the_previous_hosts_secrets(url: str, also: dict[str, Any]) -> None:
    merged, dropped = merge_config({"url": url} | also, STORED)
    assert merged == {"url": url, "timeout": 30}
    assert set(dropped) == {"X-Key", "X-Room", "verification_token"}


def test_a_new_host_gets_only_the_secrets_supplied_with_it() -> None:
    given = {"url": "https://b.example/", "headers": {"X-Key": "new", "X-Room": MASK}, "verification_token": "also new"}
    merged, dropped = merge_config(given, STORED)
    assert (merged["headers"], merged["verification_token"]) == ({"X-Key": "new"}, "also new")
    assert dropped == ("X-Room",)


@pytest.mark.parametrize("url", ["https://A.example./other", "https://a.example:443/in"])
def test_the_same_host_in_another_spelling_keeps_its_secrets(url: str) -> None:
    merged, dropped = merge_config({"url": url}, STORED)
    assert (merged["headers"], dropped) == (STORED["headers"], ())


@pytest.mark.parametrize(
    "given",
    [
        {"url": f"https://a.example/other?token={MASK}"},
        {"url": f"https://b.example/in?token={MASK}&room=7"},
        {"headers": {"X-Other": MASK}},
    ],
)
def test_a_mask_without_a_stored_secret_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(SecretMissing):
        merge_config(given, STORED)


def test_very_many_masked_headers_for_a_new_host_are_dropped_at_once() -> None:
    headers, begun = {f"X-{number}": MASK for number in range(40_000)}, time.process_time()
    merged, dropped = merge_config({"url": "https://b.example/", "headers": headers}, STORED)
    assert ("headers" in merged, len(dropped)) == (False, 40_001)
    assert time.process_time() - begun < 3
