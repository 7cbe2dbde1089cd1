"""The pure parts of the diagnosis: search places, marked differences, cache expiry and hostile answers."""

import inspect
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from string import Formatter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domains.checking.core import sentences
from domains.diagnosis.core import causes, findings, observations, policies, words
from domains.diagnosis.core.chain import diagnose
from domains.diagnosis.core.codes import CODES
from domains.diagnosis.core.findings import LANES, LINKS, LinkState, Severity, as_json, as_reply
from domains.diagnosis.core.observations import Observations, SesView
from domains.dns.core import Answer, LookupStatus, Question, question_for
from domains.names.core import LONGEST_NAME, DomainName
from domains.records.core import records_for
from domains.spf.core import evaluation, merger
from domains.spf.core.evaluation import SpfNames
from tests.domains.dns_host import CONFIRMED, DKIM, NOW, all_found, facts_of

FACTS = facts_of("mail.example.co.uk", wants_apex_spf=True)
RECORDS = records_for(FACTS)
SOA = Question("example.co.uk", "SOA")
SERIAL_7 = ("ns1.host.example. hostmaster.example.co.uk. 7 3600 600 604800 60",)


def answered(answers: Mapping[str, tuple[str, ...]], *, ttl: int = 300, resolver: str = "ns1") -> Observations:
    """Return one server's answers: these values for the records of these keys, all others absent."""
    host = [
        Answer(
            question_for(r),
            resolver,
            LookupStatus.FOUND if r.key in answers else LookupStatus.NO_NAME,
            answers.get(r.key, ()),
            ttl,
        )
        for r in RECORDS
    ]
    soa = Answer(SOA, resolver, LookupStatus.FOUND, SERIAL_7, 3600, authoritative=True)
    return Observations(
        zone="example.co.uk",
        records=RECORDS,
        servers=(resolver,),
        soas=(soa,),
        public_soas=(Answer(SOA, "192.0.2.53", LookupStatus.FOUND, SERIAL_7, 3600),),
        host=tuple(host),
    )


def test_every_code_has_a_known_link_and_a_catalogue_number_or_none() -> None:
    assert {code.link for code in CODES.values()} <= set(LINKS)
    assert [code.code for code in CODES.values() if not re.fullmatch(r"(M\d\d)?", code.mistake)] == []


def test_a_text_has_only_placeholders_that_are_filled_in() -> None:
    texts = [(code.code, text) for code in CODES.values() for text in (code.verdict, *code.steps, code.why, code.then)]
    named = {
        (code, name) for code, text in texts for _, name, _, _ in Formatter().parse(text or "") if name is not None
    }
    source = "".join(map(inspect.getsource, (words, causes, policies)))
    assert [(code, name) for code, name in sorted(named) if f'"{name}"' not in source] == []


def test_every_code_is_in_the_documentation() -> None:
    page = (Path(__file__).parents[3] / "docs" / "diagnosis.md").read_text(encoding="utf-8")
    assert [code for code in CODES if f"| `{code}` | {CODES[code].title}. |" not in page] == []


def test_the_diagnosis_knows_every_code_of_the_check() -> None:
    assert sentences.CODES - set(CODES) - {"", "dns.not_checked", "dns.rival.mx_behind", "dns.dmarc.inherited"} == set()


@pytest.mark.parametrize("name", ["example.com", "mail.example.co.uk", f"{'a' * 60}.{'b' * 60}.{'c' * 50}.com"])
def test_the_wrong_place_search_asks_at_most_twelve_valid_questions(name: str) -> None:
    for record in records_for(facts_of(name, wants_apex_spf=True)):
        found = observations.probes(record, DomainName.from_stored(name))
        assert 0 < len(found) <= 12
        assert len({probe.question for probe in found}) == len(found)
        assert question_for(record) not in {probe.question for probe in found}
        assert all(len(probe.question.name) <= LONGEST_NAME for probe in found)


def test_the_likeliest_place_of_each_record_is_searched_first() -> None:
    searched = [observations.probes(record, FACTS.domain) for record in RECORDS]
    first = observations.interleave(searched)[: len(searched)]
    assert {probe.place for probe in first} == {observations.ProbePlace.DOUBLED}


def test_the_differing_letter_is_marked() -> None:
    ours, theirs = findings.bracketed("feedback-smtp.us-east-1.amazonses.com", "eedback-smtp.us-east-1.amazonses.com")
    assert (ours, theirs) == ("[f]eedback-smtp.us-east-1.amazonses.com", "eedback-smtp.us-east-1.amazonses.com")
    assert findings.bracketed("abcd", "abxd") == ("ab[c]d", "ab[x]d")


