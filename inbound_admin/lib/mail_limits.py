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
    key = f"unsolicited mail {_mailbox(email)}".replace(" ", ":")
    slots = (f"{key}:{slot}" for slot in range(settings.UNSOLICITED_MAILS_PER_DAY))
    if any(cache.add(slot, 1, UNSOLICITED_WINDOW.total_seconds()) for slot in slots):
        return True
    log.warning("mail not sent: this recipient got enough today")
    return False


def _mailbox(email: str) -> str:
    """One name for all spellings that reach one mailbox; hashed, since a cache needs no addresses."""
    local, _, domain = email.strip().casefold().rpartition("@")
    return hashlib.sha256(f"{local.partition('+')[0]}@{domain}".encode()).hexdigest()
