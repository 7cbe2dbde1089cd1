"""Models of domains, of their DNS answers over time, and of share links."""

from domains.models import domains, record_checks, sharing

__all__ = ["domains", "record_checks", "sharing"]
