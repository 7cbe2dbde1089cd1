"""How much of a stranger's name our emails contain."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbound_admin.lib.mail_names import LONGEST, mail_name


@pytest.mark.parametrize(
    "name",
    [
        "Acme Ltd",
        "Müller & Söhne GmbH",
        "St. John's School No. 4",
        "Bücher, Bilder; Töne (Basel)",
        "株式会社アクメ",
        "Carol O'Neill-Smith",
    ],
)
def test_a_harmless_name_is_unchanged(name: str) -> None:
    assert mail_name(name, otherwise="Somebody") == name


@pytest.mark.parametrize(
    ("name", "left"),
    [
        ("You won! https://evil.example/claim?x=1 today", "You won! today"),
        ("Call www.evil.example", "Call"),
        ("Pay at evil.com/now please", "Pay at please"),
        ("Pay at evil.com, please", "Pay at , please"),
        ("Write to thief@evil.example", "Write to"),
        ("evil\u3002com", "Somebody"),
        ("ｅｖｉｌ．ｃｏｍ", "Somebody"),
        ("Ring +44 20 7946 0958 now", "Ring now"),
        ("Acme\r\nBcc: all\tof you", "Acme Bcc: all of you"),
        ("\u202egnp.live\u202c", "Somebody"),
        ("A\u200bcme\x00 Ltd", "Acme Ltd"),
        ('<a href="x">Acme</a>', "a href= x Acme /a"),
        ("alice@acme.example", "Somebody"),
        ("...", "Somebody"),
        ("", "Somebody"),
    ],
)
def test_text_that_becomes_a_link_is_removed(name: str, left: str) -> None:
    assert mail_name(name, otherwise="Somebody") == left


def test_a_long_name_is_truncated() -> None:
    assert mail_name("word " * 100, otherwise="Somebody").endswith("…")


@given(st.text(max_size=400))
def test_no_name_contains_an_address_a_link_or_a_line_end(name: str) -> None:
    shown = mail_name(name, otherwise="Somebody")
    assert 0 < len(shown) <= LONGEST + 1
    assert "@" not in shown
    assert "://" not in shown
    assert shown.isprintable()
    assert not re.search(r"[a-z]\.com\b", shown, re.IGNORECASE)


@given(st.text(alphabet="ab.@/:w \u200b\u202e\n", max_size=40))
def test_cleaning_a_name_twice_changes_nothing(name: str) -> None:
    once = mail_name(name, otherwise="Somebody")
    assert mail_name(once, otherwise="Somebody") == once
