"""What the resolvers' answers for a zone show, and what they don't."""

import pytest

from domains.dns.core import ANSWERED, Answer, LookupStatus, Question
from domains.zone_causes.core import DNSSEC, LAPSED, NO_SUCH, ZoneAnswers, cause_in

ZONE = "shop.com"
FOUND, NO_NAME, FAILED = LookupStatus.FOUND, LookupStatus.NO_NAME, LookupStatus.FAILED


def answer(resolver: str, status: LookupStatus, *values: str, error: str = "") -> Answer:
    return Answer(Question(ZONE, "NS"), resolver, status, values, error=error)


PARKED = answer("a", FOUND, "ns1.pendingrenewaldeletion.com")
SILENT, REFUSED = answer("b", FAILED, error="no answer within 3 s"), answer("b", FAILED, error=f"{ANSWERED} SERVFAIL")


@pytest.mark.parametrize(
    ("plain", "unchecked", "code"),
    [
        ([answer("a", NO_NAME), answer("b", NO_NAME)], [], LAPSED),
        ([answer("a", NO_NAME), SILENT], [], ""),  # a failed lookup isn't a second resolver that agrees
        ([answer("a", NO_NAME), REFUSED], [], ""),
        ([answer("a", NO_NAME), answer("b", FOUND, "ns1.host.test")], [], ""),
        ([PARKED, SILENT], [], LAPSED),  # the parent names these servers, whoever else answers
        ([answer("a", FAILED, error=REFUSED.error), SILENT], [answer("a", FOUND, "ns1.host.test")], DNSSEC),
        ([SILENT], [answer("b", FOUND, "ns1.host.test")], ""),
        ([answer("a", FOUND, "ns1.host.test"), REFUSED], [answer("b", FOUND, "ns1.host.test")], ""),
        ([], [], ""),
    ],
)
def test_a_cause_needs_answers_that_show_it(plain: list[Answer], unchecked: list[Answer], code: str) -> None:
    cause = cause_in({ZONE: ZoneAnswers(plain, unchecked)}, [ZONE], was_correct=True)
    assert (cause.code if cause else "") == code


def test_a_name_that_was_never_there_is_not_said_to_be_removed() -> None:
    cause = cause_in({ZONE: ZoneAnswers([answer("a", NO_NAME)])}, [ZONE], was_correct=False)
    assert cause is not None
    assert cause.code == NO_SUCH
