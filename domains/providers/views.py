"""The DNS host that a person chose for a domain: from the URL, and stored in the session."""

from domains.models.domains import Domain
from domains.providers.core import provider_named, provider_with_key
from inbound_admin.lib.http import SignedIn

REMEMBERED = "dns_hosts"
MOST = 50  # domains; the oldest choice is forgotten first


def chosen_host(request: SignedIn, domain: Domain) -> str:
    """Return a provider's key, or "" for none. Choosing the detected host clears the choice."""
    known: dict[str, str] = request.session.get(REMEMBERED, {})
    chosen = request.GET.get("host", "")
    if not provider_with_key(chosen):
        return known.get(domain.pk, "")
    before = known.get(domain.pk, "")
    now = "" if provider_with_key(chosen) == provider_named(domain.provider) else chosen
    if now != before:
        others = {key: host for key, host in known.items() if key != domain.pk}
        kept = {**others, domain.pk: now} if now else others
        request.session[REMEMBERED] = dict(list(kept.items())[-MOST:])
    return now
