"""Encrypts secrets that we must be able to use again, so that a leaked table reveals none.

The first key encrypts; every key decrypts, so a key can be replaced: put the new one first, keep the old one among the
fallbacks, run `manage.py reseal`, then remove the old one.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

from inbound_admin.lib.errors import Problem

_STARTS = "gAAAA"  # the start of every Fernet token: version 0x80 and the high bytes of a time before 2106


class Unreadable(Problem):
    """A value was encrypted with a key that isn't configured."""

    code = "SECRET_UNREADABLE"
    status = 503


def seal(text: str) -> str:
    return _box(_keys()).encrypt(text.encode()).decode()


def unseal(sealed: str) -> str:
    """Raises Unreadable if the key has changed and the old one is not a fallback."""
    try:
        return _box(_keys()).decrypt(sealed.encode()).decode()
    except InvalidToken as error:
        raise Unreadable(
            "A stored secret can't be decrypted because the encryption key has changed. "
            "An operator must add the old key to SEALING_KEY_FALLBACKS.",
        ) from error


def seal_values(values: Mapping[str, Any]) -> str:
    """Encrypt a JSON object; "" for an empty one."""
    return seal(json.dumps(dict(values))) if values else ""


def unseal_values(sealed: str) -> dict[str, Any]:
    """Decrypt what `seal_values` returned. Raises Unreadable."""
    return dict(json.loads(unseal(sealed))) if sealed else {}


def is_sealed(text: str) -> bool:
    return text.startswith(_STARTS)


def reseal(sealed: str) -> str:
    """Encrypt the same secret with the first key. Raises Unreadable."""
    return seal(unseal(sealed)) if sealed else ""


def _keys() -> tuple[str, ...]:
    first = (settings.SEALING_KEY, *settings.SEALING_KEY_FALLBACKS)
    return tuple(dict.fromkeys(key for key in (*first, settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS) if key))


@lru_cache(maxsize=8)
def _box(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([_fernet(key) for key in keys])


def _fernet(key: str) -> Fernet:
    return Fernet(base64.urlsafe_b64encode(hashlib.sha256(b"webhook secrets: " + key.encode()).digest()))
