"""People of the system before this one, and a customer for each who has none. Nobody is written to, nothing is called.

A person gets no password: the link for a forgotten one lets them in. The customer gets no tenant yet: a migration makes
that, as for everybody who was here before tenants.
"""

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction

from changes import services as changes
from inbound_admin.lib.errors import Refused
from tenants.models import Customer, MemberRole, Membership, User
from tenants.services.customers import subject
from tenants.services.people import person_subject


def import_person(*, email: str, name: str, actor: User | None, because: str, bulk_id: str) -> tuple[User, bool]:
    """The person of this address, and whether they are new; whoever is here keeps their own name. Raises Refused."""
    known = User.objects.filter(email__iexact=email).first()
    if known is not None:
        return known, False
    try:
        validate_email(email)
    except ValidationError as error:
        raise Refused(f"“{email[:80]}” is not an e-mail address.", code="NOT_AN_ADDRESS") from error
    plain = " ".join(name.split())[:150]
    try:
        with transaction.atomic():
            made = User.objects.create_user(email, None, first_name=plain)
    except IntegrityError as error:
        raise Refused(f"{email} has just been added by somebody else. Try it again.", code="PERSON_EXISTS") from error
    changes.record(
        "person.added",
        about=person_subject(made),
        actor=actor,
        because=because,
        after={"email": made.email, "name": plain},
        bulk_id=bulk_id,
        for_staff=True,
    )
    return made, True


def import_customer(*, owner: User, actor: User | None, because: str, bulk_id: str) -> tuple[Customer, bool]:
    """The one that they own, and whether it is new. Raises Refused for somebody who owns several."""
    known = list(Customer.objects.filter(memberships__user=owner, memberships__role=MemberRole.OWNER)[:2])
    if len(known) > 1:
        raise Refused(f"{owner.email} owns several customers: whose this is cannot be told.", code="SEVERAL_CUSTOMERS")
    if known:
        return known[0], False
    with transaction.atomic():
        made = Customer.objects.create(name=str(owner)[:120])
        Membership.objects.create(customer=made, user=owner, role=MemberRole.OWNER)
        changes.record(
            "customer.created",
            about=subject(made),
            actor=actor,
            because=because,
            after={"name": made.name, "owner": owner.email},
            bulk_id=bulk_id,
        )
    return made, True
