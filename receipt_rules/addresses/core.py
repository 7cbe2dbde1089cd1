"""Reads a recipient as SES accepts it in a receipt rule: an address, never a wildcard.

SES refuses a whole rule for one recipient that it doesn't accept, and customers share rules. So every address from a
form, paste, import or the API is read here.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass

from domains.names.core import parse_domain, parse_existing_domain
from inbound_admin.lib.errors import Refused
from inbound_admin.lib.mail_addresses import plain_address

# RFC 5321's dot-string without the star; 64 octets. SES accepts neither quoted nor non-ASCII local parts.
_LOCAL = re.compile(r"[a-z0-9!#$%&'+/=?^_`{|}~-]+(\.[a-z0-9!#$%&'+/=?^_`{|}~-]+)*")
LONGEST_LOCAL = 64
LONGEST_ADDRESS = 254


@dataclass(frozen=True)
class ReadAddress:
    """`address` is spelled as in SES. `noticed` has a sentence for each difference from the input."""

    address: str
    noticed: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.address.rpartition("@")[2]


class CatchAllMeant(Refused):
    """The input has a star: SES has no wildcards, and a catch-all does what was meant."""

    def __init__(self, domain: str, *, subdomains: bool) -> None:
        where, catch_all = f"at {domain}", "catch-all"
        if subdomains:
            where, catch_all = f"for subdomains of {domain}", "subdomain catch-all"
        super().__init__(
            f"SES has no wildcard addresses. To receive all mail {where}, turn on the {catch_all} instead.",
            code="CATCH_ALL_MEANT",
        )
        self.domain, self.subdomains = domain, subdomains


def read_recipient(text: str) -> ReadAddress:
    """Return the address in the input.

    Raises Refused: NOT_AN_ADDRESS, CATCH_ALL_MEANT, or as `domains.names.core.parse_domain`.
    """
    bare = plain_address(text)
    local, at, name = bare.rpartition("@")
    if not at or not name.strip():
        raise Refused("That isn't an email address. Enter one such as billing@example.com.", code="NOT_AN_ADDRESS")
    if re.search(r"[\s,;]", bare.strip() if bare.count("@") > 1 else name.strip()):
        raise Refused("Enter one email address at a time, without spaces.", code="NOT_AN_ADDRESS")
    _refuse_star(local.strip(), name.strip())
    plain = local.strip().lower()
    if len(plain) > LONGEST_LOCAL:
        raise Refused(
            f"The part before the @ has {len(plain):,} characters. It can have at most {LONGEST_LOCAL}.",
            code="NOT_AN_ADDRESS",
        )
    if not _LOCAL.fullmatch(plain):
        raise Refused(
            f"“{plain}” isn't valid before the @. Use letters, digits, and signs such as . _ - and +.",
            code="NOT_AN_ADDRESS",
        )
    understood = parse_domain(name, existing=True)
    address = f"{plain}@{understood.domain.ascii}"
    if len(address) > LONGEST_ADDRESS:
        raise Refused(f"An address can have at most {LONGEST_ADDRESS} characters.", code="NOT_AN_ADDRESS")
    return ReadAddress(address, tuple(_noticed(text, bare, address, understood.noticed)))


def _refuse_star(local: str, name: str) -> None:
    """`*@name` means all mail at the name; a star in the name means all subdomains of the rest of it."""
    stars, _, rest = name.rpartition("*")
    if stars or name.startswith("*"):
        raise CatchAllMeant(parse_existing_domain(rest.lstrip(".") or "example.com"), subdomains=True)
    if local.strip("*") == "" and local:
        raise CatchAllMeant(parse_existing_domain(name), subdomains=False)
    if "*" in local:
        raise Refused(
            "SES has no wildcard addresses, so a star isn't valid before the @. Add each address, or turn on "
            "the domain's catch-all.",
            code="NOT_AN_ADDRESS",
        )


def _noticed(text: str, bare: str, address: str, of_domain: tuple[str, ...]) -> list[str]:
    typed = text.strip().strip("<>")
    notes = [f"Read as {address}."] if bare != typed and bare.strip() != typed else []
    return [*notes, *of_domain]


def as_stored(recipient: str) -> str:
    """Return the recipient as rules and rows spell it. SES may report a domain in Unicode (SMTPUTF8)."""
    plain = recipient.strip().lower()
    if plain.isascii():
        return plain
    local, at, name = plain.rpartition("@")
    try:
        return f"{local}{at}{parse_existing_domain(name)}"
    except Refused:
        return plain


def is_at_or_below(name: str, names: Collection[str]) -> bool:
    """Return whether the name is one of `names` or below one.

    Builds no list: a plan calls it for 100,000 recipients.
    """
    while name not in names:
        _, dot, name = name.partition(".")
        if not dot:
            return False
    return True
