"""Makes names that strangers chose safe for our emails: no address, link or control character, and short."""

import re
import unicodedata

LONGEST = 60
_ADDRESS = re.compile(r"\S*@\S*")
_LINK = re.compile(r"\S*(?:://|\bwww\.)\S*", re.IGNORECASE)
_DOMAIN = re.compile(r"(?:[^\W_][\w-]*[.\u3002\uff0e\uff61])+[^\W\d_][\w-]+(?:[:/?#]\S*)?")
_NUMBER = re.compile(r"\+?\d[\d\s()/.-]{6,}\d")  # people can answer to telephone numbers too


def mail_name(text: str, *, otherwise: str) -> str:
    """Return the name without parts that mail programs turn into a link; `otherwise` if nothing is left."""
    plain = "".join(_visible(character) for character in unicodedata.normalize("NFKC", text))
    for pattern in (_LINK, _ADDRESS, _DOMAIN, _NUMBER):
        plain = pattern.sub(" ", plain)
    words = " ".join(plain.split())
    cut = words if len(words) <= LONGEST else words[:LONGEST].rstrip() + "…"
    return cut if any(character.isalnum() for character in cut) else otherwise


def _visible(character: str) -> str:
    """Replace line breaks and tabs by spaces; drop direction marks, zero widths and the rest of category C."""
    if character.isspace():
        return " "
    if character in '<>[]{}|\\"`':
        return " "
    return "" if unicodedata.category(character).startswith("C") else character
