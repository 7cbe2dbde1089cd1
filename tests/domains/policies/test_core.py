"""The DMARC policy that applies, and that no offered record is weaker than it."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domains.dmarc import core as dmarc_core
from domains.names.core import DomainName
from domains.policies import core
from domains.policies.core import NOTHING_KNOWN, PublishedPolicies
from domains.spf.core import grammar
from tests.domains.dns_host import nothing_published

SHOP = DomainName.from_stored("a.shop.example.co.uk")


def published(lines: Mapping[str, str], *, is_there: bool = True) -> PublishedPolicies:
    """Return the facts with `lines` by name; all other names are empty."""
    known = nothing_published(SHOP.ascii)
    own = {f"_dmarc.{name}": (line,) for name, line in lines.items()}
    return replace(known, dmarc={**known.dmarc, **own}, is_there=is_there)


def policy_of(policies: PublishedPolicies, domain: DomainName = SHOP) -> tuple[str, str]:
    found = core.applied_policy(domain, policies)
    return (found.policy, found.name) if found else ("", "")


@pytest.mark.parametrize(
    ("lines", "policy", "at"),
    [
        ({}, "", ""),
        ({"example.co.uk": "v=DMARC1; p=reject"}, "reject", "example.co.uk"),
        ({"example.co.uk": "v=DMARC1; p=reject; sp=none"}, "none", "example.co.uk"),
        ({"example.co.uk": "v=DMARC1; p=none; sp=quarantine"}, "quarantine", "example.co.uk"),
        ({"a.shop.example.co.uk": "v=DMARC1; p=none", "example.co.uk": "v=DMARC1; p=reject"}, "none", SHOP.ascii),
        # a record of a name in between does not apply if the organisation has one
        ({"shop.example.co.uk": "v=DMARC1; p=reject", "example.co.uk": "v=DMARC1; p=none"}, "none", "example.co.uk"),
        # psd=n makes it the organization for RFC 9989, not for RFC 7489: the stricter counts
        ({"shop.example.co.uk": "v=DMARC1; p=reject; psd=n"}, "reject", "shop.example.co.uk"),
        (
            {"shop.example.co.uk": "v=DMARC1; p=none; psd=n", "example.co.uk": "v=DMARC1; p=reject"},
            "reject",
            "example.co.uk",
        ),
        ({"co.uk": "v=DMARC1; p=reject; psd=y"}, "reject", "co.uk"),
        ({"co.uk": "v=DMARC1; p=reject; psd=y", "example.co.uk": "v=DMARC1; p=none"}, "none", "example.co.uk"),
    ],
)
def test_the_policy_that_applies_is_found(lines: dict[str, str], policy: str, at: str) -> None:
    assert policy_of(published(lines)) == (policy, at)


def test_a_name_that_does_not_exist_yet_gets_the_stricter_of_sp_and_np() -> None:
    lines = {"example.co.uk": "v=DMARC1; p=none; sp=none; np=reject"}
    assert policy_of(published(lines)) == ("none", "example.co.uk")
    assert policy_of(published(lines, is_there=False)) == ("reject", "example.co.uk")


def test_at_most_eight_names_are_queried() -> None:
    names = core.names_above(DomainName.from_stored("a.b.c.d.e.f.g.h.i.j.example.com"))
    assert len(names) <= 8
    assert names[-1] == "com"
    assert "example.com" in names


@pytest.mark.parametrize("gone", ["_dmarc.example.co.uk", "_dmarc.uk"])
def test_no_record_is_offered_when_the_policy_lookup_failed(gone: str) -> None:
    known = published({})
    unsure = replace(known, dmarc={name: lines for name, lines in known.dmarc.items() if name != gone})
    offer = core.offered_dmarc(SHOP, "", unsure)
    assert offer.value == ""
    assert "can't suggest a record that keeps it" in offer.withheld


def test_no_record_is_offered_before_the_first_check() -> None:
    assert core.offered_dmarc(SHOP, "", NOTHING_KNOWN).value == ""
    assert core.offered_spf(SHOP.ascii, NOTHING_KNOWN, is_apex=True).value == ""


def test_an_own_record_keeps_policy_alignment_and_reports_of_the_parent() -> None:
    above = published(
        {"example.co.uk": "v=DMARC1; p=reject; sp=quarantine; adkim=s; rua=mailto:all@example.co.uk; np=none"}
    )
    offer = core.offered_dmarc(SHOP, "me@example.net", above)
    assert offer.value == "v=DMARC1; p=quarantine; adkim=s; rua=mailto:all@example.co.uk,mailto:me@example.net"


def offered_for(*own: str, reports_to: str = "", **above: str) -> str:
    known = published(above)
    return core.offered_dmarc(
        SHOP, reports_to, replace(known, dmarc={**known.dmarc, f"_dmarc.{SHOP.ascii}": own})
    ).value


@pytest.mark.parametrize(
    ("one", "other", "offered"),
    [
        ("p=none", "p=reject", "p=none"),
        ("p=reject", "p=quarantine", "p=quarantine"),
        ("p=reject; sp=none", "p=reject", "p=reject; sp=none"),
        ("p=none; sp=reject", "p=none", "p=none"),
        ("p=reject; sp=none; np=reject", "p=reject", "p=reject; sp=none; np=reject"),
        ("p=reject; adkim=s; aspf=s", "p=reject; aspf=s", "p=reject; aspf=s"),
        ("p=reject; pct=20", "p=reject", "p=reject; pct=20"),
        ("p=reject", "p=reject; t=y", "p=reject; t=y"),
        ("p=reject", "rua=mailto:a@example.net", "p=none; rua=mailto:a@example.net"),
        ("p=reject; fo=1; rua=mailto:a@b.example", "p=none", "p=none; rua=mailto:a@b.example"),
    ],
)
def test_two_records_merge_into_the_mildest_of_each_tag(one: str, other: str, offered: str) -> None:
    assert offered_for(f"v=DMARC1; {one}", f"v=DMARC1; {other}") == f"v=DMARC1; {offered}"
    reversed_order = offered_for(f"v=DMARC1; {other}", f"v=DMARC1; {one}")
    assert reversed_order.split("; ")[:2] == f"v=DMARC1; {offered}".split("; ")[:2]


def test_an_invalid_record_keeps_its_pct_tag() -> None:
    assert offered_for("v=DMARC1 p=reject pct=5") == "v=DMARC1; p=reject; pct=5"


OWN_TAGS = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(("p", "sp", "np"), st.sampled_from(dmarc_core.POLICIES)),
        **dict.fromkeys(("adkim", "aspf"), st.sampled_from(["r", "s"])),
        "pct": st.integers(0, 100).map(str),
        "t": st.sampled_from(["y", "n"]),
    },
)


def strictness(text: str) -> tuple[int, ...]:
    record = dmarc_core.parse(text)
    tags = record.tags
    missing = tags.get("np", record.policy_below)
    policies = (rank(record.policy), rank(record.policy_below), rank(missing))
    return (
        *policies,
        tags.get("adkim") == "s",
        tags.get("aspf") == "s",
        int(tags.get("pct", 100)),
        tags.get("t") != "y",
    )


@given(st.lists(OWN_TAGS, min_size=2, max_size=3))
def test_a_merged_record_is_not_stricter_than_any_original(several: list[dict[str, str]]) -> None:
    lines = ["; ".join(("v=DMARC1", *(f"{name}={value}" for name, value in tags.items()))) for tags in several]
    offered = offered_for(*lines)
    assert dmarc_core.parse(offered).problems == ()
    for line in lines:
        assert all(one <= other for one, other in zip(strictness(offered), strictness(line), strict=True))


def test_stored_policies_are_read_back() -> None:
    policies = PublishedPolicies(
        spf={"a.example": ("v=spf1 -all",)},
        inside={"b.example": ()},
        absent=frozenset({("c.example", "A")}),
        dmarc={"_dmarc.a.example": ("v=DMARC1; p=none",)},
        is_there=False,
    )
    assert PublishedPolicies.of_json(policies.as_json()) == policies


DMARC = st.sampled_from(
    [
        *("v=DMARC1; p=none", "v=DMARC1; p=quarantine", "v=DMARC1; p=reject", "v=DMARC1; p=reject; sp=none"),
        *("v=DMARC1; p=none; sp=reject; np=quarantine", "v=DMARC1; p=reject; psd=n", "v=DMARC1; p=quarantine; psd=y"),
        *("v=dmarc1; p=reject", "v=DMARC1; p=rejct", "v=DMARC1; rua=mailto:x@example.net", "v=DMARC1; p=none; t=y"),
        *("v=DMARC1; p=quarantine; adkim=s; aspf=s", "v=DMARC1; pct=10; p=reject"),
    ]
)
NAMES = ("a.shop.example.co.uk", "shop.example.co.uk", "example.co.uk", "co.uk", "uk")
WHOLE = st.fixed_dictionaries({f"_dmarc.{name}": st.none() | st.lists(DMARC, max_size=2) for name in NAMES})


def rank(policy: str) -> int:
    return dmarc_core.POLICIES.index(policy)


@given(WHOLE, st.booleans(), st.sampled_from(["", "us@example.com"]))
def test_an_offered_dmarc_record_is_valid_and_not_weaker(
    lines: dict[str, list[str] | None], is_there: bool, reports_to: str
) -> None:
    policies = PublishedPolicies(
        dmarc={name: tuple(some) for name, some in lines.items() if some is not None}, is_there=is_there
    )
    offer = core.offered_dmarc(SHOP, reports_to, policies)
    assert bool(offer.value) != bool(offer.withheld)
    if not offer.value:
        return
    record = dmarc_core.parse(offer.value)
    assert (record.problems, record.is_used) == ((), True)
    before = core.applied_policy(SHOP, policies)
    assert rank(record.policy) >= (rank(before.policy) if before else 0)
    assert not reports_to or reports_to in record.reports
    own = [dmarc_core.parse(line) for line in lines[f"_dmarc.{SHOP.ascii}"] or ()]
    for tag in ("adkim", "aspf"):
        wanted = {one.tags.get(tag, "r") for one in (*own, *((dmarc_core.parse(before.text),) if before else ()))}
        assert not wanted or record.tags.get(tag, "r") in wanted
        if before and dmarc_core.parse(before.text).tags.get(tag) == "s":
            assert record.tags.get(tag) == "s"


def test_a_mistyped_own_spf_record_at_the_mail_from_name_is_replaced() -> None:
    name = f"bounce.{SHOP.ascii}"
    for text in ("v=spf1 inclde:amazonses.com ~all", "v=spf1 include:amazonses.com~all"):
        offer = core.offered_spf(name, replace(NOTHING_KNOWN, spf={name: (text,)}), is_apex=False)
        assert grammar.parse(offer.value).terms[0].text == "include:amazonses.com"


def apex_offer(text: str) -> core.PolicyOffer:
    return core.offered_spf(SHOP.ascii, replace(NOTHING_KNOWN, spf={SHOP.ascii: (text,)}), is_apex=True)


def test_our_own_spf_record_with_a_broken_end_is_offered_whole_at_the_domain_itself_too() -> None:
    broken = ("v=spf1 include:amazonses.com ~al", "v=spf1 include:amazonses.com ~", "v=spf1 include:amazonses.com~all")
    assert {apex_offer(text).value for text in broken} == {"v=spf1 include:amazonses.com ~all"}


@pytest.mark.parametrize("text", ["v=spf1 a include:amazonses.com ~al", "v=spf1 m include:amazonses.com ~all"])
def test_a_broken_spf_record_that_may_name_another_sender_is_not_replaced(text: str) -> None:
    offer = apex_offer(text)
    assert offer.value == ""
    assert "Correct it first" in offer.withheld
