"""The evaluation of an SPF record: includes, lookups and hosts that do not exist; and what can be offered."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domains.spf.core import grammar, merger
from domains.spf.core.evaluation import (
    SpfNames,
    broken_includes,
    count_lookups,
    count_voids,
    first_unresolved,
    included_names,
)

NAMES = SpfNames(
    {
        "good.example": ("v=spf1 a mx -all",),
        "none.example": (),
        "two.example": ("v=spf1 -all", "v=spf1 a -all"),
        "broken.example": ("v=spf1 ip4:300.1.1.1 -all",),
        "deep.example": ("v=spf1 include:none.example -all",),
        "circle.example": ("v=spf1 include:circle.example -all",),
        "big.example": (" ".join(["v=spf1", *(f"a:h{n}.example" for n in range(9)), "-all"]),),
    },
    frozenset({("gone1.example", "A"), ("gone2.example", "A"), ("gone3.example", "MX")}),
    frozenset({*((f"h{n}.example", "A") for n in range(9)), ("there.example", "A")}),
)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("none.example", "no SPF record"),
        ("two.example", "2 SPF records"),
        ("broken.example", "is broken"),
        ("deep.example", "none.example has no SPF record"),
    ],
)
@pytest.mark.parametrize("sign", ["include:", "redirect="])
def test_an_include_without_one_valid_record_is_broken(name: str, why: str, sign: str) -> None:
    (found,) = broken_includes(f"v=spf1 {sign}{name}", NAMES)
    assert why in found.reason


@pytest.mark.parametrize("name", ["good.example", "unknown.example", "circle.example"])
def test_a_valid_or_unknown_include_is_not_broken(name: str) -> None:
    assert broken_includes(f"v=spf1 include:{name} -all", NAMES) == ()


def test_terms_after_all_are_ignored() -> None:
    assert broken_includes("v=spf1 -all include:none.example", NAMES) == ()
    assert included_names("v=spf1 -all include:none.example") == ()


def test_nonexistent_hosts_are_counted_as_void_lookups() -> None:
    assert count_voids("v=spf1 a:gone1.example a:gone2.example mx:gone3.example a:there.example", NAMES) == 3


def test_a_loop_of_includes_exceeds_the_lookups() -> None:
    assert count_lookups("v=spf1 include:circle.example", NAMES).too_many


def test_records_that_include_each_other_many_times_are_not_followed_without_end() -> None:
    line = " ".join(["v=spf1", *(f"include:n{n}.example" for n in range(12)), "a:gone.example"])
    names = SpfNames({f"n{n}.example": (line,) for n in range(12)}, frozenset({("gone.example", "A")}))
    assert count_lookups(line, names).too_many
    assert count_voids(line, names) > 2
    assert broken_includes(line, names) == ()
    assert first_unresolved(line, names) == ""


def test_two_records_merge_with_redirects_as_includes() -> None:
    line = merger.merge_records(("v=spf1 redirect=good.example", "v=spf1 ip4:192.0.2.1 ~all"), NAMES)
    assert line.value == "v=spf1 include:good.example ip4:192.0.2.1 include:amazonses.com ~all"


@pytest.mark.parametrize(
    ("one", "other", "ending"),
    [
        ("-all", "~all", "~all"),
        ("-all", "?all", "?all"),
        ("-all", "", "?all"),  # without "all" other senders are neutral
        ("", "", "?all"),
        ("-all", "redirect=soft.example", "~all"),
        ("redirect=soft.example", "redirect=soft.example", "~all"),
    ],
)
def test_a_merged_record_has_the_mildest_ending(one: str, other: str, ending: str) -> None:
    names = SpfNames({"soft.example": ("v=spf1 ip4:192.0.2.7 ~all",)})
    for pair in ((one, other), (other, one)):
        lines = tuple(f"v=spf1 ip4:192.0.2.{number} {end}".strip() for number, end in enumerate(pair, 1))
        assert merger.merge_records(lines, names).value.rpartition(" ")[2] == ending


def test_a_record_that_excludes_a_sender_is_merged_last() -> None:
    line = merger.merge_records(("v=spf1 -ip4:192.0.2.1 a -all", "v=spf1 ip4:192.0.2.1 -all"))
    assert line.value == "v=spf1 ip4:192.0.2.1 -ip4:192.0.2.1 a include:amazonses.com -all"


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        (("v=spf1 include:big.example -all", "v=spf1 mx -all"), "would need 12 DNS lookups"),
        (("v=spf1 include:none.example -all", "v=spf1 mx -all"), "none.example has no SPF record"),
        (("v=spf1 ip4:300.1.1.1 -all", "v=spf1 mx -all"), "is not an IPv4 address"),
        (("v=spf1 -a mx -all", "v=spf1 -mx a -all"), "excludes some senders"),
    ],
)
def test_a_merged_record_that_would_not_work_is_withheld_with_the_reason(lines: tuple[str, ...], why: str) -> None:
    line = merger.merge_records(lines, NAMES)
    assert line.value == ""
    assert why in line.withheld


@pytest.mark.parametrize("term", ["include:unknown.example", "redirect=unknown.example", "a:unknown.example"])
def test_a_record_with_a_failed_lookup_is_not_merged(term: str) -> None:
    for line in (
        merger.add_include(f"v=spf1 {term}", names=NAMES),
        merger.merge_records((f"v=spf1 {term}", "v=spf1 mx"), NAMES),
    ):
        assert line.value == ""
        assert "couldn't look up unknown.example" in line.withheld


def test_a_failed_lookup_inside_an_include_withholds_the_merge() -> None:
    names = SpfNames({"good.example": ("v=spf1 include:unknown.example -all",)})
    assert "unknown.example" in merger.add_include("v=spf1 include:good.example", names=names).withheld


def test_a_record_that_already_authorises_ses_is_unchanged_despite_failed_lookups() -> None:
    line = "v=spf1 include:unknown.example include:amazonses.com -all"
    assert merger.add_include(line, names=NAMES).value == line


def test_amazonses_is_not_added_to_a_broken_record() -> None:
    assert merger.add_include("v=spf1 ip4:300.1.1.1 -all").value == ""
    assert "is not an IPv4 address" in merger.add_include("v=spf1 ip4:300.1.1.1 -all").withheld


SENDERS = st.sampled_from(
    [
        *("a", "mx", "ip4:192.0.2.1", "ip4:192.0.2.0/24", "ip6:2001:db8::/32", "include:good.example"),
        *("-ip4:192.0.2.9", "~mx", "redirect=good.example", "include:big.example", "include:amazonses.com"),
        *("ip4:300.1.1.1", "include:none.example", "exists:%{i}.x.example", "a:", "exp=why.example"),
    ]
)
LINES = st.lists(
    st.tuples(st.lists(SENDERS, max_size=5), st.sampled_from(["", "-all", "~all", "?all"])), min_size=1, max_size=3
)


def passes(line: str) -> set[str]:
    """Return the senders that their first matching term authorises, one sender per term."""
    first: dict[str, str] = {}
    for term in grammar.parse(line).effective_terms:
        if not term.is_all and (not term.is_modifier or term.is_redirect):
            sender = f"include:{term.argument}" if term.is_redirect else term.text.lstrip("+-~?")
            first.setdefault(sender, term.qualifier)
    return {sender for sender, qualifier in first.items() if qualifier == "+"}


@given(LINES)
def test_an_offered_record_is_valid_within_ten_lookups_and_keeps_every_sender(
    made: list[tuple[list[str], str]],
) -> None:
    lines = tuple(" ".join(filter(None, ["v=spf1", *terms, ending])) for terms, ending in made)
    result = merger.merge_records(lines, NAMES) if len(lines) > 1 else merger.add_include(lines[0], names=NAMES)
    assert bool(result.value) != bool(result.withheld)
    if result.value:
        assert grammar.parse(result.value).problems == ()
        assert broken_includes(result.value, NAMES) == ()
        assert not count_lookups(result.value, NAMES).too_many
        assert grammar.authorises(result.value)
        assert set().union(*map(passes, lines)) <= passes(result.value)
