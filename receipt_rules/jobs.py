"""Queues the worker's jobs on receipt rules.

They share one lock: SES has no version check, so one process writes at a time. Jobs carry no ids: what is to be done is
in the rows, so a lost job loses nothing.
"""

from collections.abc import Collection

from django.conf import settings
from django.utils import timezone

from accounts.models.people import Customer, User
from inbound_admin.lib import jobs, lanes
from inbound_admin.lib.lanes import WorkLane
from receipt_rules.models.runs import PendingChange

WORK = "receipt_rules.work"
LOOK = "receipt_rules.look"
LOCK = "receipt rules"
ASK = "receipt_rules.ask_recipients"
PROBE = "receipt_rules.send_probe"


def work_soon(*, in_seconds: int = 0, unless_running: bool = False, urgent: bool = False) -> None:
    """What staff stop first, then approved runs, then the changes that customers made."""
    lane = WorkLane.URGENT if urgent else None
    jobs.queue(WORK, lock=LOCK, in_seconds=in_seconds, unless_running=unless_running, lane=lane)


def seconds_needed(calls: int) -> int:
    """Until a plan of so many calls is carried out, if it were approved now: by the queue and the pace."""
    return jobs.seconds_left(task=WORK, calls=calls)


def urgent_work_waits() -> bool:
    """Whether whoever holds the rules' lock is to let it go, between two calls. Urgent work itself does not."""
    return lanes.current() < WorkLane.URGENT and jobs.is_waited_for(LOCK, above=WorkLane.PEOPLE)


def queue_drift_check() -> None:
    """At the live rules, for differences. A job that waits already will see them."""
    jobs.queue(LOOK, lock=LOCK, unless_running=True)


def customer_changed(
    customer: Customer,
    actor: User | None,
    *,
    domains: Collection[str] = (),
    recipients: Collection[str] | None = None,
    urgent: bool = False,
) -> None:
    """Inside the transaction of the change: it is carried out in a few seconds, with what else comes until then.

    `domains`: the ids of those that it concerns; none where it is all of the customer's. `recipients` are all that it
    changes; None: all that the customer has. `urgent`: before all else.
    """
    before = PendingChange.objects.select_for_update(of=("self",)).filter(customer=customer).first()
    of_all = not domains or (before is not None and not before.domains)
    concerned = [] if of_all else sorted({*domains, *(before.domains if before else ())})
    known = before.recipients if before else []
    about = None if recipients is None or known is None else sorted({*known, *recipients})
    changed = {"changed_at": timezone.now(), "by": actor, "waits_because": "", "domains": concerned}
    PendingChange.objects.update_or_create(customer=customer, defaults=changed | {"recipients": about})
    work_soon(in_seconds=0 if urgent else settings.RECEIVING_WAIT_SECONDS, urgent=urgent)


def ask_recipients_soon(*, unless_running: bool = False) -> None:
    """Mails with links to confirm: apart from the rules, whose lock a slow mail server must not hold."""
    jobs.queue(ASK, lock=ASK, unless_running=unless_running)


def send_probe_soon(probe_id: str) -> None:
    jobs.queue(PROBE, lock=f"probe {probe_id}", probe_id=probe_id)
