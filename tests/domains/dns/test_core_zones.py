"""The zone that contains a name, according to DNS."""

import pytest

from domains.dns.core import Answer, LookupStatus, Question, cut_of, cut_questions
from domains.names.core import DomainName

NAME = DomainName.from_stored("in.mail.example.co.uk")
FOUND, NO_DATA, NO_NAME, FAILED = LookupStatus.FOUND, LookupStatus.NO_DATA, LookupStatus.NO_NAME, LookupStatus.FAILED


def answer(name: str, status: LookupStatus, **fields: object) -> Answer:
    values = ("ns1.host.net",) if status is FOUND else ()
    return Answer(Question(name, "NS"), "here", status, values, **fields)  # type: ignore[arg-type]  # by name


def test_every_name_below_the_registrable_domain_is_queried() -> None:
    assert [question.name for question in cut_questions(NAME)] == ["in.mail.example.co.uk", "mail.example.co.uk"]
    assert cut_questions(DomainName.from_stored("example.co.uk")) == ()


@pytest.mark.parametrize(
    ("answers", "cut"),
    [
        ([answer("mail.example.co.uk", NO_DATA), answer(NAME.ascii, NO_NAME)], ""),
        ([answer("mail.example.co.uk", FOUND), answer(NAME.ascii, NO_DATA)], "mail.example.co.uk"),
        ([answer("mail.example.co.uk", FOUND), answer(NAME.ascii, FOUND)], NAME.ascii),
        ([answer(NAME.ascii, FAILED, cut="mail.example.co.uk")], "mail.example.co.uk"),
        ([answer(NAME.ascii, FAILED, cut="co.uk")], None),  # a server that sends us up knows nothing
        ([answer(NAME.ascii, FAILED, cut="other.co.uk")], None),
        ([answer(NAME.ascii, FAILED), answer("mail.example.co.uk", NO_DATA)], None),
        ([answer(NAME.ascii, FOUND, aliases=("host.net",)), answer("mail.example.co.uk", NO_DATA)], ""),
        ([], None),
    ],
)
def test_the_nearest_zone_cut_counts_and_a_failed_lookup_gives_none(answers: list[Answer], cut: str | None) -> None:
    assert cut_of(NAME, answers) == cut
