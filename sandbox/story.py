"""Customers and domains of the demo, each in another state, created by the services that the pages call.

Repeatable: existing objects are unchanged, and unfinished ones are completed.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cache

from allauth.account.models import EmailAddress
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group
from django.db import transaction
from django.utils import timezone

from accounts.models.people import Customer, User
from domains.checking import services as checking_services
from domains.identity import services as identity_services
from domains.models.domains import Domain
from domains.names.core import parse_domain
from domains.ownership_claims import services as ownership_claims_services
from domains.preflight import services as preflight_services
from inbound_admin.lib.errors import Problem
from operations.customers.services import create_customer
from sandbox.client import ControlClient
from sandbox.demo import ACCOUNTS, Account
from sandbox.panel import as_wanted, control, open_zone, records_of
from tenants.lifecycle import services as lifecycle_services
from tenants.lifecycle.selectors import unfinished
from tenants.metrics import services as metrics_services
from tenants.reputation import services as reputation_services
from tenants.reputation.selectors import existing_in_ses
from tenants.resources import services as resources_services
from tenants.status import services as status_services

TICK_SECONDS = 60.0


@dataclass(frozen=True)
class Story:
    """A domain of a demo customer, and what its owner did at the DNS host so far."""

    name: str
    customer: str
    act: Callable[[ControlClient, Domain], None]


def waiting(host: ControlClient, domain: Domain) -> None:
    """Nothing is published yet."""
    _look(domain)


def half_way(host: ControlClient, domain: Domain) -> None:
    for record in domain.records[:3]:
        host.publish(domain.parsed.zone, as_wanted(domain, record))
    _look(domain)


def verified(host: ControlClient, domain: Domain) -> None:
    _publish(host, domain)
    host.tick()
    _look(domain)


def at_risk(host: ControlClient, domain: Domain) -> None:
    """It was verified, then somebody removed a record."""
    verified(host, domain)
    gone = next(record for record in domain.records if record.key == "dkim-3")
    zone = domain.parsed.zone
    for standing in host.records(zone):
        if (standing.name, standing.type) == (gone.name, gone.type):
            host.remove_record(zone, standing.id)
    host.tick()
    _look(domain)


def mistaken(key: str, code: str) -> Callable[[ControlClient, Domain], None]:
    """Make a mistake of `dns.mistakes` with the record `key`."""

    def act(host: ControlClient, domain: Domain) -> None:
        publish_mistaken(host, domain, key, code)
        host.tick()
        _look(domain)

    return act


def claimed(host: ControlClient, domain: Domain) -> None:
    """Its owner hasn't published the ownership record, which we keep checking."""
    ownership_claims_services.check_claim(domain)


STORIES = (
    Story("northwind-books.com", "Northwind Books", verified),
    Story("orders.northwind-books.com", "Northwind Books", half_way),
    Story("letters.northwind-books.com", "Northwind Books", mistaken("dkim-2", "name.doubled_zone")),
    Story("kiteandkey.studio", "Kite & Key Studio", mistaken("mail-from-spf", "rival.second_spf")),
    Story("clients.kiteandkey.studio", "Kite & Key Studio", waiting),
    Story("harbourdental.co.uk", "Harbour Dental", verified),
    Story("recall.harbourdental.co.uk", "Harbour Dental", at_risk),
    Story("quay-street-clinic.com", "Harbour Dental", claimed),
)
# Fractions. Harbour Dental's bounces are a low-impact finding, for which its policy doesn't pause.
HEALTHY = {"bounce": 0.012, "complaint": 0.0002}
RATES = {"Harbour Dental": {"bounce": 0.118, "complaint": 0.0011}}
# An earlier owner's leftovers are why ownership must be proven.
LEFT_BEHIND = (
    "quay-street-clinic.com",
    "_amazonses.quay-street-clinic.com",
    "XeJH3TnYzYpDcO5mU3rN0tAXTW0c7h3Nn7vQ8w2b1kE=",
)


