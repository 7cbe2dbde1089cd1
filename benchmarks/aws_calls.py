"""Counts the SES calls of common work at the sandbox. SES allows one a second."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from accounts.models.people import Customer
from benchmarks import database
from benchmarks.rows import Row, at_most
from sandbox.process import Sandbox

if TYPE_CHECKING:
    from accounts.models.people import Customer

DOMAINS = 10_000
ADDING, STATES, FAMILIES = 4, 12, 320
_NOW = datetime(2026, 1, 1, tzinfo=UTC)


def rows() -> list[Row]:
    """Return all rows, measured on a separate database."""
    with database.fresh(), Sandbox() as sandbox, pointed_at(sandbox):
        return [
            at_most("AWS calls to add one domain", _adding(sandbox), "calls", ADDING),
            at_most(f"AWS calls to read the state of {DOMAINS:,} identities", _states(sandbox), "calls", STATES),
            at_most(f"AWS calls to read all of {DOMAINS:,} domains", _families(sandbox), "calls", FAMILIES),
        ]


def _adding(sandbox: Sandbox) -> int:
    from domains.identity import services as identity_services
    from domains.models.domains import Stage
    from domains.preflight import services as preflight_services

    sandbox.control.reset()
    domain = preflight_services.add(text="shop.com", customer=_customer(), actor=None)
    identity_services.set_up(domain_id=domain.id)
    domain.refresh_from_db()
    assert domain.stage == Stage.READY
    domain.delete()
    return _calls(sandbox)


def _states(sandbox: Sandbox) -> int:
    """Count calls of a pass over tenants. Every stored status is outdated, so a missed read would show."""
    from domains.identity_status import services as identity_status_services

    _ten_thousand(sandbox)
    assert identity_status_services.detect_changes(now=_NOW) == DOMAINS
    return _calls(sandbox)


def _families(sandbox: Sandbox) -> int:
    from domains.checking.core.judgement import SesStatus
    from domains.identity_status import services as identity_status_services
    from domains.models.domains import Domain

    _ten_thousand(sandbox)
    identity_status_services.read_statuses(list(Domain.objects.all()), now=_NOW)
    read = Domain.objects.filter(identity_status=SesStatus.PENDING, dkim_status=SesStatus.PENDING, ses_problem="")
    assert read.count() == DOMAINS
    return _calls(sandbox)


def _ten_thousand(sandbox: Sandbox) -> None:
    """Create domains that were set up long ago, and their identities directly in the sandbox's store."""
    from domains.checking.core.judgement import SesStatus
    from domains.models.domains import Domain, Stage
    from tests.domains.factories import seed_identities

    sandbox.control.reset()
    Domain.objects.all().delete()
    customer, later = _customer(), datetime(2026, 1, 2, tzinfo=UTC)
    known = {"stage": Stage.READY, "identity_status": SesStatus.SUCCESS, "next_check_at": later, "proven_at": later}
    names = [f"domain{number}.com" for number in range(DOMAINS)]
    Domain.objects.bulk_create(Domain(customer=customer, name=name, region="eu-west-1", **known) for name in names)
    seed_identities(names)


def _customer() -> "Customer":
    from tests.factories import make_customer

    return make_customer()


def _calls(sandbox: Sandbox) -> int:
    return sum(sandbox.control.call_counts().values())


@contextmanager
def pointed_at(sandbox: Sandbox) -> Iterator[None]:
    from django.test import override_settings

    given = {"AWS_ENDPOINT_URL": sandbox.aws_url, "DNS_RESOLVERS": (sandbox.dns_address,), "AWS_CALLS_PER_SECOND": 0}
    with override_settings(AWS_REGION="eu-west-1", **given):
        yield
