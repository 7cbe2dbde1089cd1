"""Opaque IDs with a prefix for the type: `dom_...`, `cus_...`."""

import secrets

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def new_id(prefix: str, joined_by: str = "_") -> str:
    """Return `prefix_` and 20 random characters of Crockford's base 32 (100 bits)."""
    return prefix + joined_by + "".join(secrets.choice(ALPHABET) for _ in range(20))
