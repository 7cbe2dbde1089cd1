"""Names of tenants at SES. They cannot be changed there, and customers' names can; the suffix keeps them apart."""

import re
import unicodedata

LONGEST = 64  # SESv2 CreateTenant: TenantName; the same for ConfigurationSetName
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def tenant_name(customer: str, suffix: str) -> str:
    """`northwind-books-3f9k2m7q`: what of the customer's name SES allows, and the suffix."""
    plain = unicodedata.normalize("NFKD", customer).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[: LONGEST - len(suffix) - 1].strip("-")
    return f"{slug or 'customer'}-{suffix}"


def is_tenant_name(name: str) -> bool:
    return _NAME.fullmatch(name) is not None
