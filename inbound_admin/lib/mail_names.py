"""Makes names that strangers chose safe for our emails, and limits the emails that strangers cause.

A safe name has no address, link or control character, and is short.
"""

import hashlib
import re
import unicodedata
from datetime import timedelta

import structlog
from django.conf import settings
from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.core.validators import validate_email

LONGEST = 60
LONGEST_EMAIL = 254  # of our columns, as RFC 5321 allows; Django's validator allows 320
LONGEST_NAME = 150  # of a person, in Django's column
_ADDRESS = re.compile(r"\S*@\S*")
_LINK = re.compile(r"\S*(?:://|\bwww\.)\S*", re.IGNORECASE)
_DOMAIN = re.compile(r"(?:[^\W_][\w-]*[.\u3002\uff0e\uff61])+[^\W\d_][\w-]+(?:[:/?#]\S*)?")
_BLANKS = "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0"  # letters and marks that show nothing
_NUMBER = re.compile(r"\+?\d[\d\s()/.-]{6,}\d")  # people can answer to telephone numbers too


def mail_name(text: str, *, otherwise: str) -> str:
    """Return the name without parts that mail programs turn into a link; `otherwise` if nothing is left."""
    plain = "".join(_visible(character) for character in unicodedata.normalize("NFKC", text))
    for pattern in (_LINK, _ADDRESS, _DOMAIN, _NUMBER):
        plain = pattern.sub(" ", plain)
    words = " ".join(plain.split())
    cut = words if len(words) <= LONGEST else words[:LONGEST].rstrip() + "…"
    return cut if any(character.isalnum() for character in cut) else otherwise


def plain_name(text: str) -> str:
    """Return the name of a person or organisation on one line: no direction mark, zero width or control character
    that reorders or hides text, and compatibility forms as their usual letters.
    """
    seen = (character if not _is_hidden(character) else "" for character in unicodedata.normalize("NFKC", text))
    return " ".join("".join(seen).split())


def _is_hidden(character: str) -> bool:
    is_blank = character in _BLANKS or "\ufe00" <= character <= "\ufe0f"
    return is_blank or (unicodedata.category(character).startswith("C") and not character.isspace())


def _visible(character: str) -> str:
    """Replace line breaks and tabs by spaces; drop direction marks, zero widths and the rest of category C."""
    if character.isspace():
        return " "
    if character in '<>[]{}|\\"`':
        return " "
    return "" if unicodedata.category(character).startswith("C") else character


def require_email(address: str) -> None:
    """Raise ValidationError unless it is an email address that a column can store."""
    validate_email(address)
    if len(address) > LONGEST_EMAIL:
        raise ValidationError(f"An email address has at most {LONGEST_EMAIL} characters.")


log = structlog.get_logger(__name__)
UNSOLICITED_WINDOW = timedelta(days=1)


def take_unsolicited_turn(email: str) -> bool:
    """Count an email to this recipient and return whether it is within the daily limit.

    Each email uses its own cache key, because adding a key is atomic.
    """
    if take_turn(f"unsolicited:mail:{_mailbox(email)}", most=settings.UNSOLICITED_MAILS_PER_DAY):
        return True
    log.warning("mail not sent: this recipient got enough today")
    return False


def take_turn(key: str, *, most: int, window: timedelta = UNSOLICITED_WINDOW) -> bool:
    """Count an attempt and return whether it is within the limit of the window."""
    return any(cache.add(f"{key}:{slot}", 1, window.total_seconds()) for slot in range(most))


def _mailbox(email: str) -> str:
    """Return a hash that is the same for all spellings of a mailbox."""
    local, _, domain = email.strip().casefold().rpartition("@")
    return hashlib.sha256(f"{local.partition('+')[0]}@{domain}".encode()).hexdigest()
