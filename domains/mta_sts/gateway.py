"""Fetches a domain's MTA-STS policy over HTTPS, like senders: no redirects, and a certificate for the host's name."""

from collections.abc import Sequence

from django.conf import settings

from domains.mta_sts.core import MOST_BYTES, POLICY_PATH, Fetched, policy_host
from inbound_admin.lib.public_http import Reach, get
from inbound_admin.lib.public_url import PublicUrl


def fetch_policy(name: str, addresses: Sequence[str], *, seconds: float) -> Fetched:
    """Fetch the policy. `addresses` are its host's, from DNS; in the sandbox on this machine. Raises NoAnswer."""
    reach = Reach(
        seconds,
        most_bytes=MOST_BYTES,
        may_be_private=settings.SANDBOX,
        authorities=settings.MTA_STS_AUTHORITIES,
        resolve=lambda _host, _port: addresses,
    )
    answer = get(PublicUrl("https", policy_host(name), settings.MTA_STS_PORT, POLICY_PATH), reach)
    return Fetched(answer.status, answer.headers.get("content-type", ""), answer.body, answer.is_whole)
