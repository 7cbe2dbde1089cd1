"""Endpoints, addresses and catch-alls of the demo, their receipt rules, and other people's changes to those."""

from collections.abc import Mapping
from contextlib import suppress

from django.conf import settings

from accounts.models.people import Customer
from domains.models.domains import Domain
from inbound_admin.lib import aws
from operations.drift import services as drift_services
from receipt_rules.addresses import services as addresses_services
from receipt_rules.auto_apply import services as auto_apply_services
from receipt_rules.drift import services as receipt_rules_drift_services
from receipt_rules.endpoints import services as endpoints_services
from receipt_rules.models.addresses import Address, CatchAll
from receipt_rules.models.endpoints import Endpoint, EndpointType
from receipt_rules.models.runs import Run, RunState
from receipt_rules.planner import services as planner_services
from sandbox.client import ControlClient
from sandbox.company.cast import BRIGHTWATER, FENWICK, KETTLE, MAPLE, ORCHARD, PELICAN, SABLE, TALLIS
from sandbox.company.people import owner_of, staff

FAILING = "pelican-crm"
# By customer: the name of each endpoint, and of the sandbox's sink for it.
WEBHOOKS = (
    (MAPLE, "Order system", "maple-orders"),
    (MAPLE, "Help desk", "maple-help"),
    (ORCHARD, "School office", "orchard-office"),
    (PELICAN, "CRM", FAILING),
    (FENWICK, "Case files", "fenwick-cases"),
    (TALLIS, "Support desk", "tallis-support"),
    (BRIGHTWATER, "Bookings", "brightwater-bookings"),
    (KETTLE, "Shop", "kettle-shop"),
)
ADDRESSES = (
    ("orders@maplestreetbakery.com", "Order system"),
    ("wholesale@maplestreetbakery.com", "Order system"),
    ("office@orchardlaneschool.org", "School office"),
    ("absences@orchardlaneschool.org", "School office"),
    ("dispatch@pelicanfreight.com", "CRM"),
    ("claims@pelicanfreight.com", "CRM"),
    ("intake@fenwicklegal.com", "Case files"),
    ("billing@fenwicklegal.com", "Case files"),
    ("help@tallisaudio.com", "Support desk"),
    ("press@tallisaudio.com", "Support desk"),
    ("classes@brightwater.yoga", "Bookings"),
    ("beans@copperkettle.coffee", "Shop"),
)
# With exact addresses of the same domain, or without.
CATCH_ALLS = (("maplestreetbakery.com", "Help desk"), ("orchardlaneschool.org", "School office"))
LATER = (("returns@tallisaudio.com", "Support desk"), ("archive@fenwicklegal.com", "Case files"))
FORWARDED = ("studio@sableandfinch.com", SABLE)
FOREIGN, STRAY = "newsletter-bounces", "press-freeze-test"
STOPPED = "press@tallisaudio.com"
RECIPIENTS = 500  # in a rule


def add_addresses(host: ControlClient) -> None:
    """Add the customers' endpoints, addresses and catch-alls."""
    for customer, name, sink in WEBHOOKS:
        _endpoint(customer, name, EndpointType.WEBHOOK, {"url": host.sink_url(sink), "payload": "standard"})
    for text, endpoint in ADDRESSES:
        _add_address(text, endpoint)
    for name, endpoint in CATCH_ALLS:
        _set_catch_all(name, endpoint)
    _forward()
    _catch_below()


def _forward() -> None:
    """Add an address that forwards to a mailbox whose owner has not confirmed yet."""
    text, customer = FORWARDED
    endpoint = _endpoint(customer, "Sade's mailbox", EndpointType.EMAIL, {"address": "sade.finch@mailbox.example"})
    if not Address.objects.filter(address=text).exists():
        addresses_services.add_address(
            text=text, customer=endpoint.customer, actor=owner_of(endpoint.customer), endpoint=endpoint
        )


def _catch_below() -> None:
    """Turn on a subdomain catch-all."""
    domain = Domain.objects.get(name="track.pelicanfreight.com")
    if not CatchAll.objects.filter(domain=domain, subdomains=True).exists():
        endpoint = Endpoint.objects.get(name="CRM")
        addresses_services.set_catch_all(
            domain=domain, actor=owner_of(domain.customer), endpoint=endpoint, subdomains=True
        )


