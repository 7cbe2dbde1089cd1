"""The table of DNS hosts. Each row is what their own pages call things, and what their customers stumble over."""

from domains.core.providers.hosts import GENERIC, HOSTS
from domains.core.providers.values import Provider
from inbound_admin.lib.tables import keyed

PROVIDERS: tuple[Provider, ...] = (*HOSTS, GENERIC)

# Hosts that are known by their name servers and have no row of their own.
_OTHERS = (("wixdns.net", "Wix"),)
_BY_KEY = keyed((provider.key, provider) for provider in PROVIDERS)
_BY_NAME = keyed((provider.name, provider) for provider in PROVIDERS)


def provider_of(nameservers: tuple[str, ...]) -> str:
    """The company's name, or "" when the name servers are not known to us. Route 53 numbers its names."""
    for server in nameservers:
        if ".awsdns-" in f".{server}":
            return "Route 53"
        for ending, company in _ENDINGS.items():
            if server == ending or server.endswith(f".{ending}"):
                return company
    return ""


def named(company: str) -> Provider:
    """The row of a company as `provider_of` calls it; GENERIC for any other."""
    return _BY_NAME.get(company, GENERIC)


def with_key(key: str) -> Provider | None:
    """The row that a reader chose."""
    return _BY_KEY.get(key)


_ENDINGS = keyed((*((ending, host.name) for host in HOSTS for ending in host.nameservers), *_OTHERS))
