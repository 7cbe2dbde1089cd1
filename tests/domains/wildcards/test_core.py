"""Which answers at a name and at its sibling show that a record stands at its own name."""

from dataclasses import replace

import pytest

from domains.dns.core import Answer, LookupStatus, Question
from domains.names.core import DomainName
from domains.wildcards.core import (
    Seen,
    Standing,
    all_of,
    answers_for_zone,
    any_of,
    has_text,
    is_alias_to,
    judge_standing,
    sibling_of,
)

OWN, OTHER = Question("_x.alice.com", "TXT"), Question("_random.alice.com", "TXT")
RIGHT = has_text("value")
FOUND = Answer(OWN, "r1", LookupStatus.FOUND, ("value",))
NONE = Answer(OTHER, "r1", LookupStatus.NO_NAME)
FAILED = Answer(OTHER, "r1", LookupStatus.FAILED)
BY_ALIAS = replace(FOUND, aliases=("proof.bob.com",))
AT_HOST = replace(BY_ALIAS, resolver="ns1", status=LookupStatus.FAILED, values=())
REFERRED = replace(AT_HOST, aliases=(), cut="_random.alice.com")


@pytest.mark.parametrize(
    ("seen", "standing", "of_challenge"),
    [
        (Seen([FOUND], [NONE]), Standing.OWN, Standing.OWN),
        (Seen([FOUND], []), Standing.UNKNOWN, Standing.UNKNOWN),
        (Seen([FOUND], [FAILED]), Standing.UNKNOWN, Standing.UNKNOWN),
        (Seen([FOUND, replace(FOUND, resolver="r2")], [NONE]), Standing.UNKNOWN, Standing.UNKNOWN),
        (Seen([FOUND], [], has_sibling=False), Standing.OWN, Standing.OWN),
        (Seen([FOUND], [replace(FOUND, question=OTHER)]), Standing.SHARED, Standing.SHARED),
        (Seen([FOUND], [NONE], [], [replace(FOUND, question=OTHER)]), Standing.SHARED, Standing.SHARED),
        (Seen([replace(FOUND, dname="alice.com")], [NONE]), Standing.SHARED, Standing.SHARED),
        (Seen([BY_ALIAS], [NONE]), Standing.SHARED, Standing.UNKNOWN),
        (Seen([BY_ALIAS], [NONE], [AT_HOST]), Standing.SHARED, Standing.OWN),
        (Seen([BY_ALIAS], [NONE], [AT_HOST, replace(FOUND, resolver="ns2")]), Standing.SHARED, Standing.UNKNOWN),
        (Seen([BY_ALIAS], [replace(NONE, aliases=("bob.com",))], [AT_HOST]), Standing.SHARED, Standing.SHARED),
        (Seen([FOUND], [NONE], [REFERRED], []), Standing.SHARED, Standing.OWN),
        (Seen([FOUND], [NONE], [REFERRED], [REFERRED]), Standing.SHARED, Standing.SHARED),
        (Seen([NONE], [NONE]), Standing.ABSENT, Standing.ABSENT),
        (Seen([NONE], [NONE], [replace(FOUND, resolver="ns1")]), Standing.UNKNOWN, Standing.UNKNOWN),
        (Seen([FAILED], [FAILED]), Standing.UNKNOWN, Standing.UNKNOWN),
    ],
)
def test_the_standing_follows_from_the_answers(seen: Seen, standing: Standing, of_challenge: Standing) -> None:
    assert judge_standing(RIGHT, seen) is standing
    assert judge_standing(RIGHT, seen, may_be_alias=True) is of_challenge


def test_only_answers_for_the_domains_zone_count() -> None:
    name = DomainName.from_stored("alice.com")
    own = replace(FOUND, authoritative=True)
    above = replace(REFERRED, cut="alice.com")
    refused = replace(REFERRED, cut="")
    assert answers_for_zone([own, AT_HOST, REFERRED, above, refused, FOUND], name) == [own, AT_HOST, REFERRED]


def test_all_records_must_stand_at_their_names_and_one_way_is_enough() -> None:
    assert all_of([Standing.OWN, Standing.OWN]) is Standing.OWN
    assert all_of([Standing.OWN, Standing.UNKNOWN]) is Standing.UNKNOWN
    assert all_of([Standing.UNKNOWN, Standing.SHARED]) is Standing.SHARED
    assert all_of([]) is any_of([]) is Standing.ABSENT
    assert any_of([Standing.SHARED, Standing.OWN]) is Standing.OWN
    assert any_of([Standing.SHARED, Standing.UNKNOWN]) is Standing.UNKNOWN
    assert any_of([Standing.ABSENT, Standing.SHARED]) is Standing.SHARED


def test_a_sibling_has_the_same_parent_and_an_alias_is_compared_without_case() -> None:
    assert sibling_of(Question("a._domainkey.alice.com", "CNAME"), "z") == Question("z._domainkey.alice.com", "CNAME")
    assert is_alias_to("A.dkim.amazonses.com")(replace(FOUND, values=("a.dkim.amazonses.com",)))
