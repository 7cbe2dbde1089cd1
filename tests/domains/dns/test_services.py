"""What nobody has seen yet is asked of its own nameservers first, so that our looking is not why it is not seen."""

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
from domains.models.history import ObservedAnswer
from sandbox.process import Sandbox
from tests.domains.factories import publish, second_resolver, set_up_domain, zone_of

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
NAMESERVERS = ("ada.ns.cloudflare.com", "bob.ns.cloudflare.com")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Question]:
    """Return the questions to the resolvers."""
    questions: list[Question] = []

    def noting(some: Sequence[Question]) -> list[Answer]:
        questions.extend(some)
        return look_up(some)

    monkeypatch.setattr(dns_services, "look_up", noting)
    return questions


@pytest.fixture
def domain(sandbox: Sandbox) -> Domain:
    sandbox.control.add_zone("shop.com", NAMESERVERS)
    return set_up_domain(sandbox, "shop.com")


def looked_at(domain: Domain, now: datetime = NOW) -> Domain:
    checking_services.check([Domain.objects.get(pk=domain.pk)], now=now)
    domain.refresh_from_db()
    return domain


def names(domain: Domain) -> set[str]:
    return {record.name for record in domain.records}


def test_no_resolver_is_asked_for_a_record_that_its_host_does_not_have(domain: Domain, asked: list[Question]) -> None:
    assert looked_at(domain).state == State.WAITING
    asked = [question for question in asked if question != Question("_dmarc.com", "TXT")]  # not the domain's own
    assert {question.type for question in asked} == {"NS", "A"}
    assert {question.name for question in asked} == {"shop.com", *NAMESERVERS}


def test_once_the_host_has_it_the_resolvers_are_asked_and_decide(
    sandbox: Sandbox, domain: Domain, asked: list[Question]
) -> None:
    publish(sandbox, domain)
    sandbox.control.tick()
    assert looked_at(domain).state == State.VERIFIED
    assert {question.name for question in asked} >= names(domain)
    asked.clear()
    assert looked_at(domain, NOW + DAY).state == State.VERIFIED
    assert {question.name for question in asked} - set(NAMESERVERS) == names(domain)  # its MX is asked of the host


def test_what_the_host_has_and_the_resolvers_do_not_yet_is_spreading(
    sandbox: Sandbox, domain: Domain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the host's word it would be “not there yet”, which is the commonest false failure."""
    publish(sandbox, domain)
    with second_resolver() as behind:

        def stale(some: Sequence[Question]) -> list[Answer]:
            zone = [question for question in some if question.type in ("NS", "A")]
            rest = [question for question in some if question not in zone]
            found = exchange.look_up(rest, [behind], timeout=0.3).values() if rest else ()
            return [*(look_up(zone) if zone else ()), *found]

        monkeypatch.setattr(dns_services, "look_up", stale)
        looked_at(domain)
    states = set(domain.record_checks.values_list("state", flat=True))
    assert states <= {State.SPREADING, State.COULD_NOT_CHECK}
    assert domain.state != State.VERIFIED


@pytest.mark.parametrize("fault", ["servfail", "refused", "silent"])
def test_where_the_host_cannot_be_asked_the_resolvers_are_and_failure_is_no_absence(
    sandbox: Sandbox, domain: Domain, asked: list[Question], fault: str
) -> None:
    sandbox.control.set_dns_fault(zone_of(domain), fault)
    assert looked_at(domain).state == State.COULD_NOT_CHECK
    assert {question.name for question in asked} >= names(domain) or {q.type for q in asked} == {"NS"}


def test_a_host_in_our_own_network_is_never_asked(domain: Domain, asked: list[Question], settings: Settings) -> None:
    settings.SANDBOX = False  # then 127.0.0.2 is a place that a stranger's nameserver must not lead us to
    assert looked_at(domain).state == State.WAITING
    assert {question.name for question in asked} >= names(domain)


def test_the_history_tells_the_host_from_the_resolvers_and_who_is_asked_no_more_ends(
    sandbox: Sandbox, domain: Domain
) -> None:
    looked_at(domain)
    rows = ObservedAnswer.objects.filter(domain=domain, name=f"_amazonses.{domain.name}")
    assert {row.resolver.partition(":")[0] for row in rows} == {"nameserver 127.0.0.2", "nameserver 127.0.0.3"}
    publish(sandbox, domain)
    looked_at(domain, NOW + MINUTE)
    assert sandbox.dns_address in set(rows.values_list("resolver", flat=True))
    for record in sandbox.control.records(zone_of(domain)):
        if record.name.startswith("_amazonses."):
            sandbox.control.remove_record(zone_of(domain), record.id)
    looked_at(domain, NOW + HOUR)
    assert set(rows.filter(until=None).values_list("resolver", "status")) == {(sandbox.dns_address, "no_name")}


def test_what_first_looks_lost_is_looked_at_again_within_minutes_for_the_alert(
    sandbox: Sandbox, domain: Domain
) -> None:
    publish(sandbox, domain)
    sandbox.control.tick()
    assert looked_at(domain).state == State.VERIFIED
    for record in sandbox.control.records(zone_of(domain)):
        if "._domainkey." in record.name:  # its TXT alone would not be missed: DKIM verifies as well
            sandbox.control.remove_record(zone_of(domain), record.id)
    first = looked_at(domain, NOW + DAY).next_check_at
    assert first is not None
    assert 5 * MINUTE <= first - (NOW + DAY) < 6 * MINUTE
    second = looked_at(domain, first).next_check_at
    assert second is not None
    assert second - first >= HOUR


class _SixAlone(QuerySession):
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


def test_a_nameserver_that_ipv6_alone_reaches_is_asked_there() -> None:
    names = [("ns6.example.net", ""), ("glued.example.net", "2606:4700::54")]
    found = asyncio.run(find_delegation(names, "192.0.2.53", Network(("192.0.2.53",)), _SixAlone(timeout=1.0)))
    assert found == (
        Server("ns6.example.net", "[2606:4700::53]:53"),
        Server("glued.example.net", "[2606:4700::54]:53"),
    )
