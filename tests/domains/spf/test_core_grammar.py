"""The SPF grammar: each broken term has a place and a reason, and checkdmarc agrees."""

import checkdmarc.spf as second_opinion
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domains.spf.core import grammar

VALID = (
    "all",
    "-all",
    "?ALL",
    "a",
    "a/24",
    "a//64",
    "mx/24//64",
    "a:mail.example.com",
    "+mx:example.com/28",
    "ptr",
    "ptr:example.com",
    "ip4:192.0.2.1",
    "ip4:192.0.2.0/24",
    "ip6:2001:db8::/32",
    "include:_spf.google.com",
    "include:example.com.",
    "include:xn--bcher-kva.example",
    "exists:%{ir}.%{v}._spf.%{d2}",
    "exists:%{l1r-}.x.example",
    "redirect=_spf.example.com",
    "exp=why.%{d}",
    "unknown=anything",
)
BROKEN = (
    ("ip4:300.1.1.1", "is not an IPv4 address"),
    ("ip4:2001:db8::1", "Write it after “ip6:”"),
    ("ip6:192.0.2.1", "Write it after “ip4:”"),
    ("ip4:192.0.2.0/99", "is not a prefix length from 0 to 32"),
    ("ip6:2001:db8::/129", "is not a prefix length from 0 to 128"),
    ("ip4:192.0.2.0/024", "is not a prefix length"),
    ("ip4:", "needs an IPv4 address"),
    ("ip4", "needs an IPv4 address"),
    ("include:", "needs a domain"),
    ("include", "needs a domain"),
    ("a:", "needs a domain"),
    ("redirect=", "needs a domain"),
    ("mx,a", "Separate terms with spaces"),
    ("include:example.com,", "Separate terms with spaces"),
    ("include:x;", "Separate terms with spaces"),
    ("a:https://example.com", "is not a domain"),
    ("include:localhost", "is not a domain"),
    ("include:a..example.com", "is not a domain"),
    ("include:a.exampleinclude:b.example", "contains two terms"),
    ("include:a.example~all", "contains two terms"),
    ("ip4:192.0.2.1ip4:192.0.2.2", "is not an IPv4 address"),
    ("-allinclude:a.example", "an SPF mechanism"),
    ("all:x", "can't have a value"),
    ("a/33", "prefix length from 0 to 32"),
    ("ptr/24", "can't have a prefix length"),
    ("exists:%{q}.example.com", "doesn't start a macro"),
    ("include:example.com%", "doesn't start a macro"),
    ("include:exämple.com", "character that isn't allowed in SPF"),
    ("mx\ta", "character that isn't allowed in SPF"),
    ("~", "has no mechanism"),
    ("senders", "an SPF mechanism"),
)
# checkdmarc accepts any text without spaces as a domain, and a tab as a space.
LENIENT = frozenset({"a:https://example.com", "mx\ta"})


@pytest.mark.parametrize("term", VALID)
def test_a_valid_term_has_no_problem(term: str) -> None:
    assert grammar.parse(f"v=spf1 {term}").problems == ()


@pytest.mark.parametrize(("term", "why"), BROKEN)
def test_a_broken_term_has_its_place_and_the_reason(term: str, why: str) -> None:
    line = f"v=spf1  mx {term} -all"
    problem = grammar.parse(line).problems[0]
    assert line[problem.start : problem.end] == term
    assert why in problem.reason


def test_a_redirect_can_appear_only_once() -> None:
    assert "can appear only once" in grammar.parse("v=spf1 redirect=a.example redirect=b.example").problems[0].reason


def test_broken_terms_are_marked_and_the_pieces_join_to_the_record() -> None:
    line = "v=spf1 ip4:300.1.1.1 mx -oops"
    pieces = grammar.marked_problems(line, grammar.parse(line).problems)
    assert "".join(piece for piece, _ in pieces) == line
    assert [piece for piece, broken in pieces if broken] == ["ip4:300.1.1.1", "-oops"]


def is_valid_for_checkdmarc(line: str, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Return whether checkdmarc accepts the syntax, without any lookup."""
    for name in ("get_a_records", "get_mx_records", "get_txt_records", "query_dns"):
        monkeypatch.setattr(second_opinion, name, lambda *args, **kwargs: ["192.0.2.1"])
    monkeypatch.setattr(second_opinion, "query_spf_record", lambda *args, **kwargs: {"record": "v=spf1 -all"})
    try:
        second_opinion.parse_spf_record(line, "example.com", ignore_too_many_lookups=True)
    except second_opinion.SPFSyntaxError:
        return False
    except Exception:  # noqa: BLE001  # only its syntax errors matter here
        return True
    return True


@pytest.mark.parametrize("term", [*VALID, *(t for t, _ in BROKEN if t not in LENIENT and not t.startswith("include:"))])
def test_checkdmarc_agrees_on_validity(term: str, monkeypatch: pytest.MonkeyPatch) -> None:
    line = f"v=spf1 {term}"
    assert is_valid_for_checkdmarc(line, monkeypatch) == (not grammar.parse(line).problems)


@pytest.mark.parametrize("text", [" v=spf1 a", "v=spf1; a", "v=spf1include:a", "spf1 a", '"v=spf1 a', "v = spf1 a"])
def test_a_misspelt_version_resembles_spf(text: str) -> None:
    assert not grammar.is_spf(text)
    assert grammar.resembles_spf(text)
    assert grammar.problems_of(text)


@pytest.mark.parametrize("text", ["v=spf1 -all", "spf2.0/pra -all", "v=DMARC1", "spectacular", ""])
def test_unrelated_text_does_not_resemble_spf(text: str) -> None:
    assert not grammar.resembles_spf(text)


@given(st.text(max_size=60))
def test_any_text_is_parsed_with_places_inside_it(text: str) -> None:
    line = f"v=spf1 {text}"
    for problem in grammar.parse(line).problems:
        assert 0 <= problem.start < problem.end <= len(line)
        assert problem.reason