def _endpoint(of: str, name: str, kind: str, config: dict[str, str]) -> Endpoint:
    customer = Customer.objects.get(name=of)
    return Endpoint.objects.filter(customer=customer, name=name).first() or endpoints_services.add_endpoint(
        customer=customer, name=name, type=kind, config=config, actor=owner_of(customer)
    )


def _add_address(text: str, endpoint: str) -> None:
    if not Address.objects.filter(address=text).exists():
        to = Endpoint.objects.select_related("customer").get(name=endpoint)
        addresses_services.add_address(text=text, customer=to.customer, actor=owner_of(to.customer), endpoint=to)


def _set_catch_all(name: str, endpoint: str) -> None:
    domain = Domain.objects.select_related("customer").get(name=name)
    if not CatchAll.objects.filter(domain=domain).exists():
        to = Endpoint.objects.get(name=endpoint)
        addresses_services.set_catch_all(domain=domain, actor=owner_of(domain.customer), endpoint=to)


def apply(because: str) -> Run | None:
    """Approve the plan as an operator and apply it as the worker. Return the run, or None if nothing differs."""
    made = planner_services.plan_changes()
    if made.is_empty:
        return None
    name = made.before.name
    run = planner_services.approve(digest=made.digest, because=because, actor=staff("Omar"), typed=name)
    auto_apply_services.work()
    return run


def change_by_themselves() -> None:
    """Let customers add addresses, which the worker applies without approval."""
    for text, endpoint in LATER:
        _add_address(text, endpoint)
        auto_apply_services.work()


def fail_a_run(host: ControlClient) -> None:
    """Approve a plan while SES allows fewer recipients in a rule than before; then restore the limit."""
    if Run.objects.filter(state=RunState.FAILED).exists():
        return
    host.set_limits(recipients=1)
    try:
        domain = Domain.objects.get(name="copperkettle.coffee")
        to = Endpoint.objects.get(name="Shop")
        addresses_services.set_catch_all(domain=domain, actor=owner_of(domain.customer), endpoint=to)
        apply("Copper Kettle wants all mail for its domain.")
    finally:
        restore_limits(host)


def restore_limits(host: ControlClient) -> None:
    """Set the usual quota, because an interrupted seed may have left another."""
    host.set_limits(recipients=RECIPIENTS)


def add_foreign_rule() -> None:
    """Add the rule of another program of the operator, which an operator accepted."""
    store = {"S3Action": {"BucketName": settings.RECEIVING_BUCKET, "ObjectKeyPrefix": "newsletter/"}}
    if _add_rule(FOREIGN, "bounces@letters.example", store):
        receipt_rules_drift_services.check_drift()
        because = "The newsletter's own rule. It concerns none of our customers."
        receipt_rules_drift_services.accept(because=because, actor=staff("Omar"))


def add_stray_rule() -> None:
    """Add a rule that somebody tried in the SES console and forgot: mail for one customer's address isn't delivered."""
    _add_rule(STRAY, STOPPED, {"StopAction": {"Scope": "RuleSet"}})
    ses = aws.client("sesv2")
    with suppress(ses.exceptions.AlreadyExistsException):
        ses.create_email_identity(EmailIdentity="trial.pretend-post.net")


def _add_rule(name: str, recipient: str, action: Mapping[str, object]) -> bool:
    """Create a rule before all others, outside the product. Return False if it exists."""
    ses = aws.client("ses")
    active = ses.describe_active_receipt_rule_set()
    if any(rule["Name"] == name for rule in active["Rules"]):
        return False
    rule = {"Name": name, "Enabled": True, "Recipients": [recipient], "Actions": [action]}
    ses.create_receipt_rule(RuleSetName=active["Metadata"]["Name"], Rule=rule)
    return True


def look_for_drift() -> None:
    """Check for drift as the worker does each hour and each night."""
    receipt_rules_drift_services.check_drift()
    drift_services.import_rule_drift()


def publish_mx(host: ControlClient, region: str) -> list[Domain]:
    """Publish MX records to SES and return those domains."""
    names = {text.rpartition("@")[2] for text, _ in ADDRESSES} | {FORWARDED[0].rpartition("@")[2]}
    names |= {name for name, _ in CATCH_ALLS}
    found = list(Domain.objects.filter(name__in=sorted(names)))
    for domain in found:
        zone = domain.parsed.zone
        if not any((record.name, record.type) == (domain.name, "MX") for record in host.records(zone)):
            host.add_record(zone, domain.name, "MX", f"10 inbound-smtp.{region}.amazonaws.com")
    return found
