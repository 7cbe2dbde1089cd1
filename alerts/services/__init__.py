"""What the other apps call: `happened` tells webhooks of an event, `observe` tells of a condition at each look.

`send_unsolicited` sends what a stranger can cause, within a limit for each recipient.
"""

from alerts.core.audiences import CustomerPeople, Person, Staff
from alerts.core.watching import Effect
from alerts.services.clearing import forget_customer
from alerts.services.happening import happened, was_last_told
from alerts.services.mailing import send_unsolicited, take_unsolicited_turn
from alerts.services.observing import forget, observe

__all__ = [
    "CustomerPeople",
    "Effect",
    "Person",
    "Staff",
    "forget",
    "forget_customer",
    "happened",
    "observe",
    "send_unsolicited",
    "take_unsolicited_turn",
    "was_last_told",
]
