"""Recipients are parsed as SES accepts them; a wildcard suggests a catch-all; a corrected input is reported."""

import pytest

from inbound_admin.lib.errors import Refused
from receipt_rules.addresses.core import CatchAllMeant, is_at_or_below, read_recipient


@pytest.mark.parametrize(
    "text", ["a b@shop.com", "sales*@shop.com", "*sales@shop.com", 'a"b@shop.com', "ü@shop.com", ".a@shop.com"]
)
def test_a_local_part_that_ses_rejects_is_refused(text: str) -> None:
    with pytest.raises(Refused) as refused:
        read_recipient(text)
    assert refused.value.code == "NOT_AN_ADDRESS"


@pytest.mark.parametrize(
    ("text", "domain", "subdomains"),
    [
        ("*@shop.com", "shop.com", False),
        ("**@Shop.com", "shop.com", False),
        ("info@*.shop.com", "shop.com", True),
        ("*@*.shop.com", "shop.com", True),
        ("info@eu.*.shop.com", "shop.com", True),
    ],
)
def test_a_wildcard_suggests_the_catch_all(text: str, domain: str, subdomains: bool) -> None:
    with pytest.raises(CatchAllMeant, match="turn on the (subdomain )?catch-all") as refused:
        read_recipient(text)
    assert (refused.value.domain, refused.value.subdomains) == (domain, subdomains)


@pytest.mark.parametrize(
    ("text", "notice"),
    [
        ("billing@shop.com", ""),
        ("Billing@Shop.com", ""),
        ("Billing <billing@shop.com>", "Read as billing@shop.com."),
        ("mailto:billing@shop.com", "Read as billing@shop.com."),
        ("<mailto:billing@shop.com?subject=Hi>", "Read as billing@shop.com."),
        ("\u200bbilling\u00ad@shop.com\u2069", "Read as billing@shop.com."),
        ("billing@shop.com.", "We removed the dot at the end."),
    ],
)
def test_the_parser_reports_what_it_corrected(text: str, notice: str) -> None:
    read = read_recipient(text)
    assert (read.address, " ".join(read.noticed)) == ("billing@shop.com", notice)


def test_an_address_has_at_most_254_characters() -> None:
    with pytest.raises(Refused, match="254"):
        read_recipient(f"{'a' * 64}@{'.'.join(['b' * 60] * 3)}.shop.com")


def test_the_longest_address_that_ses_accepts_is_accepted_and_one_longer_is_refused() -> None:
    name = f"{'b' * 60}.{'c' * 60}.{'d' * 59}.shop.com"
    local = "a" * (254 - len(f"@{name}"))
    assert read_recipient(f"{local}@{name}").address == f"{local}@{name}"
    for text in (f"{local}a@{name}", f"{'a' * 65}@shop.com"):
        with pytest.raises(Refused) as refused:
            read_recipient(text)
        assert refused.value.code == "NOT_AN_ADDRESS"
    assert read_recipient(f"{'a' * 64}@shop.com").name == "shop.com"


@pytest.mark.parametrize("text", ["shop.com", "billing@", "billing@ ", ""])
def test_a_text_without_at_sign_or_domain_is_refused(text: str) -> None:
    with pytest.raises(Refused, match="isn't an email address"):
        read_recipient(text)


def test_the_error_names_the_suggested_catch_all() -> None:
    with pytest.raises(CatchAllMeant, match=r"all mail at shop\.com, turn on the catch-all"):
        read_recipient("*@shop.com")
    with pytest.raises(CatchAllMeant, match=r"for subdomains of shop\.com, turn on the subdomain catch-all"):
        read_recipient("*@*.shop.com")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("shop.com", True),
        ("eu.shop.com", True),
        ("a.b.eu.shop.com", True),
        ("myshop.com", False),
        ("com", False),
        ("shop.com.example", False),
        ("", False),
    ],
)
def test_a_name_is_at_or_below_another_by_whole_labels(name: str, *, expected: bool) -> None:
    assert is_at_or_below(name, {"shop.com", "other.com"}) is expected


def test_the_error_says_that_a_local_part_is_too_long() -> None:
    with pytest.raises(Refused, match="before the @ has 80 characters. It can have at most 64"):
        read_recipient(f"{'a' * 80}@shop.com")


def test_an_address_at_an_invalid_idna_name_that_ses_has_is_accepted() -> None:
    assert read_recipient("hello@xn--i-7iq.ws").address == "hello@xn--i-7iq.ws"
