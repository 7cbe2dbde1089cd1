"""Values of the control API. It doesn't import moto, so the web application can use it too."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

FaultKind = Literal["throttle", "error", "denied", "missing", "slow", "cut_before", "cut_after", "exit_after"]


@dataclass(frozen=True)
class Fault:
    """Affects `times` calls (None: all) from the `nth` call of `operation`.

    `operation` is `*`, `CreateTenant`, `sesv2:CreateTenant` or `ses:*`; `seconds` applies to `slow` only.
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
    """The result of one verification round. A change reads `example.com dkim: Pending -> Success`."""

    checked: int
    changes: tuple[str, ...]


# Faults of the customers' web host when a policy is fetched.
WEB_FAULTS = {
    "not_found": "The host answers 404",
    "error": "The host answers 503",
    "redirect": "The host redirects to www",
    "html": "The host serves it as HTML",
    "certificate": "The certificate is for another name",
    "expired": "The certificate has expired",
    "silent": "The host accepts the connection and never responds",
    "cut": "The response is cut off",
}
