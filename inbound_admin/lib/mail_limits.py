"""How many mails that strangers cause reach one recipient a day."""

import hashlib
from datetime import timedelta

import structlog
from django.conf import settings
from django.core.cache import cache

log = structlog.get_logger(__name__)
UNSOLICITED_WINDOW = timedelta(days=1)


def take_unsolicited_turn(email: str) -> bool:
    """Whether this recipient may get one more such mail within a day, whoever causes it; it counts as sent then.

    Each mail takes a slot of its own, since the cache adds atomically and counts not.
    """
    if take_turn(f"unsolicited:mail:{_mailbox(email)}", most=settings.UNSOLICITED_MAILS_PER_DAY):
        return True
    log.warning("mail not sent: this recipient got enough today")
    return False


def take_turn(key: str, *, most: int, window: timedelta = UNSOLICITED_WINDOW) -> bool:
    """Whether it may be done once more within the window; it counts as done then."""
    return any(cache.add(f"{key}:{slot}", 1, window.total_seconds()) for slot in range(most))


def _mailbox(email: str) -> str:
    """One name for all spellings that reach one mailbox; hashed, since a cache needs no addresses."""
    local, _, domain = email.strip().casefold().rpartition("@")
    return hashlib.sha256(f"{local.partition('+')[0]}@{domain}".encode()).hexdigest()
