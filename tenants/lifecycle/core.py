"""Values that SES returns about tenants, and the names that we give tenants. Pure.

Statuses are raw strings, because SES may return one that we do not know. A tenant's name cannot change in SES while
a customer's name can, so a random suffix keeps the names unique.
"""

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from tenants.status.core import SIDE

# What SES answered, as a tenant and an association store it.
GONE = "This tenant no longer exists in SES. See Drift."
ANOTHER = "The tenant was deleted and recreated in SES. See Drift."
NOT_ASSOCIATED = "SES no longer associates this with the tenant. See Drift."
NOT_YET = "SES does not associate this with the tenant yet. See Drift."
UNKNOWN = "The resource does not exist in SES."
DEFAULT_OUTSIDE = "A default configuration set is not in the tenant: SES rejects mail that names no other. See Drift."
SET_GONE = "The configuration set no longer exists in SES. See Drift."
STOPPED_BEFORE = {
    "paused": "Its sending was paused in SES before the tenant was deleted there.",
    "suspended": "AWS had suspended its sending before the tenant was deleted in SES.",
}
RESTORED_PAUSED = "If it is restored or accepted, it is paused until Trust & Safety resumes it."
REJECTED = "Amazon SES rejects your sends: what they need there is gone. Our team has been notified."


class TenantStage(StrEnum):
    """How far a tenant has come here."""

    CREATING = "creating"
    READY = "ready"
    DELETING = "deleting"


@dataclass(frozen=True)
class TenantFound:
    """SESv2 Tenant. From ListTenants, which returns neither, `tags` and `suppression` are empty."""

    name: str
    ses_id: str
    arn: str
    created_at: datetime | None
    status: str
    tags: tuple[tuple[str, str], ...] = ()
    suppression: str = ""


@dataclass(frozen=True)
class Entity:
    """SESv2 ReputationEntity of a tenant. `policy` is the last part of the ARN; `staff` the CustomerManagedStatus."""

    arn: str
    policy: str
    staff: SIDE
    amazon: SIDE
    aggregate: str
    impact: str


@dataclass(frozen=True)
class ConfigurationSet:
    name: str
    sends: bool
    measures: bool
    tags: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Account:
    """SESv2 GetAccount, the part about sending."""

    enforcement: str
    sends: bool | None
    in_production: bool | None
    most_in_24_hours: float | None
    sent_in_24_hours: float | None


@dataclass(frozen=True)
class Resource:
    """An association. `kind` comes from the ARN, since SES's values for it differ from botocore's model (ses.md E)."""

    kind: str
    arn: str


def kind_of(arn: str) -> str:
    """Return `identity`, `configuration-set`, `template` or another kind from the ARN; "" if it isn't an SES ARN."""
    parts = arn.split(":", 5)
    return parts[5].partition("/")[0] if len(parts) == 6 and "/" in parts[5] else ""


def name_of(arn: str) -> str:
    """Return the last part of the ARN: the domain, or the name of the configuration set or template."""
    return arn.split(":", 5)[-1].partition("/")[2]


def set_arn(identity_arn: str, name: str) -> str:
    """Return the ARN of a configuration set in the same account and region."""
    return f"{identity_arn.rpartition(':')[0]}:configuration-set/{name}"


LONGEST = 64  # SESv2 CreateTenant: TenantName; the same for ConfigurationSetName
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def tenant_name(customer: str, suffix: str) -> str:
    """Return a name such as `northwind-books-3f9k2m7q`: the customer's name as far as SES allows it, and the suffix."""
    plain = unicodedata.normalize("NFKD", customer).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[: LONGEST - len(suffix) - 1].strip("-")
    return f"{slug or 'customer'}-{suffix}"


def is_tenant_name(name: str) -> bool:
    return _NAME.fullmatch(name) is not None
