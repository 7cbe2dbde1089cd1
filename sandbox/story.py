"""The demo's customers and domains, each in a state of its own: made by the services that the pages call.

Safe to repeat: what is there stays as somebody left it, and what was begun is finished.
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
    """A domain of a demo customer, and what its owner has done at the DNS host so far."""

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
    """It was verified, and then somebody removed a record."""
    verified(host, domain)
    gone = next(record for record in domain.records if record.key == "dkim-3")
    zone = domain.parsed.zone
    for standing in host.records(zone):
        if (standing.name, standing.type) == (gone.name, gone.type):
            host.remove_record(zone, standing.id)
    host.tick()
    _look(domain)


def mistaken(key: str, code: str) -> Callable[[ControlClient, Domain], None]:
    """One of `dns.mistakes` was made with the record `key`."""

    def act(host: ControlClient, domain: Domain) -> None:
        publish_mistaken(host, domain, key, code)
        host.tick()
        _look(domain)

    return act


def claimed(host: ControlClient, domain: Domain) -> None:
    """Its owner has not published the proof, and we look for it."""
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
# Fractions. Harbour Dental's bounces are a finding of low impact, which its policy does not pause for.
HEALTHY = {"bounce": 0.012, "complaint": 0.0002}
RATES = {"Harbour Dental": {"bounce": 0.118, "complaint": 0.0011}}
# What an earlier owner of this one left behind is why a proof is asked for.
LEFT_BEHIND = (
    "quay-street-clinic.com",
    "_amazonses.quay-street-clinic.com",
    "XeJH3TnYzYpDcO5mU3rN0tAXTW0c7h3Nn7vQ8w2b1kE=",
)


def people() -> None:
    """Raises Problem when the roles of our staff are missing."""
    hashed = cache(make_password)  # they share a password, and to hash it takes half a second
    for account in ACCOUNTS:
        _person(account, hashed)


def tenants() -> None:
    """What the worker would do: create them at the sandbox's Amazon, and put their domains in. Raises Problem."""
    for tenant in unfinished():
        lifecycle_services.create_in_ses(tenant_id=tenant.pk)
        resources_services.apply_associations(tenant_id=tenant.pk)


def reputations() -> None:
    """A day of rates for each, and one of them with a finding. Once: what somebody has changed since stays."""
    now = timezone.now()
    with control(TICK_SECONDS) as host:
        for tenant in existing_in_ses().filter(rate_samples=None).select_related("customer"):
            host.set_rates(tenant.name, **RATES.get(tenant.customer.name, HEALTHY))
            metrics_services.sync_metrics(tenant_id=tenant.pk, now=now)
            reputation_services.sync_recommendations(tenant_id=tenant.pk, now=now)
            status_services.read_tenant(tenant_id=tenant.pk)


def domains(only: Collection[str] | None = None) -> None:
    """All of them, or those of these names. Raises Problem when the sandbox does not answer."""
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
    """All records, the one of `key` never rightly: the sandbox's SES looks at any moment, and would verify it first."""
    zone, records = domain.parsed.zone, records_of(domain)
    mistaken = next(record for record in records if record.key == key)
    rightly = [record for record in records if record is not mistaken or code.startswith("zone.")]
    host.publish_missing(zone, [as_wanted(domain, record) for record in rightly])
    host.make_mistake(zone, as_wanted(domain, mistaken), code)


def _look(domain: Domain) -> None:
    checking_services.check([domain], now=timezone.now())
