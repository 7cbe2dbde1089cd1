"""The companies at which customers edit their DNS: told by their name servers, and how each wants a record typed."""

from domains.core.providers.hosts import GENERIC
from domains.core.providers.table import PROVIDERS, named, provider_of, with_key
from domains.core.providers.typing_in import Typed, becomes, typed
from domains.core.providers.values import Provider

__all__ = ["GENERIC", "PROVIDERS", "Provider", "Typed", "becomes", "named", "provider_of", "typed", "with_key"]
