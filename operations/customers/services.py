"""Creates, renames and deletes customers, and ends memberships."""

import re
from collections.abc import Collection, Sequence
from dataclasses import replace

from django.conf import settings
from django.db import transaction
from django.db.models import Model, ProtectedError
from django.utils import timezone

from accounts.members import services as members_services
from accounts.members.services import require_manager
from accounts.models.people import Customer, MemberRole, Membership, User, new_customer_id
from accounts.people.selectors import customer_subject, owners_of, supports_everyone
from audit import selectors as audit_selectors
from audit import services as audit_services
from audit.services import Subject
from domains.names.core import is_look_alike
from domains.sharing import services as sharing_services
from inbound_admin.lib.errors import NotAllowed, Refused
from inbound_admin.lib.mail_names import plain_name
from inbound_admin.lib.seen import refuse_if_changed
from notifications.alerts import services as alerts_services
from tenants.lifecycle.services import create_tenant
from tenants.models.tenants import Tenant

_ID = re.compile(r"cus_[0-9a-z]{20}")


@transaction.atomic
def create_customer(*, name: str, owner: User | None, actor: User | None, customer_id: str = "") -> Customer:
    """Create a customer. With a caller-chosen ID, repeating it returns the first one.

    Raises Refused, also if the first one was deleted.
    """
    if actor is not None and actor != owner and not actor.has_perm("accounts.add_customer"):
        raise NotAllowed("Your role can't create customers.")
    customer, created = Customer.objects.get_or_create(pk=_id(customer_id), defaults={"name": _name(name)})
    if not created:
        return customer
    if audit_selectors.changes_of("customer", customer.pk, of_customers=None).exists():
        # whose members would see the history and the mail of the first
        raise Refused("This form created a customer that was deleted since. Reload the form to create another.")
    if owner is not None:
        Membership.objects.create(customer=customer, user=owner, role=MemberRole.OWNER)
    after = {"name": customer.name, "owner": owner.email if owner else None}
    audit_services.record("customer.created", about=customer_subject(customer), actor=actor, after=after)
    if settings.TENANT_FOR_NEW_CUSTOMERS:
        create_tenant(customer=customer, actor=None, sends_at_once=True)
    return customer


@transaction.atomic
def rename_customer(*, customer: Customer, name: str, actor: User | None, seen: str = "") -> None:
    """Rename it. `seen`: of the form that shows the name. Raises Refused and ChangedMeanwhile."""
    require_manager(customer, actor)
    locked = Customer.locked(customer.pk)
    before, locked.name = locked.name, _name(name)
    if locked.name != before:
        refuse_if_changed(seen, {"name": before})
    _refuse_taken(locked, before, actor)
    customer.name = locked.name
    if before == locked.name:
        return
    locked.save(update_fields=("name",))
    about = customer_subject(locked)
    audit_services.record(
        "customer.renamed", about=about, actor=actor, before={"name": before}, after={"name": locked.name}
    )


@transaction.atomic
def delete_customer(*, customer: Customer, actor: User) -> None:
    """Delete it and email its owners. Its members' accounts remain.

    Staff must give a reason (ReasonMissing). Raises Refused while it has anything that must not be deleted with it.
    """
    if not actor.has_perm("accounts.delete_customer"):
        raise NotAllowed("Your role can't delete customers.")
    about = customer_subject(customer)
    because = audit_services.reason_for(actor=actor, customer_id=about.id)
    owners = list(owners_of(customer))
    try:
        customer.delete()
    except ProtectedError as error:
        raise Refused(_blockers(about.name, error.protected_objects), code="CUSTOMER_IN_USE") from error
    alerts_services.delete_customer_data(customer_id=about.id)
    before = {"name": about.name}
    audit_services.record("customer.deleted", about=about, actor=actor, because=because, before=before, for_staff=True)
    _notify_owners(
        owners, about, f"{actor.get_username()} deleted {about.name}.{f' Reason: {because}' * bool(because)}"
    )


def _notify_owners(owners: Sequence[User], about: Subject, why: str) -> None:
    """Queue the emails in the transaction of the deletion. No page is left that they could be about."""
    gone = replace(about, type="former_customer", customer_id="")
    text = f"{why}\nYour own account is unchanged. If you didn't expect this, contact support."
    alerts_services.announce(kind="customer.deleted", about=gone, people=owners, why=text, now=timezone.now())


@transaction.atomic
def end_membership(*, membership: Membership, actor: User, revokes_links: bool) -> None:
    """Remove the member, or let them leave, with the share links that they made if wanted. Raises Refused."""
    if revokes_links:
        sharing_services.revoke_made_by(person=membership.user, customer=membership.customer, actor=actor)
    if membership.user_id == actor.pk:
        members_services.leave(membership=membership)
    else:
        members_services.remove_member(membership=membership, actor=actor)


def _blockers(name: str, things: Collection[Model]) -> str:
    held = ", ".join(sorted(str(thing) for thing in things)[:5])
    if all(isinstance(thing, Tenant) for thing in things):
        return f"{name} still has tenant {held} in SES. Delete it on the tenant's page first."
    return (
        f"{name} still has {held}. Delete them first, or transfer the domains; then delete its tenant, if it has one."
    )


def _id(given: str) -> str:
    if given and not _ID.fullmatch(given):
        raise Refused("This customer ID is not valid. Reload the form.")
    return given or new_customer_id()


def _refuse_taken(customer: Customer, before: str, actor: User | None) -> None:
    """Refuse an owner another customer's name, or one that reads like it: it signs invitations and share links.

    Names that differ in punctuation, spaces or case read alike; so may one with letters of other scripts that look
    like Latin ones. Staff decide.
    """
    if actor is None or supports_everyone(actor) or customer.name.lower() == before.lower():
        return
    others = Customer.objects.exclude(pk=customer.pk).values_list("name", flat=True)
    wanted = _letters(customer.name)
    if any(map(is_look_alike, customer.name.casefold().split())) or wanted in map(_letters, others.iterator()):
        sentence = "This name isn't available. Add a word that tells your organisation apart, or ask our support team."
        raise Refused(sentence, code="NAME_TAKEN")


def _letters(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum()) or name


def _name(text: str) -> str:
    """Return the name on one line, as it is used in email subjects."""
    name = plain_name(text)
    longest: int = Customer._meta.get_field("name").max_length or 0
    if not name:
        raise Refused("Enter a name.")
    if len(name) > longest:
        raise Refused(f"The name has {len(name)} characters. The maximum is {longest}.")
    return name
