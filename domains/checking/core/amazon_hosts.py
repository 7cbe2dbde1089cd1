"""Amazon's hosts that SES records point to: their use, and what a similar name was meant to be. Pure.

This table is consulted before values are compared letter by letter: the wrong Amazon host is not a typo.
"""

import re
from enum import StrEnum

from domains.checking.core.nearness import is_close


class HostUse(StrEnum):
    """Values complete the phrase "Amazon's host for"."""

    RECEIVING = "receiving mail"
    BOUNCES = "MAIL FROM"
    SENDING = "sending by SMTP"
    SIGNING = "DKIM keys"


_REGION = r"[a-z]{2}(?:-[a-z]+)+-[0-9]{1,2}"
_TABLE = (
    (re.compile(rf"inbound-smtp\.{_REGION}\.amazonaws\.com"), HostUse.RECEIVING),
    (re.compile(rf"feedback-smtp\.{_REGION}\.amazonses\.com"), HostUse.BOUNCES),
    (re.compile(rf"email-smtp(?:-fips)?\.{_REGION}\.amazonaws\.com"), HostUse.SENDING),
    (re.compile(rf"[a-z0-9]+\.dkim\.(?:{_REGION}\.)?amazonses\.com"), HostUse.SIGNING),
)
_IN_REGION = re.compile(rf"\.{_REGION}\.")  # nobody else names mail hosts like this
_BARE = re.compile(rf"(?:smtp|ses|mail|mx|inbound-mail)\.{_REGION}\.amazonaws\.com")
_STARTS = {"inbound": HostUse.RECEIVING, "feedback": HostUse.BOUNCES, "email": HostUse.SENDING}
_ENDINGS = ("amazonaws.com", "amazonses.com")


def host_use(name: str) -> HostUse | None:
    """Return the use of an SES host, None for other hosts. `name` is in lower case without the last dot."""
    return next((use for pattern, use in _TABLE if pattern.fullmatch(name)), None)


def is_amazon_name(name: str) -> bool:
    """Return True for a name in Amazon's domains, including SES's own domain, where no customer has hosts."""
    return any(name == each or name.endswith(f".{each}") for each in _ENDINGS)


def is_almost_ses(name: str) -> bool:
    """Return True for a name that can only be meant as an SES host: customers' servers at AWS have other names."""
    return name == "amazonses.com" or name.endswith(".amazonses.com") or bool(_BARE.fullmatch(name))


def meant_use(name: str) -> HostUse | None:
    """Return the use of the SES host that a wrong name resembles: a part missing, another ending, or a typo."""
    first, _, rest = name.partition(".")
    ending = ".".join(rest.split(".")[-2:])
    if host_use(name) or not (any(is_close(ending, each, 2) for each in _ENDINGS) or _IN_REGION.search(name)):
        return None
    starts = (use for start, use in _STARTS.items() if is_close(first, f"{start}-smtp", 2) or is_close(first, start, 1))
    return next(starts, None)
