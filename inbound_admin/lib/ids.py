"""Opaque IDs with a prefix for the type: `dom_...`, `cus_...`."""

import secrets

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_LETTERS = ALPHABET[10:]


def new_id(prefix: str, joined_by: str = "_") -> str:
    """Return `prefix_` and 20 random characters of Crockford's base 32, the first a letter (99 bits).

    Django admin decodes `_26` in a URL to `&` (`django.contrib.admin.utils.unquote`), so an ID that begins with digits
    would lead to another row or none.
    """
    return prefix + joined_by + secrets.choice(_LETTERS) + "".join(secrets.choice(ALPHABET) for _ in range(19))
