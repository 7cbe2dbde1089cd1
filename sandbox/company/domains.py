"""The company's domains: added, set up, published and checked as their owners, the worker and SES would."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from django.utils import timezone

from accounts.models.people import Customer
from domains.checking import services as checking_services
from domains.domain_list import services as domain_list_services
from domains.identity import services as identity_services
from domains.identity_status import services as identity_status_services
from domains.models.domains import Domain, Stage
from domains.names.core import parse_domain
from domains.overrides import services as overrides_services
from domains.preflight import services as preflight_services
from sandbox.client import ControlClient
from sandbox.company.cast import FAULTS, FORGOTTEN, KETTLE, NAMESERVERS, PENDING, VERIFIED
from sandbox.company.people import owner_of, staff
from sandbox.panel import NAMESERVERS as OF_UNKNOWN_HOST
from sandbox.panel import as_wanted, open_zone, records_of
from sandbox.story import publish_mistaken
from tenants.status_pass import services as status_pass_services

BROKEN_LATER = "news.sableandfinch.com"
BROKEN_AND_MENDED = "copperkettle.coffee"
HELD, OVERRIDDEN = "legacy.pelicanfreight.com", "beta.tallisaudio.com"


def verified(host: ControlClient) -> None:
    """Domains that were correct from their first day on."""
    made = add(host, VERIFIED)
    publish(host, made)
    host.tick()
    check(made)


def forgotten(host: ControlClient) -> None:
    check(add(host, FORGOTTEN))


def fresh(host: ControlClient) -> None:
    """Domains of the last two days: nothing is published yet, or with a mistake."""
    check(add(host, PENDING))
    made = {domain.name: domain for domain in add(host, [(fault.name, fault.firm) for fault in FAULTS])}
    for fault in FAULTS:
        if not made[fault.name].last_dns_check:
            publish_mistaken(host, made[fault.name], fault.key, fault.code)
    host.tick()
    check(list(made.values()))
    _decide()


def add(host: ControlClient, wanted: Iterable[tuple[str, str]]) -> list[Domain]:
    """Return domains by name and customer; existing ones are unchanged."""
    known = set(host.list_zones())
    return [_added(host, name, customer, known) for name, customer in wanted]


def _added(host: ControlClient, name: str, of: str, known: set[str]) -> Domain:
    domain = Domain.objects.filter(name=name).first()
    if domain is None:
        zone = parse_domain(name).domain.zone
        open_zone(host, zone, known, NAMESERVERS.get(of, OF_UNKNOWN_HOST))
        known.add(zone)
        customer = Customer.objects.get(name=of)
        domain = preflight_services.add(text=name, customer=customer, actor=owner_of(customer))
    if domain.stage == Stage.STARTING:
        identity_services.set_up(domain_id=domain.pk)
        domain.refresh_from_db()
    return domain


def publish(host: ControlClient, domains: Iterable[Domain]) -> None:
    for domain in domains:
        host.publish_missing(domain.parsed.zone, [as_wanted(domain, record) for record in records_of(domain)])


def check(domains: Sequence[Domain]) -> None:
    """Check domains that are set up and were not checked in the last minutes, in one round."""
    lately = timezone.now() - timedelta(minutes=5)
    due = [domain for domain in domains if domain.stage == Stage.READY and not _since(domain, lately)]
    checking_services.check(due, now=timezone.now())


def _since(domain: Domain, moment: datetime) -> bool:
    return domain.last_dns_check is not None and domain.last_dns_check > moment


def take_away(host: ControlClient, name: str, key: str) -> None:
    """Remove one record at the DNS host."""
    domain = Domain.objects.get(name=name)
    gone = next(record for record in domain.records if record.key == key)
    zone = domain.parsed.zone
    for standing in host.records(zone):
        if (standing.name, standing.type) == (gone.name, gone.type):
            host.remove_record(zone, standing.id)
    notice(host, domain)


def put_back(host: ControlClient, name: str) -> None:
    domain = Domain.objects.get(name=name)
    publish(host, [domain])
    notice(host, domain)


def notice(host: ControlClient, *domains: Domain) -> None:
    """Let SES check them, then check them ourselves."""
    host.tick()
    checking_services.check(domains, now=timezone.now())


def check_due() -> None:
    """Check due domains as the worker does."""
    now = timezone.now()
    identity_status_services.detect_changes(now=now)
    checking_services.check_due(now=now)


def look_in_passing() -> None:
    """Do the worker's hourly work, and a client's API request whether a name can be added."""
    now = timezone.now()
    domain_list_services.record_state_counts(now=now)
    status_pass_services.read_account()
    customer = Customer.objects.get(name=KETTLE)
    preflight_services.check_usability(text=f"offers-{now:%-d-%b}.copperkettle.coffee".lower(), customer=customer)


def _decide() -> None:
    """Hold one domain, and override the state of another, as our staff."""
    held, overridden = (Domain.objects.get(name=name) for name in (HELD, OVERRIDDEN))
    if not held.is_held:
        because = "Pelican moves this one to another DNS host this week. They call when it is done."
        overrides_services.hold(domain=held, because=because, actor=staff("Omar"))
    if not overridden.override_state:
        because = "Tallis publishes these records at its launch; until then nobody needs to be asked for them."
        until = timezone.now() + timedelta(days=10)
        overrides_services.override_state(
            domain=overridden, state="waiting", because=because, until=until, actor=staff("Omar")
        )
