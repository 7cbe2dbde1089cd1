"""Models of people, customers, memberships, invitations and API keys."""

from accounts.models import api_keys, people

__all__ = ["api_keys", "people"]
