"""DMARC: its grammar, the policy that applies, and the repair of a broken record."""

import checkdmarc.dmarc as second_opinion
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domains.dmarc import core

SOUND = (
    "v=DMARC1; p=none",
    "v=DMARC1;p=reject;",
    "v = DMARC1 ; p = quarantine ; sp=none",
    "v=DMARC1; p=none; rua=mailto:a@example.com, mailto:b@example.net!10m",
    "v=DMARC1; p=REJECT; adkim=s; aspf=r; fo=1:d; pct=50; x=unknown",
    "v=DMARC1; p=none; np=reject; psd=n; t=y",
)
BROKEN = (
    ("v=dmarc1; p=none", "v=dmarc1", "with exactly this capitalisation", False),
    (" v=DMARC1; p=none", " ", "must start with", False),
    ("v=DMARC1\\; p=none", "v=DMARC1\\", "backslash", False),
    ("p=none; v=DMARC1", " v=DMARC1", "must be the first tag", False),
    ("v=DMARC1 p=none", "v=DMARC1 p=none", "semicolon must follow", False),
    ("DMARC1; p=none", "DMARC1", "must start with", False),
    ("v=DMARC1", "v=DMARC1", "has no policy", False),
    ("v=DMARC1; p=rejct", "p=rejct", "is not a value for “p”", False),
    ("v=DMARC1; rua=mailto:a@example.com; p=none", "p=none", "must follow", True),
    ("v=DMARC1; p=none; rua=a@example.com", "rua=a@example.com", "must begin with “mailto:”", True),
    ("v=DMARC1; p=none; rua=", "rua=", "empty address", True),
    ("v=DMARC1; p=none\\; rua=mailto:a@example.com", "p=none\\", "backslash", True),
    ("v=DMARC1; p=none; sp=all", "sp=all", "is not a value for “sp”", True),
    ("v=DMARC1; p=none; p=reject", "p=reject", "can appear only once", True),
    ("v=DMARC1; p=none; pct=200", "pct=200", "from 0 to 100", True),
    ("v=DMARC1; p=none; reject", "reject", "is not a tag", True),
)


@pytest.mark.parametrize("text", SOUND)
def test_a_valid_record_has_no_problem_and_keeps_its_policy_in_the_repair(text: str) -> None:
    record = core.parse(text)
    assert (record.problems, record.is_used) == ((), True)
    assert core.parse(core.repair(text)).policy == record.policy


@pytest.mark.parametrize(("text", "place", "why", "is_used"), BROKEN)
def test_a_broken_record_has_the_place_and_the_reason(text: str, place: str, why: str, is_used: bool) -> None:
    record = core.parse(text)
    problem = record.problems[0]
    assert text[problem.start : problem.end] == place
    assert why in problem.reason
    assert record.is_used is is_used
    assert core.is_dmarc(text) or core.resembles_dmarc(text)


# checkdmarc only warns about a late policy, and accepts any case and quotes around the version.
LENIENT = (
    *("v=DMARC1; rua=mailto:a@example.com; p=none", "v=dmarc1; p=none", " v=DMARC1; p=none"),
    *("v=DMARC1", "v=DMARC1; p=none; pct=200"),
)


@pytest.mark.parametrize("text", [*SOUND, *(text for text, *_ in BROKEN if text not in LENIENT)])
def test_checkdmarc_agrees_on_validity(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(second_opinion, "get_mx_records", lambda *args, **kwargs: [{"hostname": "mx.example"}])
    monkeypatch.setattr(second_opinion, "check_wildcard_dmarc_report_authorization", lambda *args, **kwargs: True)
    monkeypatch.setattr(second_opinion, "verify_dmarc_report_destination", lambda *args, **kwargs: None)
    try:
        second_opinion.parse_dmarc_record(text, "example.com")
        is_sound = True
    except second_opinion.DMARCError:
        is_sound = False
    assert is_sound == (not core.parse(text).problems)


@pytest.mark.parametrize("text", ["v=spf1 -all", "DMARC is explained elsewhere", "dmarcian-verification=1", ""])
def test_unrelated_text_does_not_resemble_dmarc(text: str) -> None:
    assert not core.resembles_dmarc(text)


def test_reports_go_elsewhere_if_the_organisation_differs() -> None:
    lines = ["v=DMARC1; p=none; rua=mailto:a@mail.example.co.uk,mailto:b@vendor.example.net"]
    assert core.reports_elsewhere(lines, "shop.example.co.uk") == ("b@vendor.example.net",)
    assert core.consent_name("example.co.uk", "b@vendor.net") == "example.co.uk._report._dmarc.vendor.net"


@pytest.mark.parametrize(
    ("own", "above", "policy", "at"),
    [
        (["v=DMARC1; p=none"], [("_dmarc.b", ["v=DMARC1; p=reject"])], "none", ""),
        ([], [("_dmarc.b", ["v=DMARC1; p=reject"])], "reject", "_dmarc.b"),
        ([], [("_dmarc.b", ["v=DMARC1; p=reject; sp=none"])], "none", "_dmarc.b"),
        ([], [("_dmarc.a.b", ["v=DMARC1; p=none"]), ("_dmarc.b", ["v=DMARC1; p=reject"])], "reject", "_dmarc.b"),
        ([], [("_dmarc.a.b", ["v=DMARC1; p=none; psd=n"]), ("_dmarc.b", ["v=DMARC1; p=reject"])], "none", "_dmarc.a.b"),
        (["v=dmarc1; p=none"], [("_dmarc.b", ["v=DMARC1; p=reject"])], "reject", "_dmarc.b"),
        (["v=DMARC1; p=none", "v=DMARC1; p=reject"], [("_dmarc.b", ["v=DMARC1; p=reject"])], "reject", "_dmarc.b"),
    ],
)
def test_the_own_policy_applies_before_the_parents(
    own: list[str], above: list[tuple[str, list[str] | None]], policy: str, at: str
) -> None:
    found = core.find_policy(own, above)
    assert found is not None
    assert (found.policy, found.name) == (policy, at)


def test_no_record_means_no_policy_and_a_failed_lookup_raises() -> None:
    assert core.find_policy([], [("_dmarc.b", [])]) is None
    with pytest.raises(ValueError, match="failed"):
        core.find_policy([], [("_dmarc.b", None)])
    with pytest.raises(ValueError, match="failed"):
        core.find_policy(None, [])


PARTS = st.sampled_from(
    [
        *("v=DMARC1", "v=dmarc1", "p=none", "p=reject", "p=rejct", "sp=quarantine", "sp=x", "rua=a@x.net", ""),
        *("rua=mailto:a@x.net", "pct=10", "junk", "np=reject", "p=none\\", " v=DMARC1", "fo=1", "fo=9"),
    ]
)


@given(st.lists(PARTS, min_size=1, max_size=6), st.sampled_from(core.POLICIES))
def test_a_repaired_record_is_valid_and_not_weaker(parts: list[str], above: str) -> None:
    text = "; ".join(parts)
    before = core.find_policy([text], [("_dmarc.b", [f"v=DMARC1; p={above}"])])
    offered = core.parse(core.repair(text, "us@example.com", core.AppliedPolicy(above, "b", f"v=DMARC1; p={above}")))
    assert before is not None
    assert (offered.problems, offered.is_used) == ((), True)
    assert not core.is_weaker(offered.policy, before.policy)
    assert "us@example.com" in offered.reports
    assert set(core.parse(text).reports) <= set(offered.reports)
