"""Selects the DNS host whose instructions a page shows: the one that was detected, or the one that the reader chose."""

from dataclasses import dataclass

from domains.models.domains import Domain
from domains.providers.core import PROVIDERS, DnsProvider, provider_named, provider_with_key


@dataclass(frozen=True)
class DnsHost:
    """`page` is where its records are edited, "" if it differs for each customer. `providers` are the choices.

    `own_zone`: the subdomain's zone, if it isn't part of the registered domain's.
    """

    provider: DnsProvider
    detected: DnsProvider
    page: str
    own_zone: str = ""
    providers: tuple[DnsProvider, ...] = PROVIDERS

    @property
    def is_known(self) -> bool:
        return bool(self.provider.nameservers or self.provider.way)


def dns_host(domain: Domain, chosen: str = "") -> DnsHost:
    """Return the host to show. `chosen` is a provider's key; "" or an unknown key means no choice."""
    detected = provider_named(domain.provider)
    provider = provider_with_key(chosen) or detected
    zone = domain.hosted.zone
    return DnsHost(provider, detected, provider.page_for(zone), zone if zone != domain.parsed.zone else "")
