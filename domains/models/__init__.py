"""Models of domains, of their DNS answers over time, and of share links."""

from domains.models import diagnosis, domains, history, record_checks, sharing, sub_identities, verified_notices

__all__ = ["diagnosis", "domains", "history", "record_checks", "sharing", "sub_identities", "verified_notices"]
