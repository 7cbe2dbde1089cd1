"""What people paste and upload to name domains."""

from operations.domain_actions.core import (
    LONGEST_LINE,
    DomainLine,
    format_names,
    parse_lines,
    parse_names,
    repeated_names,
)


def test_names_are_apart_by_anything_and_each_is_there_once() -> None:
    assert parse_names("a.com, b.com;c.com\n\tA.com  d.com") == tuple(
        map(DomainLine, ("a.com", "b.com", "c.com", "d.com"))
    )


def test_lines_of_csv_say_whose_a_domain_is_whatever_the_spreadsheet_wrote() -> None:
    comma = '\ufeffdomain,customer\na.com,"Smith, Jones & Co"\nb.com\n\n'
    semicolon = "Domain;Customer\r\na.com;Smith, Jones & Co\r\nb.com;\r\n"
    for text in (comma, semicolon):
        named = parse_names(text, with_customers=True)
        assert named == (DomainLine("a.com", "Smith, Jones & Co"), DomainLine("b.com"))
        assert parse_names(format_names(named), with_customers=True) == named


def test_a_quote_that_is_never_closed_takes_no_other_line_with_it() -> None:
    named = parse_names('"a.com,Acme\nb.com,Acme\nc.com\n', with_customers=True)
    assert [each.name for each in named[1:]] == ["b.com", "c.com"]
    assert named[0].name.startswith("a.com")


def test_each_line_that_repeats_an_earlier_one_is_reported() -> None:
    lines = parse_lines("domain,customer\na.com,Acme\nA.com,ACME\na.com,Bob\nb.com\nb.com\nb.com", with_customers=True)
    assert repeated_names(lines) == ("A.com", "b.com", "b.com")
    assert len(lines) == 6


def test_a_line_of_any_length_and_a_nul_are_read() -> None:
    named = parse_names("a.com,Ac\x00me\n" + "b" * 200_000, with_customers=True)
    assert named[0] == DomainLine("a.com", "Acme")
    assert len(named[1].name) == LONGEST_LINE
