"""Addresses pasted from an email client, a web page, a chat or a list."""

import time

import pytest

from inbound_admin.lib.fields import AddressField
from inbound_admin.lib.mail_addresses import plain_address, without_list_mark


@pytest.mark.parametrize(
    "text",
    [
        *("a@b.com", "Name <a@b.com>", '"Name, X" <a@b.com>', "mailto:a@b.com", "<mailto:a@b.com?subject=x>"),
        *("a@b.com\u200b", "(a@b.com)", "[a@b.com]", "‘a@b.com’,", "a@b.com (Name)"),
        *("1. a@b.com", "b) a@b.com", "• a@b.com", "①a@b.com", "1．a@b.com"),
        *("ａ＠ｂ．ｃｏｍ", "a＠b.com", "1️⃣ a@b.com"),
    ],
)
def test_an_address_is_read_in_any_wrapping(text: str) -> None:
    assert plain_address(text) == "a@b.com"
    assert AddressField().clean(text) == AddressField().clean("a@b.com.") == "a@b.com"


@pytest.mark.parametrize("text", ["a@b.com; c@d.com", "a @b.com", "Name a@b.com", "nonsense"])
def test_ambiguous_text_is_kept_for_correction(text: str) -> None:
    assert plain_address(text) == text


@pytest.mark.parametrize("mark", ["1.", "(2)", "3:", "10.)", "#4)", "a.", "B)", "iv.", "-", "1 -", "３.", "➤", "•"])
def test_a_list_mark_is_removed(mark: str) -> None:
    assert without_list_mark(f"{mark} example.com") == "example.com"


@pytest.mark.parametrize("mark", ["①", "⑴", "１．", "２）", "1、", "1．", "1️⃣", "❷"])
def test_an_east_asian_list_mark_needs_no_space(mark: str) -> None:
    assert without_list_mark(f"{mark}example.com") == "example.com"


@pytest.mark.parametrize("dash", "‐‑–—−")
def test_a_typographic_dash_becomes_a_hyphen(dash: str) -> None:
    assert plain_address(f"first{dash}last@ex{dash}ample.com") == "first-last@ex-ample.com"


@pytest.mark.parametrize("text", ["1.example.com", "www. example.com", "a.b.com", "4chan.org", "mail 1. example.com"])
def test_text_without_a_list_mark_is_unchanged(text: str) -> None:
    assert without_list_mark(text) == text


@pytest.mark.parametrize("text", ["@" * 30_000, "(@" * 15_000, "a@" + "(" * 30_000])
def test_a_very_long_line_is_read_at_once(text: str) -> None:
    begun = time.process_time()
    plain_address(text)
    assert time.process_time() - begun < 3


@pytest.mark.parametrize("text", ["@ (Name)", "a@ (Name)", "@b.com (Name)", "a (Name)"])
def test_a_comment_without_an_address_before_it_is_kept_for_correction(text: str) -> None:
    assert plain_address(text).startswith(text.rstrip(")"))
