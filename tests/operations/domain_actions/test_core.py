"""Parse pasted and uploaded lists of domains."""

from operations.domain_actions.core import (
    LONGEST_LINE,
    DomainLine,
    format_names,
    parse_lines,
    parse_names,
    repeated_names,
)


def test_names_are_split_by_any_separator_and_deduplicated() -> None:
    assert parse_names("a.com, b.com;c.com\n\tA.com  d.com") == tuple(
        map(DomainLine, ("a.com", "b.com", "c.com", "d.com"))
    )


def test_csv_with_customers_is_parsed_whatever_its_separator() -> None:
    comma = '\ufeffdomain,customer\na.com,"Smith, Jones & Co"\nb.com\n\n'
    semicolon = "Domain;Customer\r\na.com;Smith, Jones & Co\r\nb.com;\r\n"
    for text in (comma, semicolon):
        named = parse_names(text, with_customers=True)
        assert named == (DomainLine("a.com", "Smith, Jones & Co"), DomainLine("b.com"))
        assert parse_names(format_names(named), with_customers=True) == named


def test_a_customer_with_the_other_separator_in_its_name_is_read_again_as_it_was() -> None:
    """The preview sends the lines back as `format_names` writes them."""
    named = (DomainLine("a.com", "Smith; Sons"), DomainLine("b.com", "Acme"), DomainLine("c.com"))
    assert parse_names(format_names(named), with_customers=True) == named
    assert parse_names("a.com;Smith, Sons\nb.com;Acme\nc.com;", with_customers=True)[0].customer == "Smith, Sons"


def test_an_unclosed_quote_affects_only_its_own_line() -> None:
    named = parse_names('"a.com,Acme\nb.com,Acme\nc.com\n', with_customers=True)
    assert [each.name for each in named[1:]] == ["b.com", "c.com"]
    assert named[0].name.startswith("a.com")


def test_each_repeated_line_is_reported() -> None:
    lines = parse_lines("domain,customer\na.com,Acme\nA.com,ACME\na.com,Bob\nb.com\nb.com\nb.com", with_customers=True)
    assert repeated_names(lines) == ("A.com", "b.com", "b.com")
    assert len(lines) == 6


def test_a_line_of_any_length_and_a_nul_are_read() -> None:
    named = parse_names("a.com,Ac\x00me\n" + "b" * 200_000, with_customers=True)
    assert named[0] == DomainLine("a.com", "Acme")
    assert len(named[1].name) == LONGEST_LINE
