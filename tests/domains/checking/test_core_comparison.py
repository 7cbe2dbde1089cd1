"""A record published with another type is recognised, in the check and in the diagnosis."""

from time import process_time

import pytest

from domains.checking.core.comparison import compare
from domains.dns.core import Answer, LookupStatus, Question, further_questions
from domains.names.core import DomainName
from domains.records.core import Need, Purpose, Record

DOMAIN = DomainName.from_stored("shop.com")
HOST = "feedback-smtp.eu-west-1.amazonses.com"
MX = Record("mail-from-mx", Purpose.BOUNCES, Need.REQUIRED, "MX", "bounce.shop.com", HOST, 10)
NOTHING = Answer(Question(MX.name, "MX"), "192.0.2.1:53", LookupStatus.NO_DATA)


@pytest.mark.parametrize(
    ("kind", "value", "code"),
    [
        ("CNAME", f"{HOST}.", "dns.value.wrong_type"),
        ("CNAME", "shops.host.net.", "dns.rival.cname"),
        ("TXT", f"10 {HOST}", "dns.value.wrong_type"),
        ("TXT", HOST.upper(), "dns.value.wrong_type"),
        ("TXT", "v=spf1 -all", "dns.absent"),
    ],
)
def test_an_mx_value_of_another_type_is_not_a_conflict(kind: str, value: str, code: str) -> None:
    other = Question(MX.name, kind)
    assert other in further_questions(MX, DOMAIN)
    found = compare(MX, NOTHING, [Answer(other, NOTHING.resolver, LookupStatus.FOUND, (value,))])
    assert found.code == code


def test_a_failed_lookup_of_the_other_type_leaves_the_record_absent() -> None:
    silent = Answer(Question(MX.name, "TXT"), NOTHING.resolver, LookupStatus.FAILED, error="silence")
    assert compare(MX, NOTHING, [silent]).code == "dns.absent"


def test_a_value_as_long_as_dns_allows_is_compared_at_once() -> None:
    started = process_time()
    for key, value in (("mail-from-spf", "v=spf1 a:" + "/" * 60_000 + "x"), ("ownership", "." * 60_000 + "x")):
        record = Record(key, Purpose.BOUNCES, Need.REQUIRED, "TXT", MX.name, "abcdefghijkl")
        answer = Answer(Question(MX.name, "TXT"), NOTHING.resolver, LookupStatus.FOUND, (value,))
        assert compare(record, answer).code
    assert process_time() - started < 5
