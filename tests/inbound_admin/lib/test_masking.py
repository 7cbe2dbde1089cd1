"""Masking replaces secrets and keeps everything else."""

import time
from typing import Any

import pytest

from inbound_admin.lib.ids import new_id
from inbound_admin.lib.redaction import CHANGED, MASK, masked, masked_change, masked_text, masked_url


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://a.example/in", "https://a.example/in"),
        ("https://me:pw@a.example/in", f"https://{MASK}@a.example/in"),
        ("https://a.example/in?page=2&api_key=x&sig=", f"https://a.example/in?page=2&api_key={MASK}&sig="),
        ("https://a.example/services/T01AB2/aB3dE5gH7jK9mN1pQ3", f"https://a.example/services/T01AB2/{MASK}"),
        ("https://a.example/9f8b7c6d-1a2b-4c3d-8e9f-0a1b2c3d4e5f", f"https://a.example/{MASK}"),
        ("https://a.example/webhook-receiver-v1/in", "https://a.example/webhook-receiver-v1/in"),
        ("https://a.example/#access_token=x", f"https://a.example/#access_token={MASK}"),
        (f"https://a.example/x?k={'a1b2' * 5}", f"https://a.example/x?k={MASK}"),
        ("https://[::1", MASK),
    ],
)
def test_secrets_in_a_url_are_masked(url: str, shown: str) -> None:
    assert masked_url(url) == shown
    assert masked_url(shown) == shown


def test_our_own_ids_are_not_masked() -> None:
    url = f"https://site.example/domains/{new_id('dom')}/"
    assert masked_url(url) == url


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("POST https://a.example/in?token=x failed", f"POST https://a.example/in?token={MASK} failed"),
        ("Authorization: Bearer abcdefgh12", f"Authorization: Bearer {MASK}"),
        ("GET /customers/invitation/abc/ 404", f"GET /customers/invitation/{MASK}/ 404"),
        ("ia_12345678abcdefgh was used", f"ia_12345678{MASK} was used"),
        ("nothing to hide at shop.com", "nothing to hide at shop.com"),
    ],
)
def test_secrets_in_a_text_are_masked(text: str, shown: str) -> None:
    assert masked_text(text) == shown


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("config_headers", {"X-Plain": "1"}, {"X-Plain": MASK}),
        ("verificationToken", "x", MASK),
        ("nested", [{"password": "x", "name": "y"}], [{"password": MASK, "name": "y"}]),
        ("token", "", ""),
        ("dkim_tokens", ["abc"], ["abc"]),
        ("is_secret", True, True),
    ],
)
def test_a_value_is_masked_by_its_name(name: str, value: Any, shown: Any) -> None:
    assert masked(value, name) == shown


def test_a_changed_secret_is_logged_as_changed_without_its_value() -> None:
    before = {"config_headers": {"A": "1", "B": "2"}, "config_url": "https://a.example/?key=1", "name": "desk"}
    after = {"config_headers": {"A": "9", "B": "2"}, "config_url": "https://a.example/?key=2", "name": "desk"}
    assert masked_change(before, after) == (
        {"config_headers": {"A": MASK, "B": MASK}, "config_url": f"https://a.example/?key={MASK}"},
        {"config_headers": {"A": CHANGED, "B": MASK}, "config_url": f"https://a.example/?key={MASK} (changed)"},
    )


def test_a_very_long_parameter_without_a_name_is_masked_at_once() -> None:
    begun = time.process_time()
    assert masked_text("https://a.example/?=" + "a" * 40_000).startswith("https://a.example/?=aaa")
    assert time.process_time() - begun < 3
