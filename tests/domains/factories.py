"""Domains for tests, and their records at the sandbox's DNS host."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

from django.conf import settings
from django.utils import timezone
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.ses.models import EmailIdentity, ses_backends
from procrastinate.contrib.django.models import ProcrastinateJob

from accounts.models.people import Customer
from domains.deletion import services as deletion_services
from domains.identity import services as identity_services
from domains.models.domains import Domain, Stage
from domains.ownership import core as ownership_core
from domains.preflight import services as preflight_services
from inbound_admin.lib import aws
from sandbox.aws.state import WORLD, Identity, region_state, regions
from sandbox.dns.mistake import WantedRecord
from sandbox.dns.server import DnsServer
from sandbox.dns.zones import ZoneStore
from sandbox.process import Sandbox
from tests.domains.dns_host import nothing_published
from tests.factories import make_customer

_numbers = count(1)


def make_domain(name: str = "", *, customer: Customer | None = None, **fields: Any) -> Domain:
    """Create only the row, without any call. It is proven unless it is a claim."""
    proven_at = None if fields.get("stage") == Stage.CLAIM else timezone.now()
    fields = {"proven_at": proven_at} | fields
    fields = {"region": settings.AWS_REGION, "mail_from_label": "bounce"} | fields
    name = name or f"domain{next(_numbers)}.com"
    fields = {"policies": nothing_published(name).as_json()} | fields
    fields = {"mail_rules": {name: "carried"}} | fields  # an address receives its mail, so the MX record is required
    return Domain.objects.create(name=name, customer=customer or make_customer(), **fields)


def set_up_domain(sandbox: Sandbox, name: str = "", *, customer: Customer | None = None) -> Domain:
    """Add the domain and set it up in the sandbox's SES, with an empty zone at its DNS host."""
    name = name or f"domain{next(_numbers)}.com"
    customer = customer or make_customer()
    domain = preflight_services.add(text=name, customer=customer, actor=None)
    make_zone(sandbox, domain)
    identity_services.set_up(domain_id=domain.id)
    domain.refresh_from_db()
    return domain


def mark_as_proven(domain: Domain) -> Domain:
    """Update the row as after the first check that found it verified by SES."""
    domain.proven_at = timezone.now()
    domain.save(update_fields=("proven_at",))
    return domain


def mark_as_receiving(domain: Domain) -> Domain:
    """Update the row as if SES had verified it and a rule accepted its mail: its MX record is required."""
    Domain.objects.filter(pk=domain.pk).update(
        mail_rules={domain.name: "carried"}, identity_status="SUCCESS", proven_at=timezone.now()
    )
    domain.refresh_from_db()
    return domain


def make_zone(sandbox: Sandbox, domain: Domain) -> str:
    zone = domain.parsed.zone
    if zone not in sandbox.control.list_zones():
        sandbox.control.add_zone(zone)
    return zone


def records_to_publish(domain: Domain) -> tuple[WantedRecord, ...]:
    return tuple(WantedRecord(r.key, r.type, r.name, r.value, r.priority) for r in domain.records)


def publish(sandbox: Sandbox, domain: Domain) -> None:
    """Publish all missing records, as the sandbox's page does."""
    sandbox.control.publish_missing(make_zone(sandbox, domain), records_to_publish(domain))


def publish_proof(sandbox: Sandbox, domain: Domain) -> None:
    """Publish the claim's challenge in its zone."""
    record = ownership_core.challenge(domain.parsed, domain.claim_token)
    sandbox.control.add_record(make_zone(sandbox, domain), record.name, record.type, record.value)


def identity_at_ses(name: str) -> dict[str, Any] | None:
    """Return the identity as boto3 reads it, without times; None if there is none."""
    client = aws.client("sesv2")
    try:
        found: dict[str, Any] = client.get_email_identity(EmailIdentity=name)
    except client.exceptions.NotFoundException:
        return None
    for volatile in ("ResponseMetadata", "VerificationInfo"):
        found.pop(volatile, None)
    found["DkimAttributes"].pop("LastKeyGenerationTimestamp", None)
    attributes = aws.client("ses").get_identity_verification_attributes(Identities=[name])["VerificationAttributes"]
    return found | {"VerificationToken": attributes[name].get("VerificationToken", "")}


def set_identity_status(name: str, **statuses: str) -> None:
    """Set the identity's `ownership`, `dkim` and `mail_from` to these statuses of the SES v1 API."""
    with WORLD.lock:
        for _, state in regions():
            if identity := state.identities.get(name):
                for aspect, status in statuses.items():
                    getattr(identity, aspect).status = status


def waiting_jobs(domain: Domain) -> list[str]:
    jobs = ProcrastinateJob.objects.filter(status="todo", args__domain_id=domain.id)
    return list(jobs.order_by("id").values_list("task_name", flat=True))


@contextmanager
def second_resolver() -> Iterator[str]:
    """Yield another resolver, which knows no zones."""
    server = DnsServer(ZoneStore())
    host, port = server.start()
    try:
        yield f"{host}:{port}"
    finally:
        server.stop()


def zone_of(domain: Domain) -> str:
    return domain.parsed.zone


def seed_identities(names: Iterable[str], **statuses: str) -> None:
    """Create identities directly in the sandbox's state, because ten thousand calls take too long."""
    backend = ses_backends[DEFAULT_ACCOUNT_ID][settings.AWS_REGION]
    state = region_state(backend)
    with WORLD.lock:
        for name in names:
            state.identities[name] = Identity(name, WORLD.clock.now(), has_txt=True)
            backend.email_identities[name] = EmailIdentity(name, None, None, None)
            for aspect in ("ownership", "dkim"):
                getattr(state.identities[name], aspect).start(WORLD.clock.now())
            set_identity_status(name, **statuses)


def delete_marked_domain(*, domain_id: str) -> None:
    """Delete a marked domain, as if no receipt rule referred to it any longer."""
    deletion_services.confirm_routes_removed(domain_id=domain_id)
    deletion_services.execute_deletion(domain_id=domain_id)
