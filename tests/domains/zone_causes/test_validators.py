"""A zone whose DNSSEC is broken for resolvers that validate is not healthy, although another resolver finds it."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import dns.flags
import dns.message
import dns.query
import pytest
from django.utils import timezone
from pytest_django import Settings

from benchmarks.faults import resolvers
from domains.checking import services as checking_services
from domains.checking.core.judgement import State
from domains.models.domains import Domain
from domains.names.core import is_within
from sandbox.process import Sandbox
from tests.domains.factories import publish, set_up_domain

pytestmark = [pytest.mark.django_db, pytest.mark.allow_hosts([f"127.0.0.{number}" for number in range(1, 12)])]
NAME = "shop.com"


@contextmanager
def validating_resolver(sandbox: Sandbox, *bogus: str) -> Iterator[str]:
    """Yield a resolver that asks the sandbox's. It fails for names in these zones if it is to validate."""
    host, _, port = sandbox.dns_address.rpartition(":")

    def answer(asked: dns.message.Message, by_tcp: bool) -> bytes | None:
        name = asked.question[0].name.to_text(omit_final_dot=True).lower()
        if not asked.flags & dns.flags.CD and any(is_within(name, zone) for zone in bogus):
            return resolvers.fails(asked, by_tcp)
        return dns.query.udp(asked, host, port=int(port), timeout=2).to_wire()

    with resolvers.answering(answer) as at:
        yield at


def published(sandbox: Sandbox) -> Domain:
    """Return a domain with all records in a zone with nameservers, which SES has verified."""
    domain = set_up_domain(sandbox, NAME)
    sandbox.control.remove_zone(NAME)
    sandbox.control.add_zone(NAME, ("ns1.host.test", "ns2.host.test"))
    publish(sandbox, domain)
    sandbox.control.tick()
    return domain


def verified(sandbox: Sandbox) -> Domain:
    return check(published(sandbox))


def check(domain: Domain) -> Domain:
    checking_services.check([domain], now=timezone.now() + timedelta(seconds=1))
    domain.refresh_from_db()
    return domain


@pytest.mark.parametrize("is_first", [True, False])
def test_a_domain_is_at_risk_if_one_of_two_resolvers_rejects_its_signatures(
    sandbox: Sandbox, settings: Settings, is_first: bool
) -> None:
    domain = verified(sandbox)
    assert domain.state == State.VERIFIED
    with validating_resolver(sandbox, NAME) as other:
        settings.DNS_RESOLVERS = (other, sandbox.dns_address) if is_first else (sandbox.dns_address, other)
        check(domain)
        assert (domain.state, domain.verified_at is not None) == (State.AT_RISK, True)
        assert domain.summary.startswith("DNSSEC of shop.com is broken: resolvers that validate can't see any of its")
        assert set(domain.record_checks.filter(key__startswith="dkim").values_list("code", flat=True)) == {
            "dns.dnssec.broken"
        }
    settings.DNS_RESOLVERS = (sandbox.dns_address,)
    assert check(domain).state == State.VERIFIED


def test_a_new_domain_with_broken_dnssec_is_not_verified(sandbox: Sandbox, settings: Settings) -> None:
    domain = published(sandbox)
    with validating_resolver(sandbox, NAME) as other:
        settings.DNS_RESOLVERS = (sandbox.dns_address, other)
        assert (check(domain).state, domain.verified_at) == (State.WRONG, None)


@pytest.mark.parametrize("bogus", [("com",), ("com", NAME)])
def test_a_resolver_that_rejects_the_zone_above_as_well_proves_nothing(
    sandbox: Sandbox, settings: Settings, bogus: tuple[str, ...]
) -> None:
    """Its clock or its trust anchor may be wrong."""
    domain = verified(sandbox)
    with validating_resolver(sandbox, *bogus) as other:
        settings.DNS_RESOLVERS = (sandbox.dns_address, other)
        assert check(domain).state == State.VERIFIED


@pytest.mark.parametrize("lie", ["silent", "fails", "refuses"])
def test_a_resolver_that_always_fails_proves_nothing(sandbox: Sandbox, settings: Settings, lie: str) -> None:
    domain = verified(sandbox)
    with resolvers.answering(getattr(resolvers, lie)) as other:
        settings.DNS_RESOLVERS = (sandbox.dns_address, other)
        assert check(domain).state == State.VERIFIED
