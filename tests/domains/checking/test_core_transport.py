"""MTA-STS and TLS-RPT as published: one record with the required tag."""

import pytest

from domains.checking.core.comparison import Verdict, compare
from domains.checking.core.sentences import describe
from domains.dns.core import Answer, LookupStatus, question_for
from domains.records.core import Need, Purpose, Record

STS = Record("mta-sts", Purpose.RECOMMENDED, Need.OPTIONAL, "TXT", "_mta-sts.shop.com", "v=STSv1; id=1")
RPT = Record(
    "tls-rpt", Purpose.RECOMMENDED, Need.RECOMMENDED, "TXT", "_smtp._tls.shop.com", "v=TLSRPTv1; rua=mailto:a@b.com"
)


def test_the_mta_sts_sentence_asks_to_host_the_policy_first() -> None:
    assert "only after you host the policy" in describe("dns.absent", STS, ())
    assert "wasn't found at _smtp._tls.shop.com" in describe("dns.absent", RPT, ())


@pytest.mark.parametrize(
    ("record", "values", "verdict"),
    [
        (STS, ("v=STSv1; id=20260101T000000;",), Verdict.CORRECT),
        (STS, ("other text", "v=STSv1; id=7"), Verdict.CORRECT),
        (STS, ("v=STSv1;",), Verdict.WRONG),
        (STS, ("v=STSv1; id=1", "v=STSv1; id=2"), Verdict.WRONG),
        (STS, ("other text",), Verdict.ABSENT),
        (RPT, ("v=TLSRPTv1; rua=https://reports.example.net",), Verdict.CORRECT),
        (RPT, ("v=TLSRPTv1;",), Verdict.WRONG),
    ],
)
def test_only_one_record_of_the_version_with_its_tag_is_correct(
    record: Record, values: tuple[str, ...], verdict: Verdict
) -> None:
    answer = Answer(question_for(record), "here", LookupStatus.FOUND, values)
    assert compare(record, answer).verdict is verdict
