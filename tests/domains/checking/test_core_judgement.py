"""From DNS answers to states of records. A failed lookup never makes a record absent."""

import re
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domains.checking.core import comparison, judgement, nearness, sentences
from domains.checking.core.judgement import (
    Judgement,
    State,
    judge,
)
from domains.dns.core import Answer, LookupStatus, Question, further_questions, question_for
from domains.wildcards import core as wildcards_core
from tests.domains.checking.judged_records import BEFORE, DOMAIN, NOW, RECORDS, TOKEN

OURS = "10 inbound-smtp.eu-west-1.amazonaws.com"
BOUNCES = "10 feedback-smtp.eu-west-1.amazonses.com"
SPF = "v=spf1 include:amazonses.com ~all"
DKIM = "one32charactertokenlikeamazons1.dkim.amazonses.com"


def found(key: str, *values: str, resolver: str = "a") -> Answer:
    return Answer(question_for(RECORDS[key]), resolver, LookupStatus.FOUND, values, 300)


def absent(key: str, resolver: str = "a", status: LookupStatus = LookupStatus.NO_NAME) -> Answer:
    return Answer(question_for(RECORDS[key]), resolver, status)


def failed(key: str, resolver: str = "a") -> Answer:
    return Answer(question_for(RECORDS[key]), resolver, LookupStatus.FAILED, error="SERVFAIL")


def judged(key: str, *answers: Answer, before: datetime | None = None, further: tuple[Answer, ...] = ()) -> Judgement:
    return judge(RECORDS[key], answers, verified_before=before, now=NOW, further=further)


def elsewhere(
    name: str, kind: str, *values: str, status: LookupStatus = LookupStatus.FOUND, resolver: str = "a"
) -> Answer:
    return Answer(Question(name, kind), resolver, status, values)