def test_a_differing_region_is_marked_as_a_whole() -> None:
    expected, found = (f"10 feedback-smtp.{region}.amazonses.com" for region in ("eu-west-1", "us-east-1"))
    assert findings.bracketed(expected, found) == (
        "10 feedback-smtp.[eu-west-1].amazonses.com",
        "10 feedback-smtp.[us-east-1].amazonses.com",
    )
    assert findings.bracketed("a.us-east-1.b", "a.us-east-2.b") == ("a.[us-east-1].b", "a.[us-east-2].b")


def test_hosts_that_share_only_an_ending_are_not_marked() -> None:
    assert findings.mark_if_similar("10 inbound-smtp.eu-west-1.amazonaws.com", "1 aspmx.l.google.com") is None


@given(st.text(max_size=400), st.text(max_size=400))
def test_marked_values_join_to_the_original_values(expected: str, found: str) -> None:
    ours, theirs = findings.mark(expected, found)
    assert "".join(piece for piece, _ in ours) == expected[:300]
    assert "".join(piece for piece, _ in theirs) == found[:300]
    assert [piece for piece, differs in ours if not differs] == [piece for piece, differs in theirs if not differs]


@given(st.text())
def test_cleaned_text_is_printable_and_short(hostile: str) -> None:
    shown = findings.clean_text(hostile)
    assert len(shown) <= findings.LONGEST
    assert all(char.isprintable() for char in shown)


def test_invisible_characters_are_escaped() -> None:
    assert findings.clean_text("a\u200bb\x1b[31m\u202e") == "a\\u200bb\\u001b[31m\\u202e"
    assert findings.clean_values(tuple("abcdefghijkl"))[-1] == "… and 4 more"


@pytest.mark.parametrize(
    ("ttls", "otherwise", "minutes"),
    [((300, 60), None, 5), ((None,), 120, 2), ((None,), None, 60), ((10**9,), 60, 10_080)],
)
def test_caches_expire_after_the_longest_ttl(ttls: tuple[int | None, ...], otherwise: int | None, minutes: int) -> None:
    answers = [Answer(SOA, str(at), LookupStatus.NO_NAME, ttl=ttl) for at, ttl in enumerate(ttls)]
    assert words.cache_expiry(answers, NOW, otherwise=otherwise) == NOW + timedelta(minutes=minutes)


def test_a_failed_lookup_is_in_no_cache() -> None:
    assert words.cache_expiry([Answer(SOA, "a", LookupStatus.FAILED, ttl=300)], NOW) is None


def test_a_time_is_rounded_up_and_names_another_day() -> None:
    late = datetime(2026, 11, 24, 23, 59, 1, tzinfo=UTC)
    assert words.format_time(late, NOW) == "00:00 UTC on 25 November"
    assert words.format_time(NOW + timedelta(minutes=100), NOW) == "15:40 UTC"


def test_two_spf_records_merge_into_one_with_all_senders() -> None:
    lines = ("v=spf1 include:_spf.google.com -all", "v=spf1 mx include:_spf.google.com ~all")
    line = merger.merge_records(lines, all_found(*lines))
    assert line.value == "v=spf1 include:_spf.google.com mx include:amazonses.com ~all"
    assert line.lookups == 3


def test_an_spf_record_that_allows_all_senders_is_not_merged() -> None:
    merged = merger.merge_records(("v=spf1 +all", "v=spf1 a"))
    assert merged.value == ""
    assert "lets anyone send" in merged.withheld


def test_spf_lookups_include_nested_ones_and_a_loop_ends() -> None:
    counted = evaluation.count_lookups(
        "v=spf1 include:a.example mx -all", SpfNames({"a.example": ("v=spf1 a mx -all",)})
    )
    assert (counted.total, counted.by_term) == (4, (("include:a.example", 3), ("mx", 1)))
    circle = SpfNames({"a.example": ("v=spf1 include:a.example",)})
    assert evaluation.count_lookups("v=spf1 include:a.example", circle).total == 11


def test_records_correct_at_the_host_but_unseen_by_resolvers_are_unknown() -> None:
    values = {r.key: (r.value if r.priority is None else f"{r.priority} {r.value}",) for r in RECORDS}
    found = diagnose(FACTS, answered(values), CONFIRMED, NOW)
    assert not found.is_right
    assert {finding.code for finding in found.findings} == {"dns.lookup_failed"}
    assert found.finding is not None
    assert found.finding.severity is Severity.UNKNOWN


def test_links_are_ok_up_to_the_first_break_and_not_reached_after_it() -> None:
    found = diagnose(FACTS, answered({}), CONFIRMED, NOW)
    states = [link.state for link in found.links]
    assert [link.key for link in found.links] == list(LINKS)
    assert states == [LinkState.OK] * 4 + [LinkState.BROKEN] + [LinkState.NOT_REACHED] * 5
    assert [lane.key for lane in found.lanes] == list(LANES)


