"""Parse what is pasted into the search box."""

import pytest

from operations.search.core import LONGEST, SearchQuery, SitePage, read_query

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
def test_pasted_decorations_are_removed(typed: str, text: str) -> None:
    assert read_query(typed).text == text


@pytest.mark.parametrize(
    ("arn", "expected"),
    [
        ("identity/Shop.com", SearchQuery("", identity="shop.com")),
        ("tenant/acme/tn-1234", SearchQuery("", tenant="acme")),
        ("receipt-rule-set/inbound:receipt-rule/ia-000001", SearchQuery("", rule="ia-000001")),
        ("configuration-set/x", SearchQuery("")),
        ("zzz/x", SearchQuery("")),
        ("receipt-rule-set/inbound", SearchQuery("")),
        ("template/a:receipt-rule/b", SearchQuery("")),
    ],
)
def test_an_arn_is_parsed_into_its_resource(arn: str, expected: SearchQuery) -> None:
    found = read_query(ARN + arn)
    assert (found.identity, found.tenant, found.rule) == (expected.identity, expected.tenant, expected.rule)
    assert found.is_arn == bool(expected.identity or expected.tenant or expected.rule)


def test_the_start_of_an_arn_is_no_arn() -> None:
    assert not read_query("arn:aws").is_arn


def test_thirty_two_letters_may_be_a_dkim_token() -> None:
    assert read_query(TOKEN).may_be_token
    assert not read_query("shop.com").may_be_token


def test_an_arn_without_a_resource_is_no_arn() -> None:
    assert not read_query(ARN.removesuffix(":")).is_arn


def test_a_long_input_is_cut() -> None:
    assert read_query("a" * LONGEST).text == "a" * 300
    assert read_query("a" * (LONGEST + 1)).text == "a" * 300


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("do", True),
        ("DOM add", True),
        ("new domain", True),
        ("d", False),
        ("do a", False),
        ("omain", False),
        ("domain tenant", False),
        ("", False),
    ],
)
def test_a_page_matches_the_beginnings_of_its_words(typed: str, *, found: bool) -> None:
    assert SitePage("Add domain", "domains:add", "new create").matches(typed) is found
