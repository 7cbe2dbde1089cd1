"""An address is read as SES takes it; a star is a wish for a catch-all; what was understood differently is said."""

import pytest

from inbound_admin.lib.errors import Refused
from receipt_rules.addresses.core import CatchAllMeant, is_at_or_below, read_recipient


@pytest.mark.parametrize(
    "text", ["a b@shop.com", "sales*@shop.com", "*sales@shop.com", 'a"b@shop.com', "ü@shop.com", ".a@shop.com"]
)
def test_what_ses_would_refuse_before_the_at_is_refused(text: str) -> None:
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
def test_a_star_is_a_wish_for_a_catch_all(text: str, domain: str, subdomains: bool) -> None:
    with pytest.raises(CatchAllMeant, match="turn on the (subdomain )?catch-all") as refused:
        read_recipient(text)
    assert (refused.value.domain, refused.value.subdomains) == (domain, subdomains)


@pytest.mark.parametrize(
    ("text", "said"),
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
def test_what_is_understood_differently_is_said(text: str, said: str) -> None:
    read = read_recipient(text)
    assert (read.address, " ".join(read.noticed)) == ("billing@shop.com", said)


def test_an_address_has_at_most_254_characters() -> None:
    with pytest.raises(Refused, match="254"):
        read_recipient(f"{'a' * 64}@{'.'.join(['b' * 60] * 3)}.shop.com")


def test_the_longest_address_that_ses_takes_is_taken_and_one_more_is_refused() -> None:
    name = f"{'b' * 60}.{'c' * 60}.{'d' * 59}.shop.com"
    local = "a" * (254 - len(f"@{name}"))
    assert read_recipient(f"{local}@{name}").address == f"{local}@{name}"
    for text in (f"{local}a@{name}", f"{'a' * 65}@shop.com"):
        with pytest.raises(Refused) as refused:
            read_recipient(text)
        assert refused.value.code == "NOT_AN_ADDRESS"
    assert read_recipient(f"{'a' * 64}@shop.com").name == "shop.com"


@pytest.mark.parametrize("text", ["shop.com", "billing@", "billing@ ", ""])
def test_what_lacks_the_at_or_the_domain_is_no_address(text: str) -> None:
    with pytest.raises(Refused, match="isn't an email address"):
        read_recipient(text)


def test_the_catch_all_that_is_meant_is_named() -> None:
    with pytest.raises(CatchAllMeant, match=r"all mail at shop\.com, turn on the catch-all"):
        read_recipient("*@shop.com")
    with pytest.raises(CatchAllMeant, match=r"for subdomains of shop\.com, turn on the subdomain catch-all"):
        read_recipient("*@*.shop.com")


@pytest.mark.parametrize(
    ("name", "is_so"),
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
def test_a_name_is_at_or_below_another_by_whole_labels(name: str, *, is_so: bool) -> None:
    assert is_at_or_below(name, {"shop.com", "other.com"}) is is_so


def test_a_local_part_of_letters_that_is_too_long_is_called_too_long() -> None:
    with pytest.raises(Refused, match="before the @ has 80 characters. It can have at most 64"):
        read_recipient(f"{'a' * 80}@shop.com")


def test_an_address_at_a_domain_that_ses_has_already_is_read_whatever_idna_says_of_its_name() -> None:
    assert read_recipient("hello@xn--i-7iq.ws").address == "hello@xn--i-7iq.ws"
