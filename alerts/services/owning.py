"""Whose a target is, and telling its people when it was switched off."""

from datetime import datetime

from alerts.core.audiences import Audience, CustomerPeople, Person, Staff
from alerts.models import WebhookTarget
from alerts.selectors.people import MANAGES_STAFF_WEBHOOKS
from alerts.services.observing import observe
from changes.services import Subject

OFF = "webhook.off"


def subject(target: WebhookTarget) -> Subject:
    """What the change log calls a webhook."""
    return Subject("webhook", target.pk, target.name, target.customer_id)


def owner_of(target: WebhookTarget) -> Audience:
    if target.person_id is not None:
        return Person(target.person_id)
    return CustomerPeople(target.customer_id) if target.customer_id else Staff(MANAGES_STAFF_WEBHOOKS)


def tell_switched_off(target: WebhookTarget, *, now: datetime) -> None:
    observe(
        kind=OFF,
        about=subject(target),
        firing=True,
        why=target.off_because,
        severity="medium",
        audience=owner_of(target),
        now=now,
    )


def switched_on_again(target: WebhookTarget) -> None:
    """On, or removed: in both cases there is nothing left to do."""
    observe(kind=OFF, about=subject(target), firing=False, why="", severity="medium", audience=owner_of(target))
