"""Domains for tests, and their records at the sandbox's DNS host."""

from itertools import count
from typing import Any

from domains.models import Domain
from domains.services import adding, setting_up
from inbound_admin.sandbox.dns.mistakes import WantedRecord
from inbound_admin.sandbox.process import Sandbox
from tenants.models import Customer
from tests.factories import make_customer

_numbers = count(1)


def make_domain(name: str = "", *, customer: Customer | None = None, **fields: Any) -> Domain:
    """A row alone, without a call to anybody."""
    fields = {"region": "eu-west-1", "mail_from_label": "bounce"} | fields
    name = name or f"domain{next(_numbers)}.com"
    return Domain.objects.create(name=name, customer=customer or make_customer(), **fields)


def set_up_domain(sandbox: Sandbox, name: str = "", *, customer: Customer | None = None) -> Domain:
    """Added and set up at the sandbox's Amazon, with an empty zone at its DNS host."""
    name = name or f"domain{next(_numbers)}.com"
    customer = customer or make_customer()
    domain = adding.add(text=name, customer=customer, actor=None)
    make_zone(sandbox, domain)
    setting_up.set_up(domain_id=domain.id)
    domain.refresh_from_db()
    return domain


def make_zone(sandbox: Sandbox, domain: Domain) -> str:
    zone = domain.parsed.zone
    if zone not in sandbox.control.list_zones():
        sandbox.control.add_zone(zone)
    return zone


def wanted(domain: Domain) -> tuple[WantedRecord, ...]:
    return tuple(WantedRecord(r.key, r.type, r.name, r.value, r.priority) for r in domain.records)


def publish(sandbox: Sandbox, domain: Domain) -> None:
    """All that is missing, as "publish all that is missing" of the Sandbox page does."""
    sandbox.control.publish_missing(make_zone(sandbox, domain), wanted(domain))
