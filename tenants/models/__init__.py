"""Models of SES tenants and their measurements."""

from tenants.models import reputation, tenants

__all__ = ["reputation", "tenants"]
