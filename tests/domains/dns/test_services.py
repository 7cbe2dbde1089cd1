"""Unseen records are queried at their nameservers first, so that our check does not fill the resolvers' negative
caches.
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from pytest_django import Settings

from domains.checking import services as checking_services
from domains.checking.core.judgement import State
from domains.dns import services as dns_services
from domains.dns.core import Answer, LookupStatus, Query, Question
from domains.dns.gateway import exchange
from domains.dns.services import Network, QuerySession, Server, find_delegation, look_up
from domains.models.domains import Domain
from domains.models.record_checks import ObservedAnswer
from sandbox.process import Sandbox
from tests.domains.factories import publish, second_resolver, set_up_domain, zone_of

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
NAMESERVERS = ("ada.ns.cloudflare.com", "bob.ns.cloudflare.com")


@pytest.fixture
def queried(monkeypatch: pytest.MonkeyPatch) -> list[Question]:
    """Return the questions to the resolvers."""
    questions: list[Question] = []

    def recording(some: Sequence[Question]) -> list[Answer]:
        questions.extend(some)
        return look_up(some)

    monkeypatch.setattr(dns_services, "look_up", recording)
    return questions


@pytest.fixture
def domain(sandbox: Sandbox) -> Domain:
    sandbox.control.add_zone("shop.com", NAMESERVERS)
    return set_up_domain(sandbox, "shop.com")


def check_domain(domain: Domain, now: datetime = NOW) -> Domain:
    checking_services.check([Domain.objects.get(pk=domain.pk)], now=now)
    domain.refresh_from_db()
    return domain


def names(domain: Domain) -> set[str]:
    return {record.name for record in domain.records}


def test_resolvers_are_not_queried_for_records_absent_at_the_host(domain: Domain, queried: list[Question]) -> None:
    assert check_domain(domain).state == State.WAITING
    queried = [question for question in queried if question != Question("_dmarc.com", "TXT")]  # not the domain's own
    assert {question.type for question in queried} == {"NS", "A"}
    assert {question.name for question in queried} == {"shop.com", *NAMESERVERS}


def test_resolvers_decide_once_the_host_has_the_records(
    sandbox: Sandbox, domain: Domain, queried: list[Question]
) -> None:
    publish(sandbox, domain)
    sandbox.control.tick()
    assert check_domain(domain).state == State.VERIFIED
    assert {question.name for question in queried} >= names(domain)
    queried.clear()
    assert check_domain(domain, NOW + DAY).state == State.VERIFIED
    assert {question.name for question in queried} - set(NAMESERVERS) == names(domain)  # its MX is asked of the host


def test_a_record_at_the_host_but_not_at_the_resolvers_is_propagating(
    sandbox: Sandbox, domain: Domain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the resolvers alone it would be "not found", the most common false failure."""
    publish(sandbox, domain)
    with second_resolver() as behind:

        def stale(some: Sequence[Question]) -> list[Answer]:
            zone = [question for question in some if question.type in ("NS", "A")]
            rest = [question for question in some if question not in zone]
            found = exchange.look_up(rest, [behind], timeout=0.3).values() if rest else ()
            return [*(look_up(zone) if zone else ()), *found]

        monkeypatch.setattr(dns_services, "look_up", stale)
        check_domain(domain)
    states = set(domain.record_checks.values_list("state", flat=True))
    assert states <= {State.SPREADING, State.COULD_NOT_CHECK}
    assert domain.state != State.VERIFIED


@pytest.mark.parametrize("fault", ["servfail", "refused", "silent"])
def test_a_failing_host_falls_back_to_resolvers_and_is_not_absence(
    sandbox: Sandbox, domain: Domain, queried: list[Question], fault: str
) -> None:
    sandbox.control.set_dns_fault(zone_of(domain), fault)
    assert check_domain(domain).state == State.COULD_NOT_CHECK
    assert {question.name for question in queried} >= names(domain) or {q.type for q in queried} == {"NS"}


def test_a_host_in_a_private_network_is_never_queried(
    domain: Domain, queried: list[Question], settings: Settings
) -> None:
    settings.SANDBOX = False  # then no nameserver may send us to 127.0.0.2
    assert check_domain(domain).state == State.WAITING
    assert {question.name for question in queried} >= names(domain)


def test_the_history_separates_host_and_resolvers_and_ends_unused_ones(sandbox: Sandbox, domain: Domain) -> None:
    check_domain(domain)
    rows = ObservedAnswer.objects.filter(domain=domain, name=f"_amazonses.{domain.name}")
    assert {row.resolver.partition(":")[0] for row in rows} == {"nameserver 127.0.0.2", "nameserver 127.0.0.3"}
    publish(sandbox, domain)
    check_domain(domain, NOW + MINUTE)
    assert sandbox.dns_address in set(rows.values_list("resolver", flat=True))
    for record in sandbox.control.records(zone_of(domain)):
        if record.name.startswith("_amazonses."):
            sandbox.control.remove_record(zone_of(domain), record.id)
    check_domain(domain, NOW + HOUR)
    assert set(rows.filter(until=None).values_list("resolver", "status")) == {(sandbox.dns_address, "no_name")}


def test_a_newly_lost_record_is_checked_again_within_minutes(sandbox: Sandbox, domain: Domain) -> None:
    publish(sandbox, domain)
    sandbox.control.tick()
    assert check_domain(domain).state == State.VERIFIED
    for record in sandbox.control.records(zone_of(domain)):
        if "._domainkey." in record.name:  # the TXT record alone is not enough: DKIM verifies the domain as well
            sandbox.control.remove_record(zone_of(domain), record.id)
    first = check_domain(domain, NOW + DAY).next_check_at
    assert first is not None
    assert 5 * MINUTE <= first - (NOW + DAY) < 6 * MINUTE
    second = check_domain(domain, first).next_check_at
    assert second is not None
    assert second - first >= HOUR


class _IPv6Only(QuerySession):
    """A resolver that has only IPv6 addresses of nameservers."""

    async def ask(self, queries: Sequence[Query]) -> list[Answer]:
        by_six = [query.question.type == "AAAA" for query in queries]
        return [
            Answer(
                query.question,
                query.who,
                LookupStatus.FOUND if is_six else LookupStatus.NO_DATA,
                ("2606:4700::53",) if is_six else (),
            )
            for query, is_six in zip(queries, by_six, strict=True)
        ]


def test_a_nameserver_with_only_ipv6_is_queried_there() -> None:
    names = [("ns6.example.net", ""), ("glued.example.net", "2606:4700::54")]
    found = asyncio.run(find_delegation(names, "192.0.2.53", Network(("192.0.2.53",)), _IPv6Only(timeout=1.0)))
    assert found == (
        Server("ns6.example.net", "[2606:4700::53]:53"),
        Server("glued.example.net", "[2606:4700::54]:53"),
    )


def test_a_question_with_and_without_validation_has_an_answer_each(sandbox: Sandbox) -> None:
    question, at = Question("shop.com", "SOA"), sandbox.dns_address
    queries = [Query(question, at, at), Query(question, at, at, unchecked=True)]
    assert set(asyncio.run(exchange.ask_each(queries))) == set(queries)
