"""Rate limit for each caller, with a burst of one minute's calls.

One SQL statement (the generic cell rate algorithm, as in `lib/aws_rate_limit.py`), so several processes count together.
"""

import math

from django.conf import settings
from django.db import connection

from inbound_admin.lib.errors import RateLimited

WINDOW = 60.0  # seconds
TAKE = """
    INSERT INTO api_pace AS pace (caller, free_at)
    VALUES (%(caller)s, clock_timestamp() + %(every)s * interval '1 second')
    ON CONFLICT (caller) DO UPDATE
        SET free_at = GREATEST(pace.free_at, clock_timestamp()) + %(every)s * interval '1 second'
        WHERE pace.free_at <= clock_timestamp() + %(ahead)s * interval '1 second'
    RETURNING 0
"""
WAIT = "SELECT EXTRACT(EPOCH FROM free_at - clock_timestamp()) - %s FROM api_pace WHERE caller = %s"


def check_rate_limit(caller: str) -> None:
    """Count a call. Raises RateLimited if API_CALLS_PER_MINUTE are used up; 0 means no limit."""
    if settings.API_CALLS_PER_MINUTE <= 0:
        return
    every = WINDOW / settings.API_CALLS_PER_MINUTE
    with connection.cursor() as cursor:
        cursor.execute(TAKE, {"caller": caller, "every": every, "ahead": WINDOW - every})
        if cursor.fetchone():
            return
        cursor.execute(WAIT, [WINDOW - every, caller])
        row = cursor.fetchone()
    wait = max(1, math.ceil(row[0])) if row else 1
    sentence = f"Too many requests. Try again in {wait} second{'' if wait == 1 else 's'}."
    raise RateLimited(sentence, retry_after=wait)
