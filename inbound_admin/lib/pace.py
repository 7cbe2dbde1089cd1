"""One pace for each AWS account and region, shared by every process through one row of the database.

SES allows one control-plane call a second, says nothing about how near the limit one is, and may count all
operations together; so all our processes take their turns from one queue. A turn is reserved by one statement
(the generic cell rate algorithm); the wait happens outside of any transaction.
"""

import time
from collections.abc import Callable

from django.conf import settings
from django.db import connection

RESERVE = """
    INSERT INTO aws_pace AS pace (account, region, free_at)
    VALUES (%(account)s, %(region)s, clock_timestamp() + %(every)s * interval '1 second')
    ON CONFLICT (account, region) DO UPDATE
        SET free_at = GREATEST(pace.free_at, clock_timestamp()) + %(every)s * interval '1 second'
        WHERE EXTRACT(EPOCH FROM pace.free_at - clock_timestamp()) <= %(patience)s
    RETURNING EXTRACT(EPOCH FROM free_at - clock_timestamp()) - %(every)s
"""

AS_LONG_AS_IT_TAKES = 1e9  # seconds

sleep: Callable[[float], None] = time.sleep


def reserve(account: str, region: str, *, patience: float | None = None) -> float | None:
    """Seconds to wait for our turn (0 or more), or None when it would be more than `patience` seconds."""
    if settings.AWS_CALLS_PER_SECOND <= 0:
        return 0.0
    every = 1 / settings.AWS_CALLS_PER_SECOND
    longest = AS_LONG_AS_IT_TAKES if patience is None else patience
    with connection.cursor() as cursor:
        cursor.execute(RESERVE, {"account": account, "region": region, "every": every, "patience": longest})
        row = cursor.fetchone()
    return None if row is None else max(0.0, float(row[0]))
