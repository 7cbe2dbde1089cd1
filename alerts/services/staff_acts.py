"""What our staff change of a customer's: its owners are told at once who, what and why, whatever they switched off."""

from typing import Any

from django.db import transaction
from django.dispatch import receiver
from django.utils import timezone

from alerts.core.audiences import CustomerPeople
from alerts.core.kinds import Severity
from alerts.core.watching import State
from alerts.models import LIVE, Alert, Notice
from alerts.selectors.people import told_of
from alerts.services.queue import mail_soon
from changes.models import Change
from changes.services import acted_for_customer

KIND = "staff.acted"


@receiver(acted_for_customer, dispatch_uid="alerts.staff_acts")
@transaction.atomic
def tell_owners(*, change: Change, actor: Any, **_: Any) -> None:
    """One alert in the customer's inbox and a mail to each owner. An earlier one about the same thing is over."""
    now = timezone.now()
    same = {"kind": KIND, "object_type": change.object_type, "object_id": change.object_id}
    Alert.objects.filter(**same, customer_id=change.customer_id, state__in=LIVE).update(
        state=State.RECOVERED, recovered_at=now
    )
    alert = Alert.objects.create(
        **same,
        object_name=change.object_name,
        about_customer_id=change.customer_id,
        customer_id=change.customer_id,
        severity=Severity.MEDIUM,
        state=State.OPEN,
        why=_sentence(change, actor),
        since=now,
        looks=1,
        looked_at=now,
        raised_at=now,
        told_at=now,
    )
    owners = told_of(CustomerPeople(change.customer_id))
    Notice.objects.bulk_create(Notice(alert=alert, person_id=owner.pk, phase="raised", due_at=now) for owner in owners)
    mail_soon()


def _sentence(change: Change, actor: Any) -> str:
    roles = ", ".join(actor.groups.order_by("name").values_list("name", flat=True)) or "staff"
    return f"{change.actor_name} ({roles}): {change.words}. Reason: {change.because}"
