"""Names and tokens as SES creates and validates them."""

import base64
import hashlib
import re

from sandbox.aws.errors import invalid_parameter, validation_error

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_LOCAL_PART = re.compile(r"[a-z0-9.!#$%&'/=?^_`{|}~+-]{1,64}", re.IGNORECASE)
_SERVICE_NAME = re.compile(r"[a-zA-Z0-9_.-]+")

# ses.md D: these regions have their own DKIM zone.
OWN_DKIM_ZONE = frozenset(
    "af-south-1 ap-northeast-3 ap-south-2 ap-southeast-3 ap-southeast-5 ca-west-1 eu-central-2 eu-south-1"
    " il-central-1 me-central-1 us-gov-east-1".split()
)
# ses.md D: the regions that receive mail.
RECEIVING = frozenset(
    "us-east-1 us-east-2 us-west-1 us-west-2 ca-central-1 sa-east-1 eu-west-1 eu-west-2 eu-west-3 eu-central-1"
    " eu-north-1 eu-south-1 af-south-1 me-south-1 il-central-1 ap-south-1 ap-northeast-1 ap-northeast-2"
    " ap-northeast-3 ap-southeast-1 ap-southeast-2 ap-southeast-3".split()
)


def is_domain(name: str) -> bool:
    labels = name.lower().split(".")
    whole = 2 <= len(labels) and len(name) <= 253 and not labels[-1].isdigit()
    return whole and all(_LABEL.fullmatch(label) for label in labels)


def is_address(name: str) -> bool:
    """A `*` is invalid: SES has no wildcard except the bare domain."""
    local, _, domain = name.rpartition("@")
    return bool(_LOCAL_PART.fullmatch(local)) and is_domain(domain)


def is_recipient(name: str) -> bool:
    """Accepts an address, a domain, or a dot and a domain for its subdomains. `.invalid` is refused as by SES."""
    if name.lower().endswith(".invalid"):
        return False
    return is_address(name) if "@" in name else is_domain(name.removeprefix("."))


def check_service_name(field: str, name: str) -> None:
    """Check names of rules, rule sets and filters. Raises ValidationError or InvalidParameterValue as SES does."""
    if not _SERVICE_NAME.fullmatch(name):
        raise validation_error(
            f"1 validation error detected: Value '{name}' at '{field}' failed to satisfy constraint: "
            "Member must satisfy regular expression pattern: ^[a-zA-Z0-9_.-]+$"
        )
    if len(name) > 64 or not (name[0].isalnum() and name[-1].isalnum()):
        raise invalid_parameter(f"Not a valid {field}: {name}")


def dkim_zone(region: str) -> str:
    return f"dkim.{region}.amazonses.com" if region in OWN_DKIM_ZONE else "dkim.amazonses.com"


def feedback_host(region: str) -> str:
    return f"feedback-smtp.{region}.amazonses.com"


def dkim_tokens(account: str, region: str, domain: str, generation: int = 0) -> list[str]:
    return [_digest(region, account, domain, f"dkim{generation}.{index}", base32=True) for index in range(3)]


def txt_token(account: str, region: str, domain: str) -> str:
    return _digest(region, account, domain, "txt", base32=False)


def _digest(*parts: str, base32: bool) -> str:
    digest = hashlib.sha256("|".join(parts).encode()).digest()
    return base64.b32encode(digest).decode().lower()[:32] if base32 else base64.b64encode(digest).decode()
