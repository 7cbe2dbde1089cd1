"""What is pasted into the one box."""

import pytest

from operations.search.core import SearchQuery, read_query

TOKEN = "abcdefghijklmnopqrstuvwxyz234567"
ARN = "arn:aws:ses:eu-west-1:123456789012:"


@pytest.mark.parametrize(
    ("typed", "text"),
    [
        ("  Shop.Example.com ", "Shop.Example.com"),
        ("https://shop.com/cart?x=1", "shop.com"),
        ("shop.com.", "shop.com"),
        ("mailto:a@shop.com?subject=x", "a@shop.com"),
        ("<a@shop.com>", "a@shop.com"),
        (f"{TOKEN}._domainkey.shop.com", TOKEN),
        (f"{TOKEN}.dkim.amazonses.com", TOKEN),
        ("Alice  and\tSons", "Alice and Sons"),
        ("a\x00b", "ab"),
        ("", ""),
    ],
)
def test_what_people_paste_along_is_left_out(typed: str, text: str) -> None:
    assert read_query(typed).text == text


@pytest.mark.parametrize(
    ("arn", "expected"),
    [
        ("identity/Shop.com", SearchQuery("", identity="shop.com")),
        ("tenant/acme/tn-1234", SearchQuery("", tenant="acme")),
        ("receipt-rule-set/inbound:receipt-rule/ia-000001", SearchQuery("", rule="ia-000001")),
        ("configuration-set/x", SearchQuery("")),
    ],
)
def test_an_arn_names_its_thing(arn: str, expected: SearchQuery) -> None:
    found = read_query(ARN + arn)
    assert (found.identity, found.tenant, found.rule) == (expected.identity, expected.tenant, expected.rule)


def test_what_only_begins_like_an_arn_names_nothing() -> None:
    assert not read_query("arn:aws").is_arn


def test_thirty_two_letters_may_be_a_dkim_token() -> None:
    assert read_query(TOKEN).may_be_token
    assert not read_query("shop.com").may_be_token
