"""Whether a tenant may send, layer by layer, and the one word that follows.

SES has several switches, each with an owner of its own (SESv2: ReputationEntity's CustomerManagedStatus,
AwsSesManagedStatus and SendingStatusAggregate; GetAccount; a configuration set's SendingOptions). Values that we do not
know are kept and shown as they came.
"""

from enum import StrEnum


class Policy(StrEnum):
    """SES's reputation policies: on which findings SES pauses a tenant by itself."""

    STANDARD = "standard"
    STRICT = "strict"
    NONE = "none"


class Status(StrEnum):
    """SESv2's SendingStatus, of one side or of both together; Amazon may answer others."""

    ENABLED = "ENABLED"
    DISABLED = "DISABLED"
    REINSTATED = "REINSTATED"


class Standing(StrEnum):
    """The derived status. PAUSING and RESUMING last until SES's aggregate says that it is so."""

    ACTIVE = "active"
    PAUSING = "pausing"
    PAUSED = "paused"
    RESUMING = "resuming"
    SUSPENDED = "suspended"
    UNKNOWN = "unknown"


class LayerName(StrEnum):
    """Where sending can be off, the widest first."""

    ACCOUNT = "account"
    AMAZON = "amazon"
    STAFF = "staff"
    CONFIGURATION_SET = "configuration_set"
    IDENTITY = "identity"
