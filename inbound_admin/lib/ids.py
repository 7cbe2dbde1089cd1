"""Opaque ids with a prefix that says what they name: `dom_...`, `cus_...`."""

import secrets

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def new_id(prefix: str, joined_by: str = "_") -> str:
    """`prefix_` and 20 characters of Crockford's base 32: 100 bits, so never guessed and never repeated."""
    return prefix + joined_by + "".join(secrets.choice(ALPHABET) for _ in range(20))
