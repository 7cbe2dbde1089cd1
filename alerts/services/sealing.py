"""Secrets of webhooks: we sign with them, so they are kept, sealed by SECRET_KEY: a leaked table tells none."""

import base64
import hashlib
import secrets

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

from inbound_admin.lib.errors import Refused

PREFIX = "whsec_"  # Standard Webhooks: 24 to 64 random bytes in base 64


def new_secret() -> str:
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def seal(secret: str) -> str:
    return _box().encrypt(secret.encode()).decode()


def unseal(sealed: str) -> str:
    """Raises Refused where SECRET_KEY has changed and the old one is not among SECRET_KEY_FALLBACKS."""
    try:
        return _box().decrypt(sealed.encode()).decode()
    except InvalidToken as error:
        raise Refused(
            "The secret cannot be read any more, since the key of this installation has changed. Make a new secret.",
            code="SECRET_UNREADABLE",
        ) from error


def _box() -> MultiFernet:
    return MultiFernet([_fernet(key) for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)])


def _fernet(key: str) -> Fernet:
    return Fernet(base64.urlsafe_b64encode(hashlib.sha256(b"webhook secrets: " + key.encode()).digest()))
