"""What is said of a domain before it is added."""

import pytest

from domains.dns.core import Answer, LookupStatus, Question
from domains.names.core import DomainName
from domains.preflight.core import Level, Preflight, assess, questions, suggested_names

DOMAIN = DomainName.from_stored("shop.com")


def found(name: str, kind: str, *values: str) -> Answer:
    return Answer(Question(name, kind), "192.0.2.1:53", LookupStatus.FOUND, values)


def nothing(*answers: Answer) -> list[Answer]:
    """Return answers in which only the given names exist."""
    known = {answer.question for answer in answers}
    others = [Answer(q, "192.0.2.1:53", LookupStatus.NO_DATA) for q in questions(DOMAIN) if q not in known]
    return [*answers, *others]


def codes(look: Preflight) -> set[str]:
    return {finding.code for finding in look.findings}


def test_an_empty_domain_is_safe_and_gets_the_first_name_for_bounces() -> None:
    look = assess(DOMAIN, nothing())
    assert look.is_safe
    assert look.mail_from == "bounce.shop.com"
    assert "preflight.mail_free" in codes(look)
    assert not look.suggestion


def test_mail_that_goes_elsewhere_is_named_and_a_sub_domain_offered() -> None:
    look = assess(DOMAIN, nothing(found("shop.com", "MX", "1 aspmx.l.google.com")))
    assert not look.is_safe
    assert look.suggestion == "in.shop.com"
    (warning,) = [finding for finding in look.findings if finding.level is Level.WARNING]
    assert "aspmx.l.google.com" in warning.text


def test_no_sub_domain_is_offered_that_receives_mail_itself() -> None:
    elsewhere = found("shop.com", "MX", "1 mx.host.net")
    assert assess(DOMAIN, nothing(elsewhere, found("in.shop.com", "MX", "1 mx.host.net"))).suggestion == ""


@pytest.mark.parametrize("kind", ["A", "AAAA", "CNAME", "MX", "TXT"])
def test_a_name_in_use_is_left_alone(kind: str) -> None:
    assert assess(DOMAIN, nothing(found("bounce.shop.com", kind, "x"))).mail_from == "mailfrom.shop.com"


def test_an_alias_cannot_hold_mail_records() -> None:
    look = assess(DOMAIN, nothing(found("shop.com", "CNAME", "shops.host.net")))
    assert "preflight.alias" in codes(look)
    assert not look.is_safe


def test_a_dns_host_whose_lookup_failed_is_not_called_unrecognised() -> None:
    assert "preflight.provider_unchecked" in codes(assess(DOMAIN, nothing(), provider=None))
    assert "preflight.provider_unknown" in codes(assess(DOMAIN, nothing(), provider=""))


def test_a_failed_look_up_is_never_told_as_no_mail() -> None:
    silent = [Answer(question, "192.0.2.1:53", LookupStatus.FAILED, error="silence") for question in questions(DOMAIN)]
    look = assess(DOMAIN, silent)
    assert "preflight.mail_unknown" in codes(look)
    assert not {"preflight.mail_free", "preflight.bounces_free"} & codes(look)
    assert not look.is_safe


@pytest.mark.parametrize("kind", ["A", "AAAA", "CNAME", "MX", "TXT"])
def test_a_name_that_could_not_be_looked_up_in_full_is_not_called_free(kind: str) -> None:
    silent = Answer(Question("bounce.shop.com", kind), "192.0.2.1:53", LookupStatus.FAILED, error="silence")
    assert assess(DOMAIN, nothing(silent)).mail_from == "mailfrom.shop.com"


def test_for_the_name_of_a_web_site_the_bare_name_is_offered() -> None:
    look = assess(DomainName.from_stored("www.shop.com"), nothing())
    assert (look.is_www, look.suggestion) == (True, "shop.com")


def test_a_domain_that_does_not_exist_is_said_to_be_perhaps_misspelled() -> None:
    gone = Answer(Question("shop.com", "SOA"), "192.0.2.1:53", LookupStatus.NO_NAME)
    assert "preflight.no_such_domain" in codes(assess(DOMAIN, nothing(gone)))


def test_of_a_domain_that_does_not_exist_nothing_is_said_to_be_well() -> None:
    gone = Answer(Question("shop.com", "SOA"), "192.0.2.1:53", LookupStatus.NO_NAME)
    assert {finding.level for finding in assess(DOMAIN, nothing(gone)).findings} == {Level.WARNING}


def test_a_name_that_is_a_domain_here_already_is_not_suggested() -> None:
    elsewhere = nothing(found("shop.com", "MX", "1 aspmx.l.google.com"))
    assert assess(DOMAIN, elsewhere, taken=("in.shop.com",)).suggestion == ""
    assert "in.shop.com" in suggested_names(DOMAIN)
    assert assess(DomainName.from_stored("www.shop.com"), nothing(), taken=("shop.com",)).suggestion == ""
    assert "shop.com" in suggested_names(DomainName.from_stored("www.shop.com"))


def test_the_recommended_records_are_counted_that_will_be_offered() -> None:
    assert assess(DOMAIN, nothing()).recommended_count == 2
    silent = Answer(Question("_dmarc.shop.com", "TXT"), "192.0.2.1:53", LookupStatus.FAILED, error="silence")
    assert assess(DOMAIN, nothing(silent)).recommended_count == 1


@pytest.mark.parametrize(
    "left",
    [found("_amazonses.shop.com", "TXT", "token"), found("shop.com", "MX", "10 inbound-smtp.eu-west-1.amazonaws.com")],
)
def test_records_of_an_earlier_set_up_are_seen(left: Answer) -> None:
    assert assess(DOMAIN, nothing(left)).records_answer


def test_our_own_mx_is_no_rival() -> None:
    look = assess(DOMAIN, nothing(found("shop.com", "MX", "10 inbound-smtp.eu-west-1.amazonaws.com")))
    assert "preflight.mail_elsewhere" not in codes(look)


def test_a_verified_parent_and_the_dns_host_are_named() -> None:
    look = assess(DOMAIN, nothing(), verified_parent="com", provider="Cloudflare")
    assert {"preflight.parent", "preflight.provider"} <= codes(look)


def test_mail_manager_is_recognised_as_amazons_and_left_as_it_is() -> None:
    look = assess(DOMAIN, nothing(found("shop.com", "MX", "10 abcd.efgh.mail-manager-smtp.amazonaws.com")))
    assert "preflight.mail_manager" in codes(look)
    assert "preflight.mail_elsewhere" not in codes(look)
    assert not look.is_safe
