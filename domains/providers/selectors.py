"""The DNS host in whose words a page tells what to type: the one that the nameservers tell, or the one chosen."""

from dataclasses import dataclass

from domains.models.domains import Domain
from domains.providers.core import PROVIDERS, DnsProvider, named, with_key


@dataclass(frozen=True)
class DnsHost:
    """`page` is where its records are edited, "" where every customer's is another; `providers` are the choice."""

    provider: DnsProvider
    detected: DnsProvider
    page: str
    providers: tuple[DnsProvider, ...] = PROVIDERS

    @property
    def is_known(self) -> bool:
        return bool(self.provider.nameservers or self.provider.way)


def dns_host(domain: Domain, chosen: str = "") -> DnsHost:
    """`chosen` is a provider's key; "" or nonsense is nobody's choice."""
    detected = named(domain.provider)
    provider = with_key(chosen) or detected
    return DnsHost(provider, detected, provider.page_for(domain.hosted.zone))
