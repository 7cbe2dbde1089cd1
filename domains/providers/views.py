"""The DNS host that a person chose for a domain: in the address, and remembered for as long as they are signed in."""

from domains.models.domains import Domain
from domains.providers.core import named, with_key
from inbound_admin.lib.http import SignedIn

REMEMBERED = "dns_hosts"
MOST = 50  # domains; the oldest choice is forgotten first


def chosen_host(request: SignedIn, domain: Domain) -> str:
    """The key of a provider, "" for none. To choose the host that is detected is to choose none."""
    known: dict[str, str] = request.session.get(REMEMBERED, {})
    asked = request.GET.get("host", "")
    if not with_key(asked):
        return known.get(domain.pk, "")
    before = known.get(domain.pk, "")
    now = "" if with_key(asked) == named(domain.provider) else asked
    if now != before:
        others = {key: host for key, host in known.items() if key != domain.pk}
        kept = {**others, domain.pk: now} if now else others
        request.session[REMEMBERED] = dict(list(kept.items())[-MOST:])
    return now
