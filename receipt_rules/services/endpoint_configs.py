"""What an endpoint of each type must be told."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from inbound_admin.lib.errors import Refused
from receipt_rules.models import EndpointType

MOST_MEMBERS = 50
LONGEST_URL = 2000


def checked_config(kind: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """The members that the type knows, checked. Raises Refused (ENDPOINT_TYPE, ENDPOINT_CONFIG)."""
    if kind == EndpointType.WEBHOOK:
        return {"url": _url(str(config.get("url", "")).strip())}
    if kind == EndpointType.EMAIL:
        return {"address": _email(str(config.get("address", "")))}
    if kind == EndpointType.EMAIL_GROUP:
        return {"addresses": _members(config.get("addresses", ()))}
    raise Refused("An endpoint is a webhook, an email address, or a group of them.", code="ENDPOINT_TYPE")


def _url(url: str) -> str:
    try:
        parts = urlsplit(url)
        is_good = parts.scheme == "https" and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_good = False
    if not is_good or len(url) > LONGEST_URL or parts.username is not None or any(char.isspace() for char in url):
        raise Refused(
            "A webhook needs an https:// address, without a user name in it, such as https://example.com/mail.",
            code="ENDPOINT_CONFIG",
        )
    return url


def _email(text: str) -> str:
    address = text.strip()
    try:
        validate_email(address)
    except ValidationError as error:
        raise Refused(f"“{address[:80]}” is not an email address.", code="ENDPOINT_CONFIG") from error
    return address


def _members(given: Any) -> list[str]:
    texts = given.replace(",", "\n").splitlines() if isinstance(given, str) else list(given)
    members = list(dict.fromkeys(_email(str(text)) for text in texts if str(text).strip()))
    if not 1 <= len(members) <= MOST_MEMBERS:
        raise Refused(f"A group has between one and {MOST_MEMBERS} addresses.", code="ENDPOINT_CONFIG")
    return members
