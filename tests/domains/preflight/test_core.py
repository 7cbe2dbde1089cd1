"""The findings about a domain before it is added."""

import pytest

from domains.dns.core import Answer, LookupStatus, Question
from domains.names.core import DomainName
from domains.preflight.core import Level, Preflight, assess, questions, suggested_names

DOMAIN = DomainName.from_stored("shop.com")


def found(name: str, kind: str, *values: str) -> Answer:
    return Answer(Question(name, kind), "192.0.2.1:53", LookupStatus.FOUND, values)


def nothing_but(*answers: Answer) -> list[Answer]:
    """Return answers in which only the given names exist."""
    known = {answer.question for answer in answers}
    others = [Answer(q, "192.0.2.1:53", LookupStatus.NO_DATA) for q in questions(DOMAIN) if q not in known]
    return [*answers, *others]


def codes(preflight: Preflight) -> set[str]:
    return {finding.code for finding in preflight.findings}


def test_an_empty_domain_is_safe_and_gets_the_first_mail_from_name() -> None:
    preflight = assess(DOMAIN, nothing_but())
    assert preflight.is_safe
    assert preflight.mail_from == "bounce.shop.com"
    assert "preflight.mail_free" in codes(preflight)
    assert not preflight.suggestion


def test_an_mx_elsewhere_is_named_and_a_subdomain_suggested() -> None:
    preflight = assess(DOMAIN, nothing_but(found("shop.com", "MX", "1 aspmx.l.google.com")))
    assert not preflight.is_safe
    assert preflight.suggestion == "in.shop.com"
    (warning,) = [finding for finding in preflight.findings if finding.level is Level.WARNING]
    assert "aspmx.l.google.com" in warning.text


def test_no_subdomain_with_its_own_mx_is_suggested() -> None:
    elsewhere = found("shop.com", "MX", "1 mx.host.net")
    assert assess(DOMAIN, nothing_but(elsewhere, found("in.shop.com", "MX", "1 mx.host.net"))).suggestion == ""


@pytest.mark.parametrize("kind", ["A", "AAAA", "CNAME", "MX", "TXT"])
def test_a_mail_from_name_in_use_is_skipped(kind: str) -> None:
    assert assess(DOMAIN, nothing_but(found("bounce.shop.com", kind, "x"))).mail_from == "mailfrom.shop.com"


def test_a_cname_is_reported_as_unsafe() -> None:
    preflight = assess(DOMAIN, nothing_but(found("shop.com", "CNAME", "shops.host.net")))
    assert "preflight.alias" in codes(preflight)
    assert not preflight.is_safe


def test_a_failed_provider_lookup_differs_from_an_unknown_provider() -> None:
    assert "preflight.provider_unchecked" in codes(assess(DOMAIN, nothing_but(), provider=None))
    assert "preflight.provider_unknown" in codes(assess(DOMAIN, nothing_but(), provider=""))


def test_a_failed_lookup_is_never_reported_as_no_mail() -> None:
    silent = [Answer(question, "192.0.2.1:53", LookupStatus.FAILED, error="silence") for question in questions(DOMAIN)]
    preflight = assess(DOMAIN, silent)
    assert "preflight.mail_unknown" in codes(preflight)
    assert not {"preflight.mail_free", "preflight.bounces_free"} & codes(preflight)
    assert not preflight.is_safe


@pytest.mark.parametrize("kind", ["A", "AAAA", "CNAME", "MX", "TXT"])
def test_a_mail_from_name_with_a_failed_lookup_is_skipped(kind: str) -> None:
    silent = Answer(Question("bounce.shop.com", kind), "192.0.2.1:53", LookupStatus.FAILED, error="silence")
    assert assess(DOMAIN, nothing_but(silent)).mail_from == "mailfrom.shop.com"


def test_the_apex_is_suggested_for_a_www_name() -> None:
    preflight = assess(DomainName.from_stored("www.shop.com"), nothing_but())
    assert (preflight.is_www, preflight.suggestion) == (True, "shop.com")


def test_a_nonexistent_domain_is_reported() -> None:
    gone = Answer(Question("shop.com", "SOA"), "192.0.2.1:53", LookupStatus.NO_NAME)
    assert "preflight.no_such_domain" in codes(assess(DOMAIN, nothing_but(gone)))


def test_a_nonexistent_domain_has_only_warnings() -> None:
    gone = Answer(Question("shop.com", "SOA"), "192.0.2.1:53", LookupStatus.NO_NAME)
    assert {finding.level for finding in assess(DOMAIN, nothing_but(gone)).findings} == {Level.WARNING}


def test_a_name_already_added_is_not_suggested() -> None:
    elsewhere = nothing_but(found("shop.com", "MX", "1 aspmx.l.google.com"))
    assert assess(DOMAIN, elsewhere, taken=("in.shop.com",)).suggestion == ""
    assert "in.shop.com" in suggested_names(DOMAIN)
    assert assess(DomainName.from_stored("www.shop.com"), nothing_but(), taken=("shop.com",)).suggestion == ""
    assert "shop.com" in suggested_names(DomainName.from_stored("www.shop.com"))


def test_only_recommended_records_that_will_be_offered_are_counted() -> None:
    assert assess(DOMAIN, nothing_but()).recommended_count == 2
    silent = Answer(Question("_dmarc.shop.com", "TXT"), "192.0.2.1:53", LookupStatus.FAILED, error="silence")
    assert assess(DOMAIN, nothing_but(silent)).recommended_count == 1


@pytest.mark.parametrize(
    "left",
    [found("_amazonses.shop.com", "TXT", "token"), found("shop.com", "MX", "10 inbound-smtp.eu-west-1.amazonaws.com")],
)
def test_records_of_an_earlier_setup_are_detected(left: Answer) -> None:
    assert assess(DOMAIN, nothing_but(left)).records_answer


def test_our_own_mx_is_not_reported_as_elsewhere() -> None:
    preflight = assess(DOMAIN, nothing_but(found("shop.com", "MX", "10 inbound-smtp.eu-west-1.amazonaws.com")))
    assert "preflight.mail_elsewhere" not in codes(preflight)


def test_an_mx_of_ses_in_another_region_is_somebodys_mail_service() -> None:
    elsewhere = found("shop.com", "MX", "10 inbound-smtp.us-east-1.amazonaws.com")
    preflight = assess(DOMAIN, nothing_but(elsewhere), region="eu-west-1")
    assert preflight.records_answer
    assert "preflight.mail_elsewhere" in codes(preflight)
    assert not preflight.is_safe


def test_a_null_mx_is_no_mail_service() -> None:
    preflight = assess(DOMAIN, nothing_but(found("shop.com", "MX", "0 ")))
    assert "preflight.mail_free" in codes(preflight)
    assert not preflight.records_answer
    assert preflight.suggestion == ""


def test_a_verified_parent_and_the_dns_host_are_named() -> None:
    preflight = assess(DOMAIN, nothing_but(), verified_parent="com", provider="Cloudflare")
    assert {"preflight.parent", "preflight.provider"} <= codes(preflight)


def test_mail_manager_is_recognised_and_not_called_elsewhere() -> None:
    preflight = assess(DOMAIN, nothing_but(found("shop.com", "MX", "10 abcd.efgh.mail-manager-smtp.amazonaws.com")))
    assert "preflight.mail_manager" in codes(preflight)
    assert "preflight.mail_elsewhere" not in codes(preflight)
    assert not preflight.is_safe
