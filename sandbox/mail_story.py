"""Inbound mail of the demo: rules, an MX record, an address, and an endpoint at the sandbox's webhook sink.

Safe to repeat: existing objects stay unchanged, except the URLs that follow the sandbox's ports.
"""

import re

from django.conf import settings
from django.utils import timezone

from accounts.api_keys.services import create_api_key, revoke_api_key
from accounts.models.api_keys import ApiKey
from accounts.models.people import Customer, User
from domains.checking import services as checking_services
from domains.models.domains import Domain
from inbound_admin.lib.errors import Problem
from notifications.models.webhooks import WebhookTarget
from notifications.webhooks import services as webhooks_services
from receipt_rules.addresses import services as addresses_services
from receipt_rules.auto_apply import services as auto_apply_services
from receipt_rules.endpoints import services as endpoints_services
from receipt_rules.models.addresses import Address
from receipt_rules.models.endpoints import Endpoint, EndpointType
from receipt_rules.planner import services as planner_services
from sandbox.client import ControlClient
from sandbox.demo import ACCOUNTS
from sandbox.panel import control

NAME, CUSTOMER, ADDRESS = "northwind-books.com", "Northwind Books", "orders@northwind-books.com"
SINK, KEY = "Demo sink", "sandbox function"
WHY = "The demo receives mail."
_AT_SINK = re.compile(r"http://127\.0\.0\.1:\d+/_sink/([\w-]+)")


def mail() -> None:
    """Raises Problem when the sandbox does not answer."""
    domain = Domain.objects.select_related("customer").get(name=NAME)
    with control(60.0) as host:
        endpoint = _endpoint(host, domain.customer)
        if not Address.objects.filter(address=ADDRESS).exists():
            addresses_services.add_address(text=ADDRESS, customer=domain.customer, actor=None, endpoint=endpoint)
            _apply()
        _publish_mx(host, domain)
        connect(host)


def connect(host: ControlClient) -> None:
    """Give the sandbox the URL of the product and an API key for its function. An earlier key is revoked."""
    _follow_sinks(host)
    if not settings.SITE_URL or host.has_receiver(settings.SITE_URL.rstrip("/")):
        return
    for old in ApiKey.objects.filter(name=KEY, revoked_at=None):
        revoke_api_key(key=old, actor=None)
    made = create_api_key(user=_operator(), name=KEY, scopes=["route", "report"], actor=None)
    host.set_receiver(settings.SITE_URL.rstrip("/"), made.secret)


def _follow_sinks(host: ControlClient) -> None:
    """Update the URLs of endpoints and webhooks at the sandbox's sinks to its current port."""
    for endpoint in Endpoint.objects.select_related("customer").filter(type=EndpointType.WEBHOOK):
        url = _moved(host, str(endpoint.config.get("url", "")))
        if url:
            endpoints_services.change_endpoint(endpoint=endpoint, actor=None, config={"url": url})
    for target in WebhookTarget.objects.all():
        url = _moved(host, target.url)
        if url:
            of = target.created_by or _operator()
            webhooks_services.change_target(
                target=target, name=target.name, url=url, events=target.events, is_on=target.is_on, actor=of
            )


def _moved(host: ControlClient, url: str) -> str:
    """Return the current URL of the sink, or "" if the URL is current or isn't a sink's."""
    found = _AT_SINK.fullmatch(url)
    now = host.sink_url(found[1]) if found else ""
    return "" if now == url else now


def _endpoint(host: ControlClient, customer: Customer) -> Endpoint:
    found = Endpoint.objects.filter(customer=customer, name=SINK).first()
    return found or endpoints_services.add_endpoint(
        customer=customer, name=SINK, type="webhook", config={"url": host.sink_url()}, actor=None
    )


def _apply() -> None:
    """Approve the first plan as an operator does, and apply it as the worker does."""
    made = planner_services.plan_changes()
    if not made.is_empty:
        name = made.before.name
        planner_services.approve(digest=made.digest, because=WHY, actor=_operator(), typed=name)
    auto_apply_services.work()


def _publish_mx(host: ControlClient, domain: Domain) -> None:
    zone = domain.parsed.zone
    if any((record.name, record.type) == (domain.name, "MX") for record in host.records(zone)):
        return
    host.add_record(zone, domain.name, "MX", f"10 inbound-smtp.{settings.AWS_REGION}.amazonaws.com")
    domain.refresh_from_db()
    checking_services.check([domain], now=timezone.now())


def _operator() -> User:
    email = next(account.email for account in ACCOUNTS if account.role)
    found = User.objects.filter(email=email).first()
    if found is None:
        raise Problem(f"There is no {email} in the demo.")
    return found
