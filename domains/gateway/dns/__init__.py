"""DNS over the wire."""

from domains.gateway.dns.asking import FALLBACK_RESOLVERS, ask, ask_each, look_up, system_resolvers

__all__ = ["FALLBACK_RESOLVERS", "ask", "ask_each", "look_up", "system_resolvers"]