@pytest.mark.parametrize(
    ("key", "values", "state", "code"),
    [
        ("identity", (TOKEN,), State.VERIFIED, ""),
        ("identity", ("B" * 43 + "=", TOKEN), State.VERIFIED, ""),
        ("identity", (TOKEN.lower(),), State.WRONG, "dns.value.case"),
        ("identity", (f'"{TOKEN}"',), State.WRONG, "dns.value.quoted"),
        ("identity", (f"“{TOKEN}”",), State.WRONG, "dns.value.quoted"),
        ("identity", (f'\\"{TOKEN}\\"',), State.WRONG, "dns.value.quoted"),
        ("identity", (f"{TOKEN[:9]} {TOKEN[9:]}",), State.WRONG, "dns.value.spaces"),
        ("identity", (f"\u200b{TOKEN}",), State.WRONG, "dns.value.spaces"),
        ("identity", (f"{TOKEN}.example.com",), State.WRONG, "dns.value.zone_appended"),
        ("identity", (f"amazonses:{TOKEN}",), State.WRONG, "dns.value.prefixed"),
        ("identity", (f"_amazonses={TOKEN}",), State.WRONG, "dns.value.name_inside"),
        ("identity", (f"_amazonses.shop.com: {TOKEN}",), State.WRONG, "dns.value.name_inside"),
        ("identity", (f"_amazonses={TOKEN[:20]}",), State.WRONG, "dns.value.differs"),
        ("identity", (TOKEN[:30],), State.WRONG, "dns.value.cut"),
        ("identity", (TOKEN[:20] + TOKEN[22:],), State.WRONG, "dns.value.typo"),
        ("identity", ("B" * 43 + "=",), State.WAITING, "dns.value.other_token"),
        ("identity", ("hello",), State.WRONG, "dns.value.differs"),
        ("dkim-1", (DKIM,), State.VERIFIED, ""),
        ("dkim-1", (DKIM.upper() + ".",), State.VERIFIED, ""),
        ("dkim-1", (DKIM + ".example.com",), State.WRONG, "dns.value.zone_appended"),
        ("dkim-1", (DKIM[1:],), State.WRONG, "dns.value.typo"),
        ("dkim-1", (DKIM.replace(".dkim.", ".dkim.eu-south-1."),), State.WRONG, "dns.value.other_region"),
        ("dkim-1", ("anotherkeyofsomebodyelse.dkim.amazonses.com",), State.WRONG, "dns.value.old_key"),
        ("dkim-1", ("www.example.com",), State.WRONG, "dns.value.differs"),
        ("inbound-mx", (OURS,), State.VERIFIED, ""),
        ("inbound-mx", ("5 INBOUND-SMTP.eu-west-1.amazonaws.com.",), State.VERIFIED, ""),
        ("inbound-mx", (OURS, "20 mail.example.com"), State.VERIFIED, "dns.rival.mx_behind"),
        ("inbound-mx", (OURS, "10 mail.example.com"), State.WRONG, "dns.rival.mx_shared"),
        ("inbound-mx", (OURS, "0 ."), State.WRONG, "dns.rival.null_mx_beside"),
        ("inbound-mx", ("10 email-smtp.eu-west-1.amazonaws.com",), State.WRONG, "dns.value.amazon_other_host"),
        ("inbound-mx", ("10 localhost",), State.WRONG, "dns.value.impossible_host"),
        ("inbound-mx", ("0 shop.example.com",), State.WAITING, "dns.rival.mx"),
        ("mail-from-mx", ("10 bounce.shop.example.com",), State.WRONG, "dns.value.impossible_host"),
        ("mail-from-mx", ("10 feedback-smtp.amazonses.com",), State.WRONG, "dns.value.typo"),
        ("identity", (f" {TOKEN}",), State.WRONG, "dns.value.spaces"),
        ("inbound-mx", ("1 aspmx.l.google.com", OURS), State.WAITING, "dns.rival.mx"),
        ("inbound-mx", ("1 aspmx.l.google.com",), State.WAITING, "dns.rival.mx"),
        ("inbound-mx", ("10 inbound-smtp.us-east-1.amazonaws.com",), State.WRONG, "dns.value.other_region"),
        ("inbound-mx", ("10 inbound-smtp.eu-west-1.amazonses.com",), State.WRONG, "dns.value.typo"),
        ("inbound-mx", (OURS + ".example.com",), State.WRONG, "dns.value.zone_appended"),
        ("inbound-mx", ("10 10" + OURS[3:],), State.WRONG, "dns.value.priority_inside"),
        ("inbound-mx", ("10 10\\032" + OURS[3:],), State.WRONG, "dns.value.priority_inside"),
        ("inbound-mx", ("0 .",), State.WRONG, "dns.rival.null_mx"),
        ("inbound-mx", ("10 192.0.2.1",), State.WRONG, "dns.value.ip"),
        ("mail-from-mx", (BOUNCES,), State.VERIFIED, ""),
        ("mail-from-mx", ("20" + BOUNCES[2:],), State.VERIFIED, ""),
        ("mail-from-mx", (BOUNCES, "20 mail.example.com"), State.WRONG, "dns.rival.mail_from_mx"),
        ("mail-from-mx", (BOUNCES, "20" + BOUNCES[2:]), State.WRONG, "dns.rival.mail_from_mx"),
        ("mail-from-mx", ("10 mail.example.com",), State.WRONG, "dns.rival.mail_from_mx"),
        ("mail-from-mx", ("10 eedback-smtp.eu-west-1.amazonses.com",), State.WRONG, "dns.value.typo"),
        ("mail-from-spf", (SPF,), State.VERIFIED, ""),
        ("mail-from-spf", ("V=SPF1  include:AMAZONSES.com  -all", "unrelated"), State.VERIFIED, ""),
        ("mail-from-spf", ("v=spf1 mx include:amazonses.com ?all",), State.VERIFIED, ""),
        ("mail-from-spf", (SPF, "v=spf1 -all"), State.WRONG, "dns.rival.spf"),
        ("mail-from-spf", ("v=spf1 -all",), State.WRONG, "dns.value.spf_without_amazon"),
        ("mail-from-spf", ("v=spf1 -all include:amazonses.com",), State.WRONG, "dns.value.spf_order"),
        ("mail-from-spf", ("v=spf1 include:amazonses.com +all",), State.WRONG, "dns.value.spf_open"),
        ("mail-from-spf", (f'"{SPF}"',), State.WRONG, "dns.value.quoted"),
        ("mail-from-spf", ("v=spf1 include=amazonses.com ~all",), State.WRONG, "dns.value.spf_equals"),
        ("mail-from-spf", (f"{SPF[:-5]} ip4=192.0.2.1 -all",), State.VERIFIED, "dns.spf.ignored"),
        ("mail-from-spf", ("amazonses.com", "unrelated"), State.WRONG, "dns.value.spf_part"),
        ("mail-from-spf", ("include:amazonses.com ~all",), State.WRONG, "dns.value.spf_part"),
        ("mail-from-spf", ("unrelated",), State.WAITING, "dns.absent"),
        ("apex-spf", ("v=spf1 include:_spf.google.com ~all",), State.WAITING, "dns.value.spf_without_amazon"),
        ("apex-spf", ("v=spf1 include:_spf.google.com include:amazonses.com -all",), State.VERIFIED, ""),
        ("apex-spf", ("v=spf1" + " a" * 9 + " include:amazonses.com -all",), State.VERIFIED, ""),
        ("apex-spf", ("v=spf1" + " a" * 10 + " include:amazonses.com -all",), State.WRONG, "dns.value.spf_lookups"),
        ("dmarc", ("v=DMARC1; p=none; rua=mailto:dmarc@example.com",), State.VERIFIED, ""),
        ("dmarc", ("v=DMARC1;p=reject;rua=mailto:x@y.net,mailto:DMARC@example.com",), State.VERIFIED, ""),
        ("dmarc", ("v=DMARC1; p=reject",), State.WRONG, "dns.value.dmarc_reports"),
        ("dmarc", ("v=DMARC1; rua=mailto:dmarc@example.com",), State.WRONG, "dns.value.dmarc_policy"),
        ("dmarc", ("v=DMARC1; p=none", "v=DMARC1; p=reject"), State.WRONG, "dns.rival.dmarc"),
        ("dmarc", ("unrelated",), State.WAITING, "dns.absent"),
        ("challenge", ("claim=abc", "other"), State.VERIFIED, ""),
        ("challenge", ("claim=ABC",), State.WRONG, "dns.value.case"),
    ],
)
def test_an_answer_is_judged_by_its_values(key: str, values: tuple[str, ...], state: State, code: str) -> None:
    judgement = judged(key, found(key, *values))
    assert (judgement.state, judgement.code) == (state, code)
    assert code == "dns.absent" or set(judgement.found) <= set(values)
    assert code == "dns.absent" or judgement.found


