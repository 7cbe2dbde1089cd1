"""Change and remove members of a customer. A customer always keeps at least one owner."""

from django.db import transaction

from accounts.models.people import Customer, MemberRole, Membership, User
from accounts.people.selectors import customer_subject, may_manage, owners_of
from audit import services as audit_services
from inbound_admin.lib.errors import NotAllowed, Refused


def require_manager(customer: Customer, actor: User | None) -> None:
    """Raises NotAllowed unless the actor owns the customer or is staff with the permission. None is the system."""
    if actor is not None and not may_manage(actor, customer):
        raise NotAllowed(f"Only an owner of {customer} can do this. Ask one of them.")


@transaction.atomic
def change_member_role(*, membership: Membership, role: MemberRole, actor: User | None) -> None:
    """Raises Refused."""
    member = _locked(membership)
    require_manager(member.customer, actor)
    if member.role == role:
        return
    if role != MemberRole.OWNER:
        _keep_an_owner(member)
    before, member.role = member.role, role
    member.save(update_fields=("role",))
    membership.role = role
    audit_services.record(
        "member.role_changed",
        about=customer_subject(member.customer),
        actor=actor,
        before={"role of " + member.user.email: before},
        after={"role of " + member.user.email: role},
    )


@transaction.atomic
def remove_member(*, membership: Membership, actor: User | None) -> None:
    """Raises Refused."""
    member = _locked(membership)
    require_manager(member.customer, actor)
    _end("member.removed", member, actor)


@transaction.atomic
def leave(*, membership: Membership) -> None:
    """Remove the member at their own request. Raises Refused for the last owner."""
    member = _locked(membership)
    _end("member.left", member, member.user)


def _end(what: str, member: Membership, actor: User | None) -> None:
    _keep_an_owner(member)
    before = {"member": member.user.email, "role": member.role}
    member.delete()
    audit_services.record(what, about=customer_subject(member.customer), actor=actor, before=before)


def _locked(membership: Membership) -> Membership:
    """Lock the customer's row, so that two owners can't leave at the same time."""
    Customer.objects.select_for_update(no_key=True).get(pk=membership.customer_id)
    try:
        return Membership.objects.select_related("customer", "user").get(pk=membership.pk)
    except Membership.DoesNotExist as error:
        raise Refused("This person is no longer a member.", code="NOT_A_MEMBER") from error


def _keep_an_owner(member: Membership) -> None:
    if member.is_owner and not owners_of(member.customer).exclude(pk=member.user_id).exists():
        raise Refused(
            f"{member.user} is the last owner of {member.customer}. Make another member an owner first.",
            code="LAST_OWNER",
        )
