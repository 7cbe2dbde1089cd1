"""An endpoint's configuration under the names of the published contract, out and in."""

from collections.abc import Mapping
from typing import Any

from receipt_rules.models import EndpointType

_OUT: dict[str, dict[str, tuple[str, ...]]] = {
    EndpointType.WEBHOOK.value: {"retry_attempts": ("retryAttempts",), "verification_token": ("verificationToken",)},
    # The published client itself calls it "email" where the contract has "forwardTo".
    EndpointType.EMAIL.value: {"address": ("forwardTo", "email")},
    EndpointType.EMAIL_GROUP.value: {"addresses": ("emails",)},
}


def config_out(kind: str, config: Mapping[str, Any]) -> dict[str, Any]:
    names = _OUT.get(kind, {})
    return {outer: value for name, value in config.items() for outer in names.get(name, (name,))}


def config_in(kind: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Under our own names; what the type does not know is left to the service to refuse."""
    ours = {outer: name for name, outers in _OUT.get(kind, {}).items() for outer in outers}
    return {ours.get(name, name): value for name, value in given.items()}
