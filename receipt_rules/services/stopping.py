"""A customer's receiving is stopped by staff, and brought back: above what the customer wants, which stays as it is.

The person who pauses a customer's sending may do it: what they are shown is scoped to that customer's recipients.
"""

from django.db import transaction
from django.utils import timezone

from changes import services as changes
from receipt_rules.core.plans import Plan
from receipt_rules.models import ReceivingStop
from receipt_rules.services.desiring import scope_of, wanted
from receipt_rules.services.planning import Asked, plan_for
from receipt_rules.services.queue import customer_changed
from receipt_rules.services.reading import read_live
from tenants.models import Customer, User
from tenants.services.allowing import PAUSE, require
from tenants.services.customers import subject


def plan_to_stop(*, customer: Customer) -> Plan:
    """What would change at Amazon, of this customer's recipients alone. Raises Refused as `make_plan`, AwsProblem."""
    return _plan(customer, wants_mail=False)


def plan_to_resume(*, customer: Customer) -> Plan:
    """As `plan_to_stop`, for bringing back what the customer wants."""
    return _plan(customer, wants_mail=True)


def _plan(customer: Customer, *, wants_mail: bool) -> Plan:
    live = read_live()
    others = stopped_customers() - {customer.pk}
    stopped = others if wants_mail else others | {customer.pk}
    scope = scope_of(frozenset([customer.pk]), wanted(), live.rule_set)
    return plan_for(Asked(scope=scope), live, wanted(stopped=stopped))


@transaction.atomic
def stop(*, customer: Customer, because: str, actor: User, bulk_id: str = "") -> None:
    """The worker carries it out; asking twice is asking once. Raises Refused."""
    _ask(customer, because, actor, bulk_id, is_stopped=True)


@transaction.atomic
def resume(*, customer: Customer, because: str, actor: User | None, bulk_id: str = "") -> None:
    """What the customer wants is taken again; nothing to do where nothing is stopped. Raises Refused."""
    _ask(customer, because, actor, bulk_id, is_stopped=False)


def is_stopped(customer: Customer) -> bool:
    return ReceivingStop.objects.filter(customer=customer, is_stopped=True).exists()


def stopped_customers() -> frozenset[str]:
    """Their ids."""
    return frozenset(ReceivingStop.objects.filter(is_stopped=True).values_list("customer_id", flat=True))


def _ask(customer: Customer, because: str, actor: User | None, bulk_id: str, *, is_stopped: bool) -> None:
    require(actor, PAUSE, "A customer's receiving is stopped and resumed by Trust & Safety.")
    Customer.objects.select_for_update(no_key=True).get(pk=customer.pk)
    row = ReceivingStop.objects.filter(customer=customer).first()
    was = row is not None and row.is_stopped
    if was == is_stopped:
        return
    asked = {"is_stopped": is_stopped, "asked_at": timezone.now(), "by": actor, "because": because, "settled_at": None}
    ReceivingStop.objects.update_or_create(customer=customer, defaults=asked)
    changes.record(
        "receiving.stopped" if is_stopped else "receiving.resumed",
        about=subject(customer),
        actor=actor,
        because=because,
        bulk_id=bulk_id,
        for_staff=True,
    )
    customer_changed(customer, actor)
