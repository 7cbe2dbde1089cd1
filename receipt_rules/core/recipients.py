"""What a recipient of a rule covers, from its spelling alone (ses.md B, matching).

`user@example.com` covers also `user+anything@example.com`; `example.com` the addresses at that name and not below it;
`.example.com` those at every name below and not at it. Everything here is in lower case.
"""

from collections.abc import Iterator
from functools import lru_cache

_ANY_OTHER = "any-other-address@"
_ANY_NAME = "any-name"


def is_address(recipient: str) -> bool:
    return "@" in recipient


def domain_of(recipient: str) -> str:
    """The name that it speaks about, without a leading dot."""
    return recipient.rpartition("@")[2].lstrip(".")


def broader(recipient: str) -> Iterator[str]:
    """The other spellings that cover all that this one covers, narrowest first."""
    local, at, name = recipient.rpartition("@")
    if at:
        if "+" in local:
            yield f"{local.partition('+')[0]}@{name}"
        yield name
    yield from above(name.lstrip("."))


def covering(address: str) -> Iterator[str]:
    """Every spelling that covers an address, the address itself first."""
    yield address
    yield from broader(address)


@lru_cache(maxsize=4096)
def above(domain: str) -> tuple[str, ...]:
    """`.b.c` and `.c` for `a.b.c`."""
    labels = domain.split(".")
    return tuple("." + ".".join(labels[at:]) for at in range(1, len(labels)))


def stands_for(recipient: str) -> str:
    """An address that this recipient covers and that no list names: for asking what happens to "everything else"."""
    if is_address(recipient):
        return recipient
    return f"{_ANY_OTHER}{_ANY_NAME if recipient.startswith('.') else ''}{recipient}"


def spoken(address: str) -> str:
    """An address as a person says it, where it may be one of `stands_for`."""
    if not address.startswith(_ANY_OTHER):
        return address
    name = address.removeprefix(_ANY_OTHER)
    if name.startswith(f"{_ANY_NAME}."):
        return f"everything else below {name.removeprefix(_ANY_NAME).lstrip('.')}"
    return f"everything else at {name}"
