"""Secrets of webhooks: we sign with them, so they are kept, sealed."""

import base64
import secrets

from inbound_admin.lib.sealing import seal, unseal

__all__ = ["PREFIX", "new_secret", "seal", "unseal"]

PREFIX = "whsec_"  # Standard Webhooks: 24 to 64 random bytes in base 64


def new_secret() -> str:
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()
