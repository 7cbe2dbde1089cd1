"""Limit the emails a recipient gets per day because of strangers."""

import hashlib
from datetime import timedelta

import structlog
from django.conf import settings
from django.core.cache import cache

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
