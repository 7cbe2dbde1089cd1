"""The DMARC policy that applies, and that no value is offered that is weaker than what applies."""

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
        # of a name between, neither rule takes it where the organization has a record
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


def test_a_name_that_does_not_exist_yet_has_the_stricter_of_sp_and_np() -> None:
    lines = {"example.co.uk": "v=DMARC1; p=none; sp=none; np=reject"}
    assert policy_of(published(lines)) == ("none", "example.co.uk")
    assert policy_of(published(lines, is_there=False)) == ("reject", "example.co.uk")


def test_at_most_eight_names_are_asked_however_long_the_name_is() -> None:
    names = core.names_above(DomainName.from_stored("a.b.c.d.e.f.g.h.i.j.example.com"))
    assert len(names) <= 8
    assert names[-1] == "com"
    assert "example.com" in names


@pytest.mark.parametrize("gone", ["_dmarc.example.co.uk", "_dmarc.uk"])
def test_where_the_policy_could_not_be_told_none_is_offered(gone: str) -> None:
    known = published({})
    unsure = replace(known, dmarc={name: lines for name, lines in known.dmarc.items() if name != gone})
    offer = core.offered_dmarc(SHOP, "", unsure)
    assert offer.value == ""
    assert "can't suggest a record that keeps it" in offer.withheld


def test_before_anybody_looked_nothing_is_offered_that_could_replace_something() -> None:
    assert core.offered_dmarc(SHOP, "", NOTHING_KNOWN).value == ""
    assert core.offered_spf(SHOP.ascii, NOTHING_KNOWN, is_apex=True).value == ""


def test_a_record_of_ones_own_keeps_the_policy_alignment_and_reports_of_the_one_above() -> None:
    above = published(
        {"example.co.uk": "v=DMARC1; p=reject; sp=quarantine; adkim=s; rua=mailto:all@example.co.uk; np=none"}
    )
    offer = core.offered_dmarc(SHOP, "me@example.net", above)
    assert offer.value == "v=DMARC1; p=quarantine; adkim=s; rua=mailto:all@example.co.uk,mailto:me@example.net"


def test_two_records_become_one_that_is_as_strict_as_the_stricter() -> None:
    known = published({})
    both = replace(known, dmarc={**known.dmarc, f"_dmarc.{SHOP.ascii}": ("v=DMARC1; p=none", "v=DMARC1; p=reject")})
    assert core.offered_dmarc(SHOP, "", both).value == "v=DMARC1; p=reject"


def test_what_was_published_survives_its_storage() -> None:
    told = PublishedPolicies(
        spf={"a.example": ("v=spf1 -all",)},
        inside={"b.example": ()},
        absent=frozenset({("c.example", "A")}),
        dmarc={"_dmarc.a.example": ("v=DMARC1; p=none",)},
        is_there=False,
    )
    assert PublishedPolicies.of_json(told.as_json()) == told


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
def test_a_dmarc_record_that_is_offered_is_sound_and_never_weaker_than_what_applies(
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


def test_our_own_record_mistyped_at_the_mail_from_name_is_replaced_by_ours() -> None:
    name = f"bounce.{SHOP.ascii}"
    for text in ("v=spf1 inclde:amazonses.com ~all", "v=spf1 include:amazonses.com~all"):
        offer = core.offered_spf(name, replace(NOTHING_KNOWN, spf={name: (text,)}), is_apex=False)
        assert grammar.parse(offer.value).terms[0].text == "include:amazonses.com"
