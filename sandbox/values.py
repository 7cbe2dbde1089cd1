"""What the control API speaks of. Imports nothing of moto, so that the web application may use it too."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

FaultKind = Literal["throttle", "error", "denied", "missing", "slow", "cut_before", "cut_after", "exit_after"]


@dataclass(frozen=True)
class Fault:
    """Hits `times` calls (None: for ever) from the `nth` call of `operation` on.

    `operation` is `*`, `CreateTenant`, `sesv2:CreateTenant` or `ses:*`; `seconds` is for `slow` alone.
    """

    id: str
    operation: str
    kind: str
    nth: int = 1
    times: int | None = 1
    seconds: float = 0.0


@dataclass(frozen=True)
class Call:
    number: int
    at: datetime
    service: str
    operation: str
    region: str
    subject: str
    outcome: str
    write: bool


@dataclass(frozen=True)
class Round:
    """What one round of verification did; a change reads `example.com dkim: Pending -> Success`."""

    checked: int
    changes: tuple[str, ...]


# How the customers' web host misbehaves when a policy is fetched from it.
WEB_FAULTS = {
    "not_found": "The host answers 404",
    "error": "The host answers 503",
    "redirect": "The host redirects to www",
    "html": "The host serves it as a web page",
    "certificate": "The certificate is of another name",
    "expired": "The certificate has expired",
    "silent": "The host takes the connection and stays silent",
    "cut": "The answer breaks off",
}
