"""The kinds of endpoint on this deployment, the optional settings of a webhook, and the secrets in settings.

Secrets are shown masked, kept if a masked value is sent back, and removed if the URL's host changes.
"""

import base64
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from typing import Any
from urllib.parse import urlsplit

from standardwebhooks import Webhook

from inbound_admin.lib.errors import Refused
from inbound_admin.lib.redaction import HEADERS, MASK, masked, masked_url

TOKEN = "verification_token"  # noqa: S105  a name
SIGNING_SECRET = "signing_secret"  # noqa: S105  a name
TOKENS = (TOKEN, SIGNING_SECRET)
# For the operator's function: timeout, retries, and what it sends with each message.
WEBHOOK_EXTRAS = ("timeout", "retry_attempts", HEADERS, *TOKENS, "payload")
PAYLOADS = ("inbound", "standard")  # receiving/webhooks.py
LONGEST_NAME = 110  # of an endpoint that we name; leaves room for a number
MOST_RETRIES, LONGEST_TIMEOUT, MOST_HEADERS = 10, 300_000, 20  # the published client gives milliseconds
# Set by the HTTP client (RFC 9110, 7.6.1 and 8.6): other values would break or redirect the message.
RESERVED_HEADERS = frozenset("connection content-length host keep-alive te trailer transfer-encoding upgrade".split())
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")


@dataclass(frozen=True)
class EndpointKinds:
    """The kinds of endpoint here, in the words of forms, pages and refusals."""

    forwards: bool

    @property
    def types(self) -> tuple[str, ...]:
        return ("webhook", "email", "email_group") if self.forwards else ("webhook",)

    @property
    def phrase(self) -> str:
        return "a webhook, an email address, or a group of addresses" if self.forwards else "a webhook"

    @property
    def target(self) -> str:
        """Return what can be entered in one field to create an endpoint."""
        return "a webhook URL or an email address" if self.forwards else "a webhook URL"

    @property
    def placeholder(self) -> str:
        return "https://… or team@example.com" if self.forwards else "https://example.com/mail"

    @property
    def example(self) -> str:
        return "https://example.com/mail or team@example.com" if self.forwards else "https://example.com/mail"

    @property
    def limits(self) -> str:
        """Return why not all kinds are available; "" if they are."""
        return "" if self.forwards else NOT_FORWARDED


NOT_FORWARDED = "This deployment doesn't forward mail to email addresses. Use a webhook."


class SecretMissing(ValueError):
    """A masked value for which no secret is stored. `str()` is for the person who sent it."""


def shown_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings with header values masked, and the URL without parts that look like a token."""
    shown = {name: masked(value, name) for name, value in config.items()}
    if isinstance(url := config.get("url"), str):
        shown["url"] = masked_url(url)
    return shown


def merge_config(given: Mapping[str, Any], stored: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return `given` merged over `stored`, with stored secrets for masked values, and the names of removed secrets.

    If the URL's host changes, stored secrets are removed unless they are sent again: otherwise someone could have a
    secret that they don't know sent to a host of their choosing. Raises SecretMissing.
    """
    merged = {**stored, **given}
    if "url" in given:
        merged["url"] = _merge_url(given["url"], stored.get("url"))
    moved = bool(stored.get("url")) and _origin(merged.get("url")) != _origin(stored.get("url"))
    known = {} if moved else stored
    headers, lost = _merge_headers(merged.get(HEADERS), stored.get(HEADERS) or {}, given.get(HEADERS), moved=moved)
    merged[HEADERS] = headers
    for name in TOKENS:
        if merged.get(name) != MASK and not (moved and name not in given):
            continue
        lost += (name,) if stored.get(name) and moved else ()
        merged[name] = known.get(name, "")
        if not moved and not merged[name]:
            what = "token" if name == TOKEN else "signing secret"
            raise SecretMissing(f"There is no stored {what} to keep. Enter the full {what}.")
    return {name: value for name, value in merged.items() if value not in (None, "", {})}, lost


def _merge_url(given: Any, stored: Any) -> Any:
    if not isinstance(given, str) or MASK not in given:
        return given
    if isinstance(stored, str) and given.strip() == masked_url(stored):
        return stored
    raise SecretMissing(f"Part of the URL is masked ({MASK}). Enter the full URL, including its secret.")


