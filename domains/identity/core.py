"""What Amazon says of one identity, as values."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from domains.checking.core.judgement import SesStatus


class Stage(StrEnum):
    """How far a domain has come here. SES has an identity of it from STARTING on."""

    CLAIM = "claim"
    STARTING = "starting"
    READY = "ready"
    DELETING = "deleting"


@dataclass(frozen=True)
class Identity:
    """One domain identity as SESv2 GetEmailIdentity shows it; every field is Amazon's."""

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
    soa: str = ""  # the primary nameserver that Amazon saw, and its serial
    tags: tuple[tuple[str, str], ...] = ()
    configuration_set: str = ""  # the one that it sends with by default

    @property
    def is_replica(self) -> bool:
        return is_replica(self.dkim_origin)

    @property
    def has_others_keys(self) -> bool:
        """Keys of SES's own in this region would take the place of the customer's, or part it from its parent."""
        return self.own_dkim_key or self.is_replica


def is_replica(origin: str) -> bool:
    """Deterministic Easy DKIM: the keys and their zone are of the identity in another region."""
    return origin.startswith("AWS_SES_")


def replica_of(origin: str) -> str:
    """A predicate for sentences; "" of keys that are its own."""
    if not is_replica(origin):
        return ""
    region = origin.removeprefix("AWS_SES_").lower().replace("_", "-")
    return f"uses the DKIM keys of its identity in {region} (Deterministic Easy DKIM)"


@dataclass(frozen=True)
class Dkim:
    """Of one identity, as v1 GetIdentityDkimAttributes tells it."""

    status: SesStatus
    signing: bool
    tokens: tuple[str, ...]


@dataclass(frozen=True)
class IdentityMailFrom:
    """Of one identity, as v1 GetIdentityMailFromDomainAttributes tells it; `name` is "" where none is set."""

    name: str
    status: SesStatus
    rejects_on_mx_failure: bool


EASY_DKIM_TOKENS = 3
NO_DKIM = Dkim(SesStatus.UNKNOWN, signing=False, tokens=())
NO_MAIL_FROM = IdentityMailFrom("", SesStatus.UNKNOWN, rejects_on_mx_failure=False)


def joined(domain: str, status: SesStatus, dkim: Dkim, mail_from: IdentityMailFrom) -> Identity | None:
    """An identity from the three batched answers. None where they do not suffice: its key is not Amazon's own.

    They do not tell the zone of the keys: each identity has its own, a replica that of its parent.
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
