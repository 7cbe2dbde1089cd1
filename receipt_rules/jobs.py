"""Queues the worker's jobs on receipt rules.

They share one lock: SES has no version check, so one process writes at a time. Jobs carry no ids: what is to be done is
in the rows, so a lost job loses nothing.
"""

from collections.abc import Collection

from django.conf import settings
from django.utils import timezone

from accounts.models.people import Customer, User
from inbound_admin.lib import jobs
from receipt_rules.models.runs import PendingChange

WORK = "receipt_rules.work"
LOOK = "receipt_rules.look"
LOCK = "receipt rules"
ASK = "receipt_rules.ask_recipients"


def work_soon(*, in_seconds: int = 0, unless_running: bool = False) -> None:
    """Approved runs first, then the changes that customers made."""
    jobs.queue(WORK, lock=LOCK, in_seconds=in_seconds, unless_running=unless_running)


def look_soon() -> None:
    """At the live rules, for differences. A job that waits already will see them."""
    jobs.queue(LOOK, lock=LOCK, unless_running=True)


def customer_changed(customer: Customer, actor: User | None, *, domains: Collection[str] = ()) -> None:
    """Inside the transaction of the change: it is carried out in a few seconds, with what else comes until then.

    `domains`: the ids of those that it concerns; none where it is all of the customer's.
    """
    before = PendingChange.objects.select_for_update(of=("self",)).filter(customer=customer).first()
    of_all = not domains or (before is not None and not before.domains)
    concerned = [] if of_all else sorted({*domains, *(before.domains if before else ())})
    changed = {"changed_at": timezone.now(), "by": actor, "waits_because": "", "domains": concerned}
    PendingChange.objects.update_or_create(customer=customer, defaults=changed)
    work_soon(in_seconds=settings.RECEIVING_WAIT_SECONDS)


def ask_recipients_soon(*, unless_running: bool = False) -> None:
    """Mails with links to confirm: apart from the rules, whose lock a slow mail server must not hold."""
    jobs.queue(ASK, lock=ASK, unless_running=unless_running)
