"""What people paste, and how it is understood or refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domains.names.core import LONGEST_DOMAIN, DomainName, parse_domain, parse_existing_domain
from inbound_admin.lib.errors import Refused

CODES = {"NOT_A_DOMAIN", "IP_ADDRESS", "PUBLIC_SUFFIX", "RESERVED_NAME", "TOO_LONG", "UNDERSCORE", "SINGLE_LABEL"}
LONG_NAME = ".".join(["a" * 50] * 4) + ".com"


@pytest.mark.parametrize(
    ("text", "ascii_name", "zone", "notice"),
    [
        ("example.com", "example.com", "example.com", ""),
        ("  example.com\n", "example.com", "example.com", ""),
        ("https://Example.COM/path?q#f", "example.com", "example.com", "a URL"),
        ("https://user:secret@example.com:8443/", "example.com", "example.com", "email address"),
        ("example.com/pricing", "example.com", "example.com", "a URL"),
        ("user@example.com", "example.com", "example.com", "email address"),
        ("Alice <alice@example.com>", "example.com", "example.com", "email address"),
        ("mailto:alice@example.com?subject=hi", "example.com", "example.com", "email address"),
        ("example.com.", "example.com", "example.com", "dot at the end"),
        (".example.com", "example.com", "example.com", "dot at the start"),
        ("*.example.com", "example.com", "example.com", "asterisk"),
        ("example.com:443", "example.com", "example.com", "port"),
        ("exam\u200bple\u00ad.com\ufeff", "example.com", "example.com", "invisible"),
        ("example . com", "example.com", "example.com", "spaces"),
        ("“example.com”", "example.com", "example.com", ""),
        ("example。com", "example.com", "example.com", ""),
        ("Bücher.de", "xn--bcher-kva.de", "xn--bcher-kva.de", "xn--bcher-kva.de"),
        ("straße.de", "xn--strae-oqa.de", "xn--strae-oqa.de", "xn--strae-oqa.de"),
        ("XN--Bcher-kva.de", "xn--bcher-kva.de", "xn--bcher-kva.de", ""),
        ("mail.shop.example.co.uk", "mail.shop.example.co.uk", "example.co.uk", ""),
        ("shop.example.com.au", "shop.example.com.au", "example.com.au", ""),
        ("a.alice.github.io", "a.alice.github.io", "alice.github.io", ""),
        ("city.kawasaki.jp", "city.kawasaki.jp", "city.kawasaki.jp", ""),
        ("ab--cd.com", "ab--cd.com", "ab--cd.com", ""),
        ("www.example.com", "www.example.com", "example.com", "If you meant example.com"),
        ("example.con", "example.con", "example.con", "don't know the ending .con"),
    ],
)
def test_pasted_text_is_understood_and_corrections_are_noticed(
    text: str, ascii_name: str, zone: str, notice: str
) -> None:
    understood = parse_domain(text)
    assert (understood.domain.ascii, understood.domain.zone) == (ascii_name, zone)
    assert notice in " ".join(understood.noticed)
    assert bool(understood.noticed) == bool(notice)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "NOT_A_DOMAIN"),
        (" . ", "NOT_A_DOMAIN"),
        ("https://", "NOT_A_DOMAIN"),
        ("alice@", "NOT_A_DOMAIN"),
        ("exa..mple.com", "NOT_A_DOMAIN"),
        ("-example.com", "NOT_A_DOMAIN"),
        ("exam!ple.com", "NOT_A_DOMAIN"),
        ("xn--zz.com", "NOT_A_DOMAIN"),
        ("☃.com", "NOT_A_DOMAIN"),
        ("a.com b.com", "NOT_A_DOMAIN"),
        ("a.com, b.com", "NOT_A_DOMAIN"),
        ("192.0.2.1", "IP_ADDRESS"),
        ("https://192.0.2.1:8080/", "IP_ADDRESS"),
        ("2001:db8::1", "IP_ADDRESS"),
        ("https://[2001:db8::1]:443/", "IP_ADDRESS"),
        ("alice@[IPv6:2001:db8::1]", "IP_ADDRESS"),
        ("192.0.2.999", "IP_ADDRESS"),
        ("com", "PUBLIC_SUFFIX"),
        ("co.uk", "PUBLIC_SUFFIX"),
        ("*.co.uk", "PUBLIC_SUFFIX"),
        ("github.io", "PUBLIC_SUFFIX"),
        ("a.kawasaki.jp", "PUBLIC_SUFFIX"),
        ("shop.test", "RESERVED_NAME"),
        ("localhost", "RESERVED_NAME"),
        ("printer.local", "RESERVED_NAME"),
        ("shop.example", "RESERVED_NAME"),
        ("abc.onion", "RESERVED_NAME"),
        ("1.0.0.127.in-addr.arpa", "RESERVED_NAME"),
        ("db.internal", "RESERVED_NAME"),
        ("mycompany", "SINGLE_LABEL"),
        ("_dmarc.example.com", "UNDERSCORE"),
        ("my_shop.com", "UNDERSCORE"),
        ("a" * 64 + ".com", "TOO_LONG"),
        ("ü" * 60 + ".com", "TOO_LONG"),
        (LONG_NAME + ".net.com.de", "TOO_LONG"),
        ("a" * 3000, "TOO_LONG"),
    ],
)
def test_each_refusal_has_its_code(text: str, code: str) -> None:
    with pytest.raises(Refused) as refused:
        parse_domain(text)
    assert refused.value.code == code
    assert str(refused.value).endswith(".")


@pytest.mark.parametrize(("text", "name"), [("xn--i-7iq.ws", "xn--i-7iq.ws"), ("i❤.ws", "xn--i-7iq.ws")])
def test_a_name_refused_by_idna_2008_cannot_be_added_but_can_be_imported(text: str, name: str) -> None:
    with pytest.raises(Refused, match="IDNA 2008"):
        parse_domain(text)
    assert parse_existing_domain(text) == name


@pytest.mark.parametrize("text", ["xn--zz.com", "exam!ple.com", "xn--\u200b.com", "-a.com"])
def test_an_invalid_name_cannot_be_imported(text: str) -> None:
    with pytest.raises(Refused):
        parse_existing_domain(text)


@pytest.mark.parametrize(
    "text", ["1. shop.com", "12) shop.com", "(3) shop.com", "- shop.com", "•	shop.com", "* shop.com", "1. shop.com"]
)
def test_a_list_number_is_removed_from_the_domain(text: str) -> None:
    understood = parse_domain(text)
    assert understood.domain.ascii == "shop.com"
    assert "We removed the list number or bullet." in understood.noticed


@pytest.mark.parametrize("text", ["1.shop.com", "123.shop.com", "1 . shop.com"])
def test_a_name_that_begins_with_a_number_is_kept(text: str) -> None:
    assert parse_domain(text).domain.ascii.endswith(".shop.com")


def test_the_longest_domain_leaves_room_for_a_dkim_name() -> None:
    name = LONG_NAME.removesuffix("com")[: LONGEST_DOMAIN - 4].rstrip(".") + ".com"
    name = "b" * (LONGEST_DOMAIN - len(name)) + name if len(name) < LONGEST_DOMAIN else name
    assert parse_domain(name).domain.ascii == name
    assert len("t" * 32 + "._domainkey." + name) == 253
    with pytest.raises(Refused):
        parse_domain("c" + name)


def test_a_password_in_a_url_is_never_repeated() -> None:
    assert "secret" not in " ".join(parse_domain("https://user:secret@example.com/").noticed)


@given(st.one_of(st.text(max_size=80), st.text(alphabet="aB1-._@:/*[]<> \u200d\u200cü。xn", max_size=40)))
def test_any_text_is_understood_or_refused_without_a_crash(text: str) -> None:
    refusals: list[Refused] = []
    try:
        domain = parse_domain(text).domain
    except Refused as problem:
        refusals.append(problem)
    if refusals:
        assert refusals[0].code in CODES
        assert str(refusals[0]).encode()
        return
    assert domain.ascii.isascii()
    assert domain.ascii == domain.ascii.lower()
    assert domain.ascii == domain.zone or domain.ascii.endswith("." + domain.zone)


LABEL = st.text(alphabet="abcxyz019üßñ日本ا", min_size=1, max_size=8)


@given(st.lists(LABEL, min_size=1, max_size=4), st.sampled_from(["com", "co.uk", "com.au", "github.io", "de"]))
def test_parsing_a_parsed_name_changes_nothing(labels: list[str], ending: str) -> None:
    try:
        once = parse_domain(".".join([*labels, ending])).domain
    except Refused:
        return
    assert parse_domain(once.ascii).domain == once
    assert parse_domain(once.unicode).domain == once
    assert DomainName.from_stored(once.ascii) == once


def test_names_are_relative_to_the_registrable_domain() -> None:
    domain = parse_domain("mail.example.co.uk").domain
    assert domain.relative("abc._domainkey.mail.example.co.uk") == "abc._domainkey.mail"
    assert domain.relative("mail.example.co.uk") == "mail"
    assert domain.relative("example.co.uk") == "@"
    with pytest.raises(ValueError, match="not in the zone"):
        domain.relative("xexample.co.uk")


def test_parents_end_at_the_zone() -> None:
    assert parse_domain("a.b.example.co.uk").domain.parents == ("b.example.co.uk", "example.co.uk")
    assert parse_domain("example.co.uk").domain.parents == ()


def test_a_stored_name_is_never_refused() -> None:
    assert DomainName.from_stored("co.uk").zone == "co.uk"
    assert DomainName.from_stored("xn--zz.com").unicode == "xn--zz.com"


@pytest.mark.parametrize(
    "typed",
    [
        *("＠example.com", "a＠example.com", "example․com", "①example.com", "１．example.com", "1、example.com"),
        *("1️⃣ example.com", "– example.com", "“Bob” <a@example.com>"),
    ],
)
def test_east_asian_forms_and_list_numbers_lead_to_the_same_domain(typed: str) -> None:
    assert parse_domain(typed).domain.ascii == "example.com"


def test_a_dash_is_replaced_with_a_hyphen_and_noticed() -> None:
    understood = parse_domain("my\u2013shop.example.com")
    assert understood.domain.ascii == "my-shop.example.com"
    assert "We replaced a dash with a hyphen: my-shop.example.com." in understood.noticed


def test_two_addresses_are_refused() -> None:
    with pytest.raises(Refused, match="one domain at a time"):
        parse_domain("<a@example.com>, b@example.org")
