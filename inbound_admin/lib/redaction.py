"""Decides which values are secret, by name and by pattern, and masks them.

This is the one list and the one place that masks: the change log, the logs, the API, pages and exports all use it.
"""

import operator
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit, urlunsplit

MASK = "********"
CHANGED = f"{MASK} (changed)"
# Lower-case names without "_", "-" and a leading "config_". Every value under them is secret.
SECRET_NAMES = frozenset(
    "accesskey accesstoken apikey apitoken auth authorization bearer clientsecret cookie credential credentials csrf "
    "csrfmiddlewaretoken csrftoken hmac jwt oldsecret otp passphrase passwd password proxyauthorization pwd "
    "recoverycodes refreshtoken seed secret secretkey sessionid setcookie sharedsecret sig signature signingsecret "
    "token totpsecret verificationtoken xapikey".split()
)
HEADERS = "headers"  # their names are shown, none of their values
_OURS = re.compile(r"\b(whsec_[A-Za-z0-9+/=]{8}|ia_[A-Za-z0-9_-]{8})[A-Za-z0-9+/=_-]+|\bgAAAA[A-Za-z0-9_=-]{40,}")
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}")
_URL = re.compile(r"""https?://[^\s"'<>\\]+""")
# What follows these in a path grants access: an invitation, a shared domain, a new password, a proven address.
_SECRET_IN_PATH = re.compile(
    r"(/customers/invitation/|/domains/shared/|/inbound/forwarding/|/password/reset/key/|/confirm-email/)[^/\s?#]+"
)
_OUR_ID = re.compile(r"[a-z]{2,8}[_-][0-9a-hjkmnp-tv-z]{20}")  # `inbound_admin.lib.ids`: names, not secrets
_PART = re.compile(r"[^/]+")
_PARAMETER = re.compile(r"(?<![^=&;])([^=&;]+)=([^&;]*)")  # a search from within a name would be quadratic


def is_secret_name(name: str) -> bool:
    return re.sub(r"[_-]", "", name.lower().removeprefix("config_")) in SECRET_NAMES


def looks_secret(value: str) -> bool:
    """Whether text looks like a generated token: at least 16 characters with mixed letters and digits."""
    if _OUR_ID.fullmatch(value):
        return False
    plain = re.sub(r"[-_.~+=:%]", "", value)
    kinds = [char.isdigit() for char in plain]
    return len(plain) >= 16 and plain.isalnum() and sum(map(operator.ne, kinds, kinds[1:])) >= 3


def masked_url(url: str) -> str:
    """Return the URL with user, token-like parameters, path parts and fragment masked."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return MASK
    user, at, host = parts.netloc.rpartition("@")
    return urlunsplit(
        parts._replace(
            netloc=f"{MASK}@{host}" if at and user else parts.netloc,
            path=_PART.sub(lambda part: MASK if looks_secret(part[0]) else part[0], parts.path),
            query=_masked_query(parts.query),
            fragment=_masked_query(parts.fragment),
        )
    )


def _masked_query(query: str) -> str:
    if "=" not in query:
        return MASK if looks_secret(query) else query
    return _PARAMETER.sub(_masked_parameter, query)


def _masked_parameter(each: re.Match[str]) -> str:
    is_secret = _is_secret_parameter(each[1]) or looks_secret(each[2])
    return f"{each[1]}={MASK}" if each[2] and is_secret else each[0]


def _is_secret_parameter(name: str) -> bool:
    return is_secret_name(name) or name.lower() in ("key", "code")


def masked_text(text: str) -> str:
    """Return text with secrets and URLs masked."""
    shown = _URL.sub(lambda found: masked_url(found[0]), text)
    shown = _SECRET_IN_PATH.sub(rf"\1{MASK}", shown)
    shown = _BEARER.sub(lambda found: f"{found[1]} {MASK}", shown)
    return _OURS.sub(lambda found: f"{found[1] or ''}{MASK}", shown)


def masked(value: Any, name: str = "") -> Any:
    """Return the value masked by its name, at any depth. None and empty values are unchanged."""
    if value is None or value == "" or isinstance(value, bool):
        return value
    if is_secret_name(name):
        return value if value in (MASK, CHANGED) else MASK
    if isinstance(value, Mapping):
        is_headers = name.removeprefix("config_").lower() == HEADERS
        return {str(key): MASK if is_headers else masked(each, str(key)) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [masked(each) for each in value]
    return masked_text(value) if isinstance(value, str) else value


def masked_change(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the masked differences. If only a secret differs, `after` says that it changed."""
    keys = [key for key in {**before, **after} if before.get(key) != after.get(key)]
    old = {key: masked(before[key], key) for key in keys if key in before}
    new = {key: masked(after[key], key) for key in keys if key in after}
    for key in keys:
        if key in old and key in new and before.get(key) != after.get(key):
            new[key] = _marked(before[key], after[key], old[key], new[key])
    return old, new


def _marked(before: Any, after: Any, old: Any, new: Any) -> Any:
    if isinstance(new, dict) and isinstance(before, Mapping) and isinstance(after, Mapping):
        return {
            key: _marked(before[key], after[key], old[key], each)
            if key in before and before[key] != after[key]
            else each
            for key, each in new.items()
        }
    if old != new:
        return new
    return CHANGED if new == MASK else f"{new} (changed)" if isinstance(new, str) else new
