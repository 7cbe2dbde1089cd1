"""Domains to check, and a check of one of them."""

from datetime import UTC, datetime, timedelta

from domains.checking import services as checking_services
from domains.checking.core.judgement import State
from domains.models.domains import Domain
from domains.models.record_checks import RecordCheck
from sandbox.process import Sandbox
from tests.domains.factories import (
    publish,
    set_up_domain,
    zone_of,
)

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def verified_domain(sandbox: Sandbox, name: str = "shop.com") -> Domain:
    domain = set_up_domain(sandbox, name)
    publish(sandbox, domain)
    sandbox.control.tick()
    checking_services.check([domain], now=NOW)
    assert domain.state == State.VERIFIED, domain.summary
    return domain


def check_domain(domain: Domain, now: datetime = NOW) -> Domain:
    checking_services.check([Domain.objects.get(pk=domain.pk)], now=now)
    domain.refresh_from_db()
    return domain


def remove_record(sandbox: Sandbox, domain: Domain, key: str) -> None:
    record = next(record for record in domain.records if record.key == key)
    for found in sandbox.control.records(zone_of(domain)):
        if (found.name, found.type) == (record.name, record.type):
            sandbox.control.remove_record(zone_of(domain), found.id)


def states(domain: Domain) -> dict[str, str]:
    return dict(RecordCheck.objects.filter(domain=domain).values_list("key", "state"))
