"""A name that could pass for another is shown with its DNS form; an unambiguous one is not."""

import pytest

from domains.names.core import is_look_alike, parse_domain


@pytest.mark.parametrize(
    "name",
    [
        "\u0430pple.com",  # Cyrillic a in a Latin word
        "\u0430\u0440\u0440\u04cf\u0435.com",  # "apple" only in Cyrillic
        "p\u03b1ypal.com",  # Greek alpha
        "shop.g\u03bf\u03bfgle.com",  # a label in between
        "tw\u0131tter.com",  # the dotless i
        "\u0569est.com",  # Armenian mixed with Latin
        "g\u09e6\u09e6gle.com",  # Bengali zeros
        "g\u3007\u3007gle.com",  # the Chinese zero, which may stand beside Latin
        "\u0966.com",  # the Devanagari zero alone
        "i\u0307stanbul.com",  # a second dot over the i
        "pay\u064epal.com",  # an Arabic vowel sign
        "example.com\u30cesign-in.de",  # a Katakana letter like a slash
        "example\ua78fcom.de",  # a letter like a dot
    ],
)
def test_a_mixed_or_confusable_name_is_shown_with_its_dns_form(name: str) -> None:
    assert is_look_alike(name)
    domain = parse_domain(name).domain
    assert str(domain) == f"{domain.unicode} ({domain.ascii})"
    assert "xn--" in str(domain)


@pytest.mark.parametrize(
    "name",
    [
        "apple.com",
        "xn--shop-9000.example",
        "b\u00fccher.de",
        "caf\u00e9-m\u00fcnchen.fr",
        "\u043f\u0440\u0438\u0432\u0435\u0442-\u0434\u0440\u0443\u0437\u044c\u044f.com",  # Russian
        "\u65e5\u672c\u8a9e\u30c6\u30b9\u30c8.jp",  # Chinese signs and Katakana
        "\ud55c\uad6d\u8a9eabc.kr",
        "\u0645\u062b\u0627\u0644.com",
        "\u0645\u062b\u0627\u0644-\u0664\u0665.com",  # Arabic digits
        "\u0939\u093f\u0928\u094d\u0926\u0940\u0967.com",  # Devanagari with its signs and a digit
        "\u30ce\u30fc\u30c8.jp",  # Katakana
        "\u1eb9\u0301d\u00e8.ng",  # Yoruba, with an accent of its own
        "2024-\u03ba\u03b1\u03bb\u03b7\u03bc\u03ad\u03c1\u03b1.gr",  # Greek with letters of its own
    ],
)
def test_an_unambiguous_name_is_shown_without_its_dns_form(name: str) -> None:
    assert not is_look_alike(name)
