"""Amazon's own hosts that SES's records name: what each is for, its region, and what was meant as one. Pure.

The table decides before any comparison letter by letter: a host of Amazon's in the wrong box is no mistyped one.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from domains.checking.core.nearness import is_close


class HostUse(StrEnum):
    """In words that follow "Amazon's host for"."""

    RECEIVING = "receiving mail"
    BOUNCES = "MAIL FROM"
    SENDING = "sending by SMTP"
    SIGNING = "DKIM keys"


@dataclass(frozen=True)
class AmazonHost:
    """`region` is "" where the name does not tell it."""

    use: HostUse
    region: str = ""


_REGION = r"(?P<region>[a-z]{2}(?:-[a-z]+)+-[0-9]{1,2})"
_TABLE = (
    (re.compile(rf"inbound-smtp\.{_REGION}\.amazonaws\.com"), HostUse.RECEIVING),
    (re.compile(rf"feedback-smtp\.{_REGION}\.amazonses\.com"), HostUse.BOUNCES),
    (re.compile(rf"email-smtp(?:-fips)?\.{_REGION}\.amazonaws\.com"), HostUse.SENDING),
    (re.compile(rf"[a-z0-9]+\.dkim\.(?:{_REGION}\.)?amazonses\.com"), HostUse.SIGNING),
)
_IN_REGION = re.compile(rf"\.{_REGION}\.")  # as nobody else names hosts for mail
_BARE = re.compile(rf"(?:smtp|ses|mail|mx|inbound-mail)\.{_REGION}\.amazonaws\.com")
_STARTS = {"inbound": HostUse.RECEIVING, "feedback": HostUse.BOUNCES, "email": HostUse.SENDING}
_ENDINGS = ("amazonaws.com", "amazonses.com")


def amazon_host(name: str) -> AmazonHost | None:
    """`name` in lower case without the last dot; None for what is none of SES's hosts."""
    for pattern, use in _TABLE:
        if found := pattern.fullmatch(name):
            return AmazonHost(use, found["region"] or "")
    return None


def is_amazons(name: str) -> bool:
    """Whether the name is one of SES's own domain, where no customer has hosts, or of Amazon's at all."""
    return any(name == each or name.endswith(f".{each}") for each in _ENDINGS)


def is_almost_ses(name: str) -> bool:
    """What can only be meant as a host of SES: a customer's own servers are called otherwise at Amazon."""
    return name == "amazonses.com" or name.endswith(".amazonses.com") or bool(_BARE.fullmatch(name))


def meant_use(name: str) -> HostUse | None:
    """What a name was meant as that is almost one of SES's hosts: a part left out, another ending, letters mistyped."""
    first, _, rest = name.partition(".")
    ending = ".".join(rest.split(".")[-2:])
    if amazon_host(name) or not (any(is_close(ending, each, 2) for each in _ENDINGS) or _IN_REGION.search(name)):
        return None
    starts = (use for start, use in _STARTS.items() if is_close(first, f"{start}-smtp", 2) or is_close(first, start, 1))
    return next(starts, None)
