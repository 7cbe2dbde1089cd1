"""What Amazon says of one identity, as values."""

from dataclasses import dataclass
from datetime import datetime

from domains.core.checking import SesStatus


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
    own_dkim_key: bool  # BYODKIM: the tokens are then the selector of the customer's key, and there is no CNAME
    mail_from: str  # absolute name, "" when none is set
    mail_from_status: SesStatus
    rejects_on_mx_failure: bool
    error_type: str = ""
    looked_at: datetime | None = None
    soa: str = ""  # the primary name server that Amazon saw, and its serial
    tags: tuple[tuple[str, str], ...] = ()
