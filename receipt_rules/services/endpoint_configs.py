"""What an endpoint of each type must be told."""

import re
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from alerts.core.target_urls import BadUrl, parse_target
from inbound_admin.lib.errors import Refused
from inbound_admin.lib.masking import MASK
from receipt_rules.models import EndpointType

MOST_MEMBERS = 50
# For the operator's function: how long it waits, how often it tries, what it sends along.
WEBHOOK_EXTRAS = ("timeout", "retry_attempts", "headers", "verification_token")
MOST_RETRIES, LONGEST_TIMEOUT, MOST_HEADERS = 10, 300_000, 20  # the published client gives milliseconds
# What the sending itself has to say (RFC 9110, 7.6.1 and 8.6): another's word would spoil or redirect the message.
OF_THE_SENDING = frozenset("connection content-length host keep-alive te trailer transfer-encoding upgrade".split())
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")


def checked_config(kind: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """The members that the type knows, checked. Raises Refused (ENDPOINT_TYPE, ENDPOINT_CONFIG)."""
    if kind == EndpointType.WEBHOOK:
        return {"url": _url(_text(config.get("url", "")).strip())} | _extras(config)
    if kind == EndpointType.EMAIL:
        return {"address": _email(_text(config.get("address", "")))}
    if kind == EndpointType.EMAIL_GROUP:
        return {"addresses": _members(config.get("addresses", ()))}
    raise Refused("An endpoint is a webhook, an email address, or a group of them.", code="ENDPOINT_TYPE")


def _extras(config: Mapping[str, Any]) -> dict[str, Any]:
    """What is not given, or given as nothing, is not kept."""
    found = {name: config[name] for name in WEBHOOK_EXTRAS if config.get(name)}
    for name, most in (("timeout", LONGEST_TIMEOUT), ("retry_attempts", MOST_RETRIES)):
        number = found.get(name, 1)
        if type(number) is not int or not 0 < number <= most:
            raise Refused(
                f"{name.replace('_', ' ').capitalize()} is a whole number up to {most}.", code="ENDPOINT_CONFIG"
            )
    if "headers" in found:
        _check_headers(found["headers"])
    if "verification_token" in found:
        _check_value(found["verification_token"])
    return found


def _check_headers(headers: Any) -> None:
    if not isinstance(headers, dict) or len(headers) > MOST_HEADERS:
        raise Refused(f"Headers are at most {MOST_HEADERS} names with a text each.", code="ENDPOINT_CONFIG")
    for name, value in headers.items():
        if not isinstance(name, str) or not _HEADER.fullmatch(name):
            raise Refused("A header's name has letters, digits and hyphens.", code="ENDPOINT_CONFIG")
        if name.lower() in OF_THE_SENDING:
            raise Refused(f"{name} is set by the sending itself.", code="ENDPOINT_CONFIG")
        _check_value(value)


def _check_value(value: Any) -> None:
    if value == MASK:
        raise Refused(f"{MASK} stands for a hidden value. Give the value itself.", code="ENDPOINT_CONFIG")
    if not isinstance(value, str) or len(value) > 1000 or not value.isascii() or not value.isprintable():
        raise Refused("Headers and tokens have up to 1000 printable ASCII characters.", code="ENDPOINT_CONFIG")


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise Refused("An address is given as text.", code="ENDPOINT_CONFIG")
    return value


def _url(url: str) -> str:
    """By the rule of webhooks, which is asked again when we connect: names are looked up only then."""
    if MASK in url:
        raise Refused(f"A part of the URL is masked ({MASK}). Give the whole URL.", code="ENDPOINT_CONFIG")
    try:
        parse_target(url, may_be_private=settings.WEBHOOKS_MAY_BE_PRIVATE)
    except BadUrl as error:
        raise Refused(str(error), code="ENDPOINT_CONFIG") from error
    return url


def _email(text: str) -> str:
    address = text.strip()
    try:
        validate_email(address)
    except ValidationError as error:
        shown = address[:80].encode("utf-8", "replace").decode()
        raise Refused(f"“{shown}” is not an email address.", code="ENDPOINT_CONFIG") from error
    return address


def _members(given: Any) -> list[str]:
    if not isinstance(given, str | list | tuple):
        raise Refused("A group is a list of addresses.", code="ENDPOINT_CONFIG")
    texts = given.replace(",", "\n").splitlines() if isinstance(given, str) else list(given)
    members = list(dict.fromkeys(_email(text) for text in map(_text, texts) if text.strip()))
    if not 1 <= len(members) <= MOST_MEMBERS:
        raise Refused(f"A group has between one and {MOST_MEMBERS} addresses.", code="ENDPOINT_CONFIG")
    return members