def people() -> None:
    """Raises Problem if the staff roles are missing."""
    hashed = cache(make_password)  # they share a password, and hashing takes half a second
    for account in ACCOUNTS:
        _person(account, hashed)


def tenants() -> None:
    """Create tenants in the sandbox's SES and associate domains, as the worker would. Raises Problem."""
    for tenant in unfinished():
        lifecycle_services.create_in_ses(tenant_id=tenant.pk)
        resources_services.apply_associations(tenant_id=tenant.pk)


def reputations() -> None:
    """Add a day of rates to each, and a finding to one. Only once: later changes are kept."""
    now = timezone.now()
    with control(TICK_SECONDS) as host:
        for tenant in existing_in_ses().filter(rate_samples=None).select_related("customer"):
            host.set_rates(tenant.name, **RATES.get(tenant.customer.name, HEALTHY))
            metrics_services.sync_metrics(tenant_id=tenant.pk, now=now)
            reputation_services.sync_recommendations(tenant_id=tenant.pk, now=now)
            status_services.read_tenant(tenant_id=tenant.pk)


def domains(only: Collection[str] | None = None) -> None:
    """Create all domains, or those with these names. Raises Problem if the sandbox doesn't answer."""
    with control(TICK_SECONDS) as host:
        known = set(host.list_zones())
        for story in STORIES:
            if only is None or story.name in only:
                _domain(host, story, known)


def _person(account: Account, hashed: Callable[[str], str]) -> None:
    user = User.objects.filter(email=account.email).first()
    if user is None:
        names = {"first_name": account.first_name, "last_name": account.last_name}
        with transaction.atomic():
            user = User.objects.create_user(account.email, None, **names)
            user.password = hashed(account.password)
            user.save(update_fields=("password",))
    EmailAddress.objects.get_or_create(user=user, email=user.email, defaults={"verified": True, "primary": True})
    if account.role:
        user.is_staff = True
        user.save(update_fields=("is_staff",))
        user.groups.add(_group(account.role))
    elif not Customer.objects.filter(name=account.customer).exists():
        create_customer(name=account.customer, owner=user, actor=None)


def _group(role: str) -> Group:
    group = Group.objects.filter(name=role).first()
    if group is None:
        raise Problem(f"There is no group “{role}”: run `manage.py migrate`, which makes the roles of our staff.")
    return group


def _domain(host: ControlClient, story: Story, known: set[str]) -> None:
    domain = Domain.objects.filter(name=story.name).first() or _added(host, story, known)
    identity_services.set_up(domain_id=domain.id)
    domain.refresh_from_db()
    if domain.last_dns_check is None:
        story.act(host, domain)


def _added(host: ControlClient, story: Story, known: set[str]) -> Domain:
    zone, record, value = LEFT_BEHIND
    own = parse_domain(story.name).domain.zone
    open_zone(host, own, known)
    known.add(own)
    if own == zone and all(standing.name != record for standing in host.records(zone)):
        host.add_record(zone, record, "TXT", value)
    customer = Customer.objects.get(name=story.customer)
    owner = User.objects.get(email=next(it.email for it in ACCOUNTS if it.customer == story.customer))
    return preflight_services.add(text=story.name, customer=customer, actor=owner)


def _publish(host: ControlClient, domain: Domain) -> None:
    host.publish_missing(domain.parsed.zone, [as_wanted(domain, record) for record in records_of(domain)])


def publish_mistaken(host: ControlClient, domain: Domain, key: str, code: str) -> None:
    """Publish all records, the one of `key` never correctly: the sandbox's SES may check at any time and verify it."""
    zone, records = domain.parsed.zone, records_of(domain)
    mistaken = next(record for record in records if record.key == key)
    rightly = [record for record in records if record is not mistaken or code.startswith("zone.")]
    host.publish_missing(zone, [as_wanted(domain, record) for record in rightly])
    host.make_mistake(zone, as_wanted(domain, mistaken), code)


def _look(domain: Domain) -> None:
    checking_services.check([domain], now=timezone.now())