def _merge_headers(merged: Any, stored: Mapping[str, str], given: Any, *, moved: bool) -> tuple[Any, tuple[str, ...]]:
    """A value that isn't a mapping is left for the validation to refuse."""
    if not isinstance(merged, Mapping):
        return merged, ()
    is_named = isinstance(given, Mapping)
    masks = dict.fromkeys(name for name, value in merged.items() if value == MASK or (moved and not is_named))
    if moved:
        return {name: value for name, value in merged.items() if name not in masks}, tuple(masks)
    by_name = {name.lower(): value for name, value in stored.items()}
    if missing := [str(name) for name in masks if str(name).lower() not in by_name]:
        raise SecretMissing(f"There is no stored value for the header {missing[0][:80]} to keep. Enter the full value.")
    return {name: by_name[str(name).lower()] if name in masks else value for name, value in merged.items()}, ()


def _origin(url: Any) -> tuple[str, str, int | None]:
    """Return scheme, host and port, which decide who gets the request. An invalid URL is refused elsewhere."""
    try:
        parts = urlsplit(str(url).strip())
        port = parts.port
    except ValueError:
        return ("", str(url), None)
    host = (parts.hostname or "").rstrip(".").lower()
    return (parts.scheme.lower(), host, port or {"https": 443, "http": 80}.get(parts.scheme.lower()))


def invalid(sentence: str) -> Refused:
    return Refused(sentence, code="ENDPOINT_CONFIG")


def webhook_extras(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the optional settings of a webhook; empty ones are left out. Raises Refused (ENDPOINT_CONFIG)."""
    found = {name: config[name] for name in WEBHOOK_EXTRAS if config.get(name)}
    for name, most in (("timeout", LONGEST_TIMEOUT), ("retry_attempts", MOST_RETRIES)):
        number = found.get(name, 1)
        if type(number) is not int or not 0 < number <= most:
            raise invalid(f"{name.replace('_', ' ').capitalize()} must be a whole number up to {most}.")
    if HEADERS in found:
        _check_headers(found[HEADERS])
    for name in TOKENS:
        if name in found:
            _check_value(found[name])
    if SIGNING_SECRET in found:
        _check_secret(found[SIGNING_SECRET])
    if found.get("payload", PAYLOADS[0]) not in PAYLOADS:
        raise invalid(f"payload must be {' or '.join(PAYLOADS)}.")
    return found


def _check_headers(headers: Any) -> None:
    if not isinstance(headers, dict) or len(headers) > MOST_HEADERS:
        raise invalid(f"Headers must be up to {MOST_HEADERS} names, each with a text value.")
    for name, value in headers.items():
        if not isinstance(name, str) or not _HEADER.fullmatch(name):
            raise invalid("A header name can have letters, digits and hyphens only.")
        if name.lower() in RESERVED_HEADERS:
            raise invalid(f"{name} is set automatically and can't be changed.")
        _check_value(value)


def _check_value(value: Any) -> None:
    if value == MASK:
        raise invalid(f"{MASK} is a placeholder for a hidden value. Enter the value itself.")
    if not isinstance(value, str) or len(value) > 1000 or not value.isascii() or not value.isprintable():
        raise invalid("Headers and tokens can have up to 1,000 printable ASCII characters.")


def _check_secret(value: str) -> None:
    """As Standard Webhooks requires: 24 to 64 bytes in base64."""
    try:
        key = base64.b64decode(value.removeprefix("whsec_"), validate=True)
    except ValueError:
        key = b""
    if not value.startswith("whsec_") or not 24 <= len(key) <= 64:
        raise invalid("A signing secret must be whsec_ followed by 24 to 64 bytes in base64.")


def signature_headers(secret: str, name: str, now: datetime, body: str) -> dict[str, str]:
    """Return the headers by standardwebhooks.com. Raises Refused for a secret from before they were validated."""
    try:
        signed = Webhook(secret).sign(name, now, body)
    except ValueError as error:
        raise invalid("This endpoint's signing secret isn't valid. Generate a new one.") from error
    return {"webhook-id": name, "webhook-timestamp": str(int(now.timestamp())), "webhook-signature": signed}


def is_email(target: str) -> bool:
    """Return whether a target entered in one field is an email address; else it is a URL, or neither."""
    return "@" in target and "://" not in target


def name_of_target(target: str, *, used: Collection[str]) -> str:
    """Return the address or the URL's host, with a number if the name is in use. `used`: in lower case."""
    plain = (target if is_email(target) else _host(target))[:LONGEST_NAME]
    names = (plain if number == 1 else f"{plain} {number}" for number in count(1))
    return next(name for name in names if name.lower() not in used)


def _host(url: str) -> str:
    """Return "webhook" for a URL that is refused later."""
    try:
        return urlsplit(url).hostname or "webhook"
    except ValueError:
        return "webhook"
