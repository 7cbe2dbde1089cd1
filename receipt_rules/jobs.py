"""Queues the worker's jobs on receipt rules.

They share one lock: SES has no version check, so one process writes at a time. Jobs carry no IDs: the work is in the
rows, so a lost job loses nothing.
"""

from collections.abc import Collection

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.models.people import Customer, User
from inbound_admin.lib import jobs, lanes
from inbound_admin.lib.lanes import WorkLane
from receipt_rules.models.runs import PendingChange

WORK = "receipt_rules.work"
DRIFT_CHECK = "receipt_rules.look"
LOCK = "receipt rules"
CONFIRMATION_EMAILS = "receipt_rules.ask_recipients"
PROBE = "receipt_rules.send_probe"


def queue_work(*, in_seconds: int = 0, unless_running: bool = False, urgent: bool = False) -> None:
    """Queue stops by staff, then approved runs, then customers' changes."""
    lane = WorkLane.URGENT if urgent else None
    jobs.queue(WORK, lock=LOCK, in_seconds=in_seconds, unless_running=unless_running, lane=lane)


def seconds_needed(calls: int) -> int:
    """Return how long a plan of so many calls would take if approved now, by the queue and the rate limit."""
    return jobs.seconds_left(task=WORK, calls=calls)


def is_urgent_work_waiting() -> bool:
    """Return whether the holder of the rules' lock should release it between two calls.

    Urgent work itself shouldn't.
    """
    return lanes.current() < WorkLane.URGENT and jobs.is_waited_for(LOCK, above=WorkLane.PEOPLE)


def queue_drift_check() -> None:
    """Queue a drift check of the live rules, unless one is waiting."""
    jobs.queue(DRIFT_CHECK, lock=LOCK, unless_running=True)


@transaction.atomic(savepoint=False)
def queue_customer_change(
    customer: Customer,
    actor: User | None,
    *,
    domains: Collection[str] = (),
    recipients: Collection[str] | None = None,
    urgent: bool = False,
) -> None:
    """Store the change, to be applied in a few seconds with others. Part of the transaction of the change, if any.

    `domains`: IDs of the domains it concerns; none: all of the customer's. `recipients`: those that change; None: all
    of the customer's. `urgent`: before all other work.
    """
    about = None if recipients is None else sorted({*recipients})
    changed = {"changed_at": timezone.now(), "by": actor, "waits_because": ""}
    own = {"domains": sorted({*domains}), "recipients": about}
    row, is_new = PendingChange.objects.select_for_update(of=("self",)).get_or_create(
        customer=customer, defaults=changed | own
    )
    if not is_new:  # another transaction may have stored it a moment ago: add to what is locked now
        row.domains = sorted({*domains, *row.domains}) if domains and row.domains else []
        row.recipients = None if about is None or row.recipients is None else sorted({*about, *row.recipients})
        for name, value in changed.items():
            setattr(row, name, value)
        row.save()
    queue_work(in_seconds=0 if urgent else settings.RECEIVING_WAIT_SECONDS, urgent=urgent)


@transaction.atomic
def record_wait(because: str) -> None:
    """Store why all changes wait; "" if they no longer do. Locks them in the order of their customers' IDs."""
    rows = PendingChange.objects.select_for_update(of=("self",)).order_by("pk")
    PendingChange.objects.filter(pk__in=list(rows.values_list("pk", flat=True))).update(waits_because=because)


def queue_confirmation_emails(*, unless_running: bool = False) -> None:
    """Queue the emails with confirmation links, under another lock: a slow mail server must not block the rules."""
    jobs.queue(CONFIRMATION_EMAILS, lock=CONFIRMATION_EMAILS, unless_running=unless_running)


def queue_probe(probe_id: str) -> None:
    jobs.queue(PROBE, lock=f"probe {probe_id}", probe_id=probe_id)
