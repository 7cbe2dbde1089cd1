"""Saves what must be true of an address, and removes it. A plan that breaks it is refused."""

from django.db import transaction

from accounts.models.people import User
from audit import services as audit_services
from domains.ownership.selectors import holder_of
from inbound_admin.lib.errors import Refused
from receipt_rules.addresses.core import read_recipient
from receipt_rules.addresses.selectors import endpoints_of
from receipt_rules.expectations.selectors import expectation_subject
from receipt_rules.models.endpoints import Endpoint
from receipt_rules.models.expectations import Expectation, Expected
from receipt_rules.planner.core.rules import domain_of


@transaction.atomic
def save_expectation(*, text: str, expected: Expected, actor: User, endpoint: str = "") -> Expectation:
    """Save what must be true of an address; a plan that breaks it is refused. `endpoint` is its name.

    Raises Refused.
    """
    _refuse(actor)
    address = read_recipient(text).address
    to = _endpoint_of(address, endpoint) if expected == Expected.ENDPOINT else None
    row, _ = Expectation.objects.update_or_create(
        address=address, defaults={"expected": expected, "endpoint": to, "by": actor}
    )
    about = expectation_subject(row)
    audit_services.record(
        "expectation.saved", about=about, actor=actor, after={"expected": str(expected)}, for_staff=True
    )
    return row


def _endpoint_of(address: str, name: str) -> Endpoint:
    holder = holder_of(domain_of(address))
    found = endpoints_of(holder.customer).filter(name__iexact=name.strip()).first() if holder and name.strip() else None
    if found is None:
        whose = f"{holder.customer} has no endpoint with this name" if holder else f"No customer has {address}"
        raise Refused(f"{whose}. Enter the endpoint's name as shown on its page.", code="ENDPOINT_MISSING")
    return found


@transaction.atomic
def delete_expectation(*, expectation: Expectation, actor: User) -> None:
    """Delete it; no effect if it is already deleted. Raises Refused."""
    _refuse(actor)
    about, before = expectation_subject(expectation), {"expected": str(expectation.expected)}
    if Expectation.objects.filter(pk=expectation.pk).delete()[0]:
        audit_services.record("expectation.removed", about=about, actor=actor, before=before, for_staff=True)


def _refuse(actor: User) -> None:
    if not actor.has_perm("receipt_rules.operate_rules"):
        raise Refused("Only operators can change expectations.", code="NOT_ALLOWED")