def test_every_code_has_a_sentence_and_every_sentence_is_used() -> None:
    modules = (comparison, judgement, nearness, wildcards_core)
    source = "".join(Path(str(module.__file__)).read_text(encoding="utf-8") for module in modules)
    assert set(re.findall(r'"(dns\.[a-z_.]+)"', source)) == sentences.CODES - {""}


@pytest.mark.parametrize("code", sorted(sentences.CODES))
@pytest.mark.parametrize("key", RECORDS)
def test_a_sentence_is_short_and_escapes_braces(code: str, key: str) -> None:
    sentence = sentences.describe(code, RECORDS[key], ("{value}",))
    assert sentence.endswith(".")
    assert len(sentence.split()) <= 60


def test_a_huge_value_is_shortened_in_the_sentence() -> None:
    assert len(judged("dkim-1", found("dkim-1", "x" * 30_000)).sentence) < 400


YES, NO, BAD, FAIL = "yes", "no", "bad", "fail"
ANSWERS = {
    YES: lambda resolver: found("identity", TOKEN, resolver=resolver),
    NO: lambda resolver: absent("identity", resolver),
    BAD: lambda resolver: found("identity", "hello", resolver=resolver),
    FAIL: lambda resolver: failed("identity", resolver),
}


@pytest.mark.parametrize(
    ("seen", "before", "state"),
    [
        ((), None, State.NOT_CHECKED),
        ((YES, YES), None, State.VERIFIED),
        ((YES, FAIL), None, State.VERIFIED),
        ((YES, NO), None, State.SPREADING),
        ((YES, BAD), None, State.SPREADING),
        ((YES, NO), BEFORE, State.SPREADING),
        ((NO, NO), None, State.WAITING),
        ((NO, BAD), None, State.WRONG),
        ((NO, NO), BEFORE, State.AT_RISK),
        ((BAD,), BEFORE, State.AT_RISK),
        ((NO, FAIL), None, State.COULD_NOT_CHECK),
        ((BAD, FAIL), BEFORE, State.COULD_NOT_CHECK),
        ((FAIL, FAIL), BEFORE, State.COULD_NOT_CHECK),
    ],
)
def test_the_state_combines_the_answers_of_all_resolvers(
    seen: tuple[str, ...], before: datetime | None, state: State
) -> None:
    answers = [ANSWERS[kind](f"r{number}") for number, kind in enumerate(seen)]
    assert judged("identity", *answers, before=before).state is state


@given(st.lists(st.sampled_from([YES, NO, BAD, FAIL]), max_size=4), st.sampled_from([None, BEFORE]))
def test_a_failed_lookup_is_never_absent_and_keeps_the_last_verified_time(
    seen: list[str], before: datetime | None
) -> None:
    answers = [ANSWERS[kind](f"r{number}") for number, kind in enumerate(seen)]
    judgement = judged("identity", *answers, before=before)
    if FAIL in seen:
        assert judgement.state in (State.VERIFIED, State.SPREADING, State.COULD_NOT_CHECK)
    assert (judgement.state is State.VERIFIED) == (YES in seen and not {NO, BAD} & set(seen))
    assert judgement.last_verified == (NOW if judgement.state is State.VERIFIED else before)
    assert (judgement.state is State.AT_RISK) <= (before is not None)
    assert judge(RECORDS["identity"], answers[::-1], verified_before=before, now=NOW).state is judgement.state