def test_recommended_records_come_last_as_notes() -> None:
    found = diagnose(FACTS, answered({}), CONFIRMED, NOW)
    optional = [finding for finding in found.findings if finding.record_key in ("apex-spf", "dmarc")]
    assert found.findings[-len(optional) :] == tuple(optional)
    assert {finding.severity for finding in optional} == {Severity.NOTE}


def test_a_finding_says_when_caches_expire() -> None:
    found = diagnose(FACTS, answered({"dkim-1": ("old.example.net",)}, ttl=6000), CONFIRMED, NOW)
    wrong = next(finding for finding in found.findings if finding.record_key == "dkim-1")
    assert wrong.then == "We'll check again within minutes. Old answers expire by 15:40 UTC."


def test_the_name_to_enter_is_relative_to_the_zone() -> None:
    found = diagnose(FACTS, answered({}), CONFIRMED, NOW)
    first = next(finding for finding in found.findings if finding.record_key == "dkim-1")
    assert first.data_value("name") == f"{DKIM[0]}._domainkey.mail"
    assert first.data_value("nothing") == ""


def test_hostile_answers_are_cleaned_and_shortened() -> None:
    hostile = "<script>\u202e\x00" + "x" * 20_000
    found = diagnose(FACTS, answered({r.key: (hostile,) * 30 for r in RECORDS if r.type == "TXT"}), CONFIRMED, NOW)
    text = str(as_json(found))
    assert "\u202e" not in text
    assert "\x00" not in text
    assert all(len(value) <= findings.LONGEST for finding in found.findings for value in finding.found)


def test_an_ses_failure_is_no_finding_while_records_are_wrong() -> None:
    found = diagnose(FACTS, answered({}), SesView(problem="Amazon did not answer."), NOW)
    assert not any(finding.code.startswith("amazon.") for finding in found.findings)
    assert found.lanes[2].state is LinkState.UNKNOWN
    assert found.lanes[2].lines == ("Amazon did not answer.",)


def test_the_support_reply_is_plain_text_with_the_first_break_in_full() -> None:
    found = diagnose(FACTS, answered({}), CONFIRMED, NOW)
    reply = as_reply(found)
    assert found.finding is not None
    assert reply.startswith("mail.example.co.uk\n\n" + found.finding.verdict)
    assert found.finding.code not in reply
    assert all(finding.verdict in reply for finding in found.further)


def test_the_reply_shows_the_missing_letter() -> None:
    found = diagnose(FACTS, answered({"mail-from-mx": ("10 eedback-smtp.us-east-1.amazonses.com",)}), CONFIRMED, NOW)
    first = next(finding for finding in found.findings if finding.record_key == "mail-from-mx")
    assert first.code == "dns.value.typo"
    assert "instead of 10 [f]eedback-smtp" in first.difference


@pytest.mark.parametrize(
    ("server", "expected"),
    [
        ("1 aspmx.l.google.com", "receives its mail at Google Workspace (priority 1), not here"),
        ("0 example-com.mail.protection.outlook.com", "receives its mail at Microsoft 365 (priority 0), not here"),
        ("5 mx.notgoogle.com", "receives its mail at mx.notgoogle.com (priority 5), not here"),
    ],
)
def test_the_current_mail_host_is_named_before_any_removal(server: str, expected: str) -> None:
    ours = f"10 {next(record.value for record in RECORDS if record.key == 'inbound-mx')}"
    found = diagnose(FACTS, answered({"inbound-mx": (server, ours)}), CONFIRMED, NOW)
    rival = next(finding for finding in found.findings if finding.record_key == "inbound-mx")
    assert expected in rival.verdict
    assert rival.steps[0].startswith("If you use those mailboxes, keep the MX record")
    assert rival.blocks == ("receiving",)


def test_json_contains_titles_numbers_and_codes() -> None:
    report = as_json(diagnose(FACTS, answered({}), CONFIRMED, NOW))
    assert report["finding"]["title"] == "Record not found"
    assert [record["finding"] for record in report["records"]] == ["dns.absent"] * len(RECORDS)
    assert report["serials"] == {"ns1": "7"}


@pytest.mark.parametrize(("error", "is_broken"), [("the resolver answered SERVFAIL", True), ("no answer", False)])
def test_dnssec_is_broken_only_if_a_resolver_refused_the_answer(error: str, is_broken: bool) -> None:
    lost = Answer(SOA, "192.0.2.53", LookupStatus.FAILED, error=error)
    heard = Answer(SOA, "192.0.2.53", LookupStatus.FOUND, SERIAL_7, 3600)
    seen = replace(answered({}), public_soas=(lost,), unchecked=(heard,))
    codes = {finding.code for finding in diagnose(FACTS, seen, CONFIRMED, NOW).findings}
    assert ("dns.dnssec.broken" in codes) is is_broken
