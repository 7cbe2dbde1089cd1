"""An SES identity as values."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from domains.checking.core.judgement import SesStatus

GONE = "Amazon SES no longer has this domain. Set it up again."  # stored as the problem of reading it


class Stage(StrEnum):
    """The lifecycle stage of a domain here. From STARTING on, SES has an identity for it."""

    CLAIM = "claim"
    STARTING = "starting"
    READY = "ready"
    DELETING = "deleting"


@dataclass(frozen=True)
class Identity:
    """One domain identity as returned by SESv2 GetEmailIdentity."""

    domain: str
    identity_status: SesStatus
    dkim_status: SesStatus
    dkim_signing: bool
    dkim_tokens: tuple[str, ...]
    dkim_zone: str
    strong_dkim_key: bool  # 2,048 bits; the other length is 1,024
    dkim_origin: str  # AWS_SES, EXTERNAL, or AWS_SES_<REGION> for a replica of that region's identity
    own_dkim_key: bool  # BYODKIM: the tokens are then the selector of the customer's key, and there is no CNAME
    mail_from: str  # absolute name, "" when none is set
    mail_from_status: SesStatus
    rejects_on_mx_failure: bool
    error_type: str = ""
    looked_at: datetime | None = None
    soa: str = ""  # the primary nameserver that SES saw, and its serial
    tags: tuple[tuple[str, str], ...] = ()
    configuration_set: str = ""  # the default for sending

    @property
    def is_replica(self) -> bool:
        return is_replica(self.dkim_origin)

    @property
    def has_external_keys(self) -> bool:
        """Return True if SES's own keys in this region would replace the customer's, or separate it from its parent
        identity.
        """
        return self.own_dkim_key or self.is_replica

    @property
    def desired(self) -> dict[str, Any]:
        """Return the settings of SES as columns of the desired ones."""
        label = self.mail_from.removesuffix(f".{self.domain}")
        return {"mail_from_label": label, "dkim_signing": self.dkim_signing, "on_mx_failure": self.on_mx_failure}

    @property
    def columns(self) -> dict[str, Any]:
        """Return what SES has as columns of a domain."""
        return {
            "dkim_tokens": list(self.dkim_tokens),
            "dkim_zone": self.dkim_zone,
            "dkim_origin": self.dkim_origin,
            "own_dkim_key": self.own_dkim_key,
            "ses_mail_from": self.mail_from,
            "ses_dkim_signing": self.dkim_signing,
            "ses_on_mx_failure": self.on_mx_failure,
            "identity_status": self.identity_status,
            "dkim_status": self.dkim_status,
            "mail_from_status": self.mail_from_status,
        }

    @property
    def on_mx_failure(self) -> str:
        return "RejectMessage" if self.rejects_on_mx_failure else "UseDefaultValue"


def is_replica(origin: str) -> bool:
    """Return True for Deterministic Easy DKIM: the keys and their zone belong to the identity in another region."""
    return origin.startswith("AWS_SES_")


def replica_of(origin: str) -> str:
    """Return a predicate for sentences; "" for an identity with its own keys."""
    if not is_replica(origin):
        return ""
    region = origin.removeprefix("AWS_SES_").lower().replace("_", "-")
    return f"uses the DKIM keys of its identity in {region} (Deterministic Easy DKIM)"


@dataclass(frozen=True)
class Dkim:
    """DKIM of one identity, as returned by v1 GetIdentityDkimAttributes."""

    status: SesStatus
    signing: bool
    tokens: tuple[str, ...]


@dataclass(frozen=True)
class IdentityMailFrom:
    """MAIL FROM of one identity, as returned by v1 GetIdentityMailFromDomainAttributes; `name` is "" if none is set."""

    name: str
    status: SesStatus
    rejects_on_mx_failure: bool


EASY_DKIM_TOKENS = 3
NO_DKIM = Dkim(SesStatus.UNKNOWN, signing=False, tokens=())
NO_MAIL_FROM = IdentityMailFrom("", SesStatus.UNKNOWN, rejects_on_mx_failure=False)


def from_batch(domain: str, status: SesStatus, dkim: Dkim, mail_from: IdentityMailFrom) -> Identity | None:
    """Build an identity from the three batched answers. None if they are not enough: the key is not SES's own.

    They do not have the zone of the keys: each identity has its own, a replica its parent's.
    """
    if dkim.tokens and len(dkim.tokens) != EASY_DKIM_TOKENS:
        return None
    return Identity(
        domain=domain,
        identity_status=status,
        dkim_status=dkim.status,
        dkim_signing=dkim.signing,
        dkim_tokens=dkim.tokens,
        dkim_zone="",
        dkim_origin="",
        strong_dkim_key=True,
        own_dkim_key=False,
        mail_from=mail_from.name,
        mail_from_status=mail_from.status,
        rejects_on_mx_failure=mail_from.rejects_on_mx_failure,
    )