def test_at_risk_names_the_cause_and_the_time_it_was_last_verified() -> None:
    judgement = judged("identity", found("identity", TOKEN.lower()), before=BEFORE)
    assert judgement.code == "dns.value.case"
    assert "1 May 2026, 09:12 UTC" in judgement.sentence


def test_no_data_counts_as_absent() -> None:
    assert judged("inbound-mx", absent("inbound-mx", status=LookupStatus.NO_DATA)).state is State.WAITING


APEX = "shop.example.com"
DOUBLED = "shop.example.com.example.com"


@pytest.mark.parametrize(
    ("key", "further", "state", "code"),
    [
        ("identity", elsewhere(APEX, "TXT", f"amazonses:{TOKEN}", "x"), State.VERIFIED, ""),
        ("identity", elsewhere(APEX, "TXT", f"amazonses:{TOKEN.lower()}"), State.WAITING, "dns.absent"),
        ("identity", elsewhere(APEX, "TXT", TOKEN), State.WAITING, "dns.absent"),
        ("identity", elsewhere(APEX, "TXT", f"_amazonses={TOKEN}"), State.WRONG, "dns.value.name_inside"),
        ("identity", elsewhere(APEX, "TXT", status=LookupStatus.FAILED), State.COULD_NOT_CHECK, "dns.lookup_failed"),
        ("identity", elsewhere(APEX, "TXT", f"amazonses:{TOKEN}", resolver="b"), State.WAITING, "dns.absent"),
        ("identity", elsewhere(f"_amazonses.{DOUBLED}", "TXT", TOKEN), State.WRONG, "dns.name.doubled_zone"),
        ("identity", elsewhere(f"_amazonses.{DOUBLED}", "TXT", "x"), State.WAITING, "dns.absent"),
        ("inbound-mx", elsewhere(DOUBLED, "MX", OURS), State.WRONG, "dns.name.doubled_zone"),
        ("inbound-mx", elsewhere(APEX, "CNAME", "shops.net"), State.WRONG, "dns.rival.cname"),
        ("inbound-mx", elsewhere(APEX, "CNAME", status=LookupStatus.FAILED), State.WAITING, "dns.absent"),
        ("dkim-1", elsewhere(RECORDS["dkim-1"].name, "TXT", DKIM), State.WRONG, "dns.value.wrong_type"),
        ("dkim-1", elsewhere(RECORDS["dkim-1"].name, "TXT", "p=MIIB"), State.WRONG, "dns.value.flattened"),
        ("dkim-1", elsewhere(RECORDS["dkim-1"].name, "TXT", "hello"), State.WRONG, "dns.rival.other_type"),
    ],
)
def test_answers_at_other_names_explain_a_missing_record(key: str, further: Answer, state: State, code: str) -> None:
    judgement = judged(key, absent(key), further=(further,))
    assert (judgement.state, judgement.code) == (state, code)
    assert further.question in further_questions(RECORDS[key], DOMAIN)


def test_a_misspelt_spf_term_is_quoted_with_its_correction() -> None:
    wrong = judged("mail-from-spf", found("mail-from-spf", "v=spf1 mx include=amazonses.com -all"))
    assert "“include=amazonses.com”" in wrong.sentence
    assert "Write “include:amazonses.com”." in wrong.sentence


def test_a_failed_lookup_at_an_earlier_place_hides_later_causes() -> None:
    lost = elsewhere(DOUBLED, "MX", status=LookupStatus.FAILED)
    rival = elsewhere(APEX, "CNAME", "shops.net")
    assert judged("inbound-mx", absent("inbound-mx"), further=(lost, rival)).code == "dns.absent"
    assert judged("inbound-mx", absent("inbound-mx"), further=(rival,)).code == "dns.rival.cname"


def test_the_token_at_the_apex_beats_a_doubled_name() -> None:
    doubled = elsewhere(f"_amazonses.{DOUBLED}", "TXT", TOKEN)
    apex = elsewhere(APEX, "TXT", f"amazonses:{TOKEN}")
    assert judged("identity", absent("identity"), further=(doubled, apex)).state is State.VERIFIED


def test_a_dkim_key_behind_a_cname_is_not_called_flattened() -> None:
    text = elsewhere(RECORDS["dkim-1"].name, "TXT", "p=MIIB")
    old = found("dkim-1", "anotherkeyofsomebodyelse.dkim.amazonses.com")
    assert judged("dkim-1", old, further=(text,)).code == "dns.value.old_key"
