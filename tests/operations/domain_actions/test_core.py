"""What people paste and upload to name domains."""

from operations.domain_actions.core import Named, as_lines, named_in


def test_names_are_apart_by_anything_and_each_is_there_once() -> None:
    assert named_in("a.com, b.com;c.com\n\tA.com  d.com") == tuple(map(Named, ("a.com", "b.com", "c.com", "d.com")))


def test_lines_of_csv_say_whose_a_domain_is_whatever_the_spreadsheet_wrote() -> None:
    comma = '\ufeffdomain,customer\na.com,"Smith, Jones & Co"\nb.com\n\n'
    semicolon = "Domain;Customer\r\na.com;Smith, Jones & Co\r\nb.com;\r\n"
    for text in (comma, semicolon):
        named = named_in(text, with_customers=True)
        assert named == (Named("a.com", "Smith, Jones & Co"), Named("b.com"))
        assert named_in(as_lines(named), with_customers=True) == named


def test_a_quote_that_is_never_closed_takes_no_other_line_with_it() -> None:
    named = named_in('"a.com,Acme\nb.com,Acme\nc.com\n', with_customers=True)
    assert [each.name for each in named[1:]] == ["b.com", "c.com"]
    assert named[0].name.startswith("a.com")
