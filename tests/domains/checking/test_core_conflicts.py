"""What nameservers show against a correct record."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from domains.checking.core.judgement import Judgement, State
from domains.conflicts.core import RecordConflict, with_conflict
from domains.dns.core import Answer, LookupStatus, Question, question_for
from domains.records.core import Need, Purpose, Record

NOW = datetime(2026, 11, 30, tzinfo=UTC)
TOKEN = "A" * 43 + "="
RECORD = Record("identity", Purpose.OWNERSHIP, Need.REQUIRED, "TXT", "_amazonses.shop.com", TOKEN)
ABSENT = [Answer(question_for(RECORD), at, LookupStatus.NO_NAME, authoritative=True) for at in ("a", "b")]
KNOWN = RecordConflict("dns.server.disagree", (TOKEN,), "", {"c": NOW.isoformat()})


def judged(*found: str, known: RecordConflict | None = None) -> Judgement:
    right = Judgement("identity", Need.REQUIRED, State.VERIFIED, found, "", "", NOW)
    return with_conflict(RECORD, right, {question_for(RECORD): ABSENT}, "shop.com", now=NOW, known=known)


@pytest.mark.parametrize("known", [None, KNOWN])
def test_the_token_at_the_domain_itself_needs_no_record_at_its_own_name(known: RecordConflict | None) -> None:
    shown = judged(f"amazonses:{TOKEN}", known=known)
    assert (shown.state, shown.conflict) == (State.VERIFIED, None)


def test_a_token_that_no_nameserver_has_is_still_to_be_restored() -> None:
    shown = judged(TOKEN)
    assert shown.state is State.WRONG
    assert "Restore it" in shown.sentence
    other = replace(RECORD, key="dmarc")
    right = Judgement("dmarc", Need.REQUIRED, State.VERIFIED, (f"amazonses:{TOKEN}",), "", "", NOW)
    answers = {question_for(other): ABSENT}
    assert with_conflict(other, right, answers, "shop.com", now=NOW).state is State.WRONG


RIVAL = Question(RECORD.name, "CNAME")
BESIDE = RecordConflict("dns.rival.cname", ("x.example",), "Delete the CNAME record.", {"c": NOW.isoformat()})


@pytest.mark.parametrize(
    ("own", "rival", "state"),
    [
        (LookupStatus.FAILED, LookupStatus.FOUND, State.WRONG),
        (LookupStatus.FAILED, LookupStatus.FAILED, State.WRONG),
        (LookupStatus.FOUND, LookupStatus.FOUND, State.WRONG),
        (LookupStatus.FAILED, LookupStatus.NO_DATA, State.VERIFIED),
    ],
)
def test_a_failed_lookup_of_our_own_record_ends_no_conflict_with_a_record_beside_it(
    own: LookupStatus, rival: LookupStatus, state: State
) -> None:
    values = {LookupStatus.FOUND: (TOKEN,)}
    answers = {
        question_for(RECORD): [Answer(question_for(RECORD), "c", own, values.get(own, ()), authoritative=True)],
        RIVAL: [Answer(RIVAL, "c", rival, ("x.example",) if rival is LookupStatus.FOUND else (), authoritative=True)],
    }
    right = Judgement("identity", Need.REQUIRED, State.VERIFIED, (TOKEN,), "", "", NOW)
    assert with_conflict(RECORD, right, answers, "shop.com", now=NOW, known=BESIDE).state is state
