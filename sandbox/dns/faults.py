"""The ways in which a nameserver, or the resolver in front of it, can fail."""

from dataclasses import dataclass
from typing import Literal, cast, get_args

# bogus: DNSSEC does not validate, so that only a query with checking disabled (CD) is answered.
Fault = Literal["servfail", "refused", "silent", "lame", "bogus"]


@dataclass(frozen=True)
class FaultEntry:
    """A fault of a zone or name, at one nameserver; without a nameserver, at all of them and the resolver."""

    name: str
    nameserver: str | None
    fault: Fault


def checked_fault(fault: str) -> Fault:
    """Return the fault with that name. Raises ValueError if it is unknown."""
    if fault not in get_args(Fault):
        raise ValueError(f"“{fault}” is not a fault; choose one of {', '.join(get_args(Fault))}.")
    return cast("Fault", fault)
