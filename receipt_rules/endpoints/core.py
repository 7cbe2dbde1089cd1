"""The kinds of endpoint on this deployment, and the secrets in an endpoint's settings.

Secrets are shown masked, kept if a masked value is sent back, and removed if the URL's host changes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from inbound_admin.lib.redaction import HEADERS, MASK, masked, masked_url

TOKEN = "verification_token"  # noqa: S105  a name
SIGNING_SECRET = "signing_secret"  # noqa: S105  a name
TOKENS = (TOKEN, SIGNING_SECRET)


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
