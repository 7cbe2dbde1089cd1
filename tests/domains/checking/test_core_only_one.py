"""Of several records where one is allowed, each sentence says which one stays: the page and the diagnosis alike."""

from dataclasses import replace

import pytest

from domains.checking.core.sentences import describe, one_spf
from domains.spf.core.merger import line_to_keep
from tests.domains.checking.judged_records import RECORDS
from tests.domains.diagnosis.test_two_mistakes import DOMAIN, FEEDBACK, diagnosis_in
from tests.domains.diagnosis.worlds import world_of
from tests.domains.dns_host import facts_of

SES = "v=spf1 include:amazonses.com ~all"
OTHER = "v=spf1 include:_spf.example.net -all"
BOTH = "v=spf1 include:_spf.example.net include:amazonses.com ~all"


@pytest.mark.parametrize(
    ("lines", "merged", "kept"),
    [
        ((OTHER, BOTH), BOTH, BOTH),
        ((OTHER, SES), BOTH, SES),
        ((SES, "v=spf1 mx -all"), "v=spf1 mx include:amazonses.com ?all", SES),
        (("v=spf1 include:amazonses.com ~al", OTHER), "", OTHER),
    ],
)
def test_the_spf_record_that_needs_least_change_stays(lines: tuple[str, ...], merged: str, kept: str) -> None:
    assert line_to_keep(lines, merged) == kept
    assert line_to_keep(lines[::-1], merged) == kept


def test_the_page_names_the_spf_record_that_stays_and_the_one_to_delete() -> None:
    record = replace(RECORDS["mail-from-spf"], value=BOTH)
    said = describe("dns.rival.spf", record, (OTHER, SES))
    assert "There are two SPF records" in said
    assert said.endswith(f"Change “{SES}” to the value shown. Then delete the other: “{OTHER}”.")
    assert describe("dns.rival.spf", record, (OTHER, BOTH)).endswith(
        f"Keep “{BOTH}” unchanged and delete the other: “{OTHER}”."
    )
    assert "There are 3 SPF records" in describe("dns.rival.spf", record, (OTHER, SES, "v=spf1 mx -all"))


def test_without_a_merged_value_the_reason_comes_first_and_no_value_is_referred_to() -> None:
    record = replace(
        RECORDS["apex-spf"], value="", withheld="Remove or correct “include:x.example”. It has no SPF record."
    )
    said = describe("dns.rival.spf", record, ("v=spf1 include:x.example mx ~all", SES))
    assert "Remove or correct “include:x.example”." in said
    assert f"“{SES}” stays with it, without the other: “v=spf1 include:x.example mx ~all”." in said
    assert "shown" not in said


def test_the_diagnosis_gives_the_same_steps_with_the_merged_value() -> None:
    [finding] = diagnosis_in(world_of(facts_of(DOMAIN), mail_from_spf=(SES, "v=spf1 mx ~all"))).findings
    merged = finding.data_value("merged")
    record = replace(RECORDS["mail-from-spf"], value=merged)
    steps = one_spf(record, finding.found, f"this value: {merged}")
    assert finding.steps == tuple(step.removesuffix(".") for step in steps)
    assert merged in finding.steps[0]
    assert len(finding.steps) == 2


@pytest.mark.parametrize(
    "values",
    [
        (f"10 {FEEDBACK}", f"20 {FEEDBACK}"),
        (f"10 {FEEDBACK}", "10 mx.example.net"),
        (f"5 {FEEDBACK}", f"20 {FEEDBACK}"),
    ],
)
def test_the_page_and_the_diagnosis_keep_the_same_mail_from_mx(values: tuple[str, ...]) -> None:
    world = world_of(facts_of(DOMAIN), mail_from_mx=values)
    [finding] = diagnosis_in(world).findings
    record = next(each for each in world.records if each.key == "mail-from-mx")
    said = describe("dns.rival.mail_from_mx", record, values)
    assert f" {finding.steps[0]}." in said
    assert said.endswith("Or choose another MAIL FROM domain.") == ("mx.example.net" in values[1])


@pytest.mark.parametrize(
    ("code", "key", "found"),
    [
        ("dns.alias.dangling", "mail-from-mx", ("pages.example.net",)),
        ("dns.rival.cname", "identity", ("pages.example.net",)),
        ("dns.value.differs", "dkim-1", ("pages.example.net",)),
        ("dns.rival.mail_from_mx", "mail-from-mx", ("10 mx.example.net",)),
    ],
)
def test_a_wildcard_record_is_never_to_be_removed(code: str, key: str, found: tuple[str, ...]) -> None:
    said = describe(code, RECORDS[key], found)
    assert said.endswith("If it comes from a wildcard record (*), add our record; it overrides the wildcard.")


@pytest.mark.parametrize(
    ("code", "key", "found"),
    [
        ("dns.value.differs", "identity", ("other",)),
        ("dns.rival.mail_from_mx", "mail-from-mx", (f"10 {RECORDS['mail-from-mx'].value}", "10 mx.example.net")),
    ],
)
def test_no_wildcard_is_named_where_none_can_be(code: str, key: str, found: tuple[str, ...]) -> None:
    assert "wildcard" not in describe(code, RECORDS[key], found)
