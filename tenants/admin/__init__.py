"""Overrides by our staff, each through a service."""

from tenants.admin import people, ses_tenants

__all__ = ["people", "ses_tenants"]
