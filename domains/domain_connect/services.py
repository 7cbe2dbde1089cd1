"""Finds out whether a domain's DNS host supports Domain Connect and has our template, and offers its page.

The worker checks at most once a day for each domain with something to do. Pages read the stored result. A failed lookup
or request keeps the stored result.
"""

from dataclasses import asdict
from datetime import timedelta

from django.conf import settings
from django.core.cache import cache
from django.utils import timezone

from domains.checking.core.judgement import State
from domains.dns import services as dns_services
from domains.dns.core import Question, first_values
from domains.domain_connect import core, gateway
from domains.domain_connect.core import ConnectHost, ConnectIdentity, ConnectLink
from domains.jobs import queue_discovery
from domains.models.domains import Domain, Stage
from domains.records.selectors import RecordsPage
from inbound_admin.lib.freshness import not_newer

AGAIN_AFTER = timedelta(days=1)
EMPTY = (State.WAITING, State.AT_RISK)  # a check found nothing there; failed checks have another state


def connect_identity() -> ConnectIdentity | None:
    """Return our identity, or None if the operator has not registered a template; then the feature is off."""
    if not (settings.DOMAIN_CONNECT_KEY and settings.DOMAIN_CONNECT_PROVIDER):
        return None
    try:
        key = core.read_key(settings.DOMAIN_CONNECT_KEY)
    except ValueError:
        return None  # `manage.py check` says why
    service, name = settings.DOMAIN_CONNECT_SERVICE, settings.DOMAIN_CONNECT_KEY_NAME
    return ConnectIdentity(settings.DOMAIN_CONNECT_PROVIDER, service, key, name)


def discover_if_due(domain: Domain) -> None:
    """Queue the discovery, so that no page waits for another company's server."""
    if not settings.DOMAIN_CONNECT_KEY or domain.stage != Stage.READY or domain.state == State.VERIFIED:
        return
    if cache.add(f"domain-connect:{domain.pk}", 1, AGAIN_AFTER.total_seconds()):
        queue_discovery(domain)


def discover(*, domain_id: str) -> None:
    """Query DNS and the host, and store the result."""
    domain, ours = Domain.objects.filter(pk=domain_id).first(), connect_identity()
    if domain is None or ours is None:
        return
    asked_at = timezone.now()
    found = _find_host(domain.hosted.zone, ours)
    if found is not None:
        fresh = Domain.objects.filter(not_newer("domain_connect_at", asked_at), pk=domain.pk)
        fresh.update(domain_connect=found, domain_connect_at=asked_at)


def _find_host(zone: str, ours: ConnectIdentity) -> dict[str, str] | None:
    """Return {} if it is not supported, None if a lookup or request failed."""
    values = first_values(dns_services.look_up([Question(f"_domainconnect.{zone}", "TXT")]))
    if values is None:
        return None
    place = core.settings_host(values)
    if not place:
        return {}
    private = settings.DOMAIN_CONNECT_MAY_BE_PRIVATE
    response = gateway.ask(f"{_scheme(place)}://{place}/v2/{zone}/settings", may_be_private=private)
    if not response.is_answered:
        return None
    host = core.read_settings(response.body, schemes=("https", "http") if private else ("https",))
    if host is None:
        return {}
    template = gateway.ask(f"{host.api}{core.template_path(ours)}", may_be_private=private)
    if not template.is_answered:
        return None
    return {"zone": zone, **asdict(host)} if template.is_there else {}


def _scheme(place: str) -> str:
    """The sandbox's host has no certificate."""
    return "http" if settings.DOMAIN_CONNECT_MAY_BE_PRIVATE and place.startswith("127.0.0.1:") else "https"


def link_for(domain: Domain, page: RecordsPage) -> ConnectLink | None:
    """Return None if the host does not support it, or there is nothing that it could add."""
    known, ours = domain.domain_connect, connect_identity()
    if not known or ours is None or domain.stage != Stage.READY or domain.is_held:
        return None
    if known["zone"] != domain.hosted.zone:
        return None  # the domain's zone has changed
    rows = [row for group in page.groups for row in group.rows]
    absent = [row.record for row in rows if row.is_todo and row.state in EMPTY and not row.found and row.record.value]
    host = ConnectHost(known["name"], known["page"], known["api"])
    return core.link_for(host, ours, domain.facts, domain.hosted, absent)
