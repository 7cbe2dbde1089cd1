"""Send, revoke and accept invitations; change and remove members. A customer always keeps at least one owner.

The link is sent only to the invited address. Nobody else sees it, including staff, because opening it proves the
address. `accept_invitation` accepts it for a new person, who chooses a password, or for a signed-in person.
"""

import secrets
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from smtplib import SMTPException
from urllib.parse import urljoin

import structlog
from allauth.account.models import EmailAddress
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import send_mail
from django.db import IntegrityError, transaction
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from accounts.members.core import InvitationState, hash_of
from accounts.models.people import Customer, Invitation, MemberRole, Membership, User
from accounts.people.selectors import (
    customer_subject,
    invitation_by_token,
    may_manage,
    members_of,
    owners_of,
    pending_invitations,
    people_by_email,
)
from audit import services as audit_services
from inbound_admin.lib.errors import NotAllowed, RateLimited, Refused
from inbound_admin.lib.mail_names import LONGEST_NAME, mail_name, plain_name, require_email, take_unsolicited_turn
from inbound_admin.lib.seen import refuse_if_changed


def require_manager(customer: Customer, actor: User | None) -> None:
    """Raises NotAllowed unless the actor owns the customer or is staff with the permission. None is the system."""
    if actor is not None and not may_manage(actor, customer):
        raise NotAllowed(f"Only an owner of {customer} can do this. Ask one of them.")


@transaction.atomic
def change_member_role(*, membership: Membership, role: MemberRole, actor: User | None, seen: str = "") -> None:
    """Change the role. `seen`: of the form that shows it. Raises Refused and ChangedMeanwhile."""
    member = _locked(membership)
    require_manager(member.customer, actor)
    if member.role == role:
        return
    refuse_if_changed(seen, {"role": str(member.role)})
    if role != MemberRole.OWNER:
        _keep_an_owner(member)
    before, member.role = member.role, role
    member.save(update_fields=("role",))
    membership.role = role
    revoke_sent_invitations(member.user, actor=actor)
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
    revoke_sent_invitations(member.user, actor=actor)
    audit_services.record(what, about=customer_subject(member.customer), actor=actor, before=before)


def _locked(membership: Membership) -> Membership:
    """Lock the customer's row, so that two owners can't leave at the same time."""
    Customer.locked(membership.customer_id)
    try:
        return Membership.objects.select_related("customer", "user").get(pk=membership.pk)
    except Membership.DoesNotExist as error:
        raise Refused("This person is no longer a member.", code="NOT_A_MEMBER") from error


def _keep_an_owner(member: Membership) -> None:
    if member.is_owner and not owners_of(member.customer).exclude(pk=member.user_id).exists():
        only = not members_of(member.customer).exclude(pk=member.pk).filter(user__is_active=True).exists()
        instead = "Invite another owner first, or ask support to delete it."
        raise Refused(
            f"{member.user} is the last owner of {member.customer}. "
            f"{instead if only else 'Make another member an owner first.'}",
            code="LAST_OWNER",
        )


MOST_IN_AN_HOUR = 30  # a customer can have us email any address

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Invited:
    """`mailed` False: the invitation is valid, but the email couldn't be sent."""

    invitation: Invitation
    mailed: bool


def invite(*, customer: Customer, email: str, role: MemberRole, actor: User, site_url: str) -> Invited:
    """Email an invitation link. An earlier link to the same address stops working. Raises Refused."""
    email = _address(email)
    token = secrets.token_urlsafe(32)
    invitation = _store(customer, email, role, actor, token)
    link = urljoin(site_url, reverse("accounts:accept", args=(token,)))
    return Invited(invitation, _mail(invitation, link))


@transaction.atomic
def revoke_invitation(*, invitation: Invitation, actor: User | None) -> None:
    """Revoke the link. Raises Refused if it was already used."""
    locked = Invitation.locked(invitation.pk, "customer")
    require_manager(locked.customer, actor)
    if locked.state is InvitationState.ACCEPTED:
        raise Refused(f"{locked.email} has already accepted. Remove the member instead.", code="INVITATION_USED")
    if locked.state is not InvitationState.REVOKED:
        _revoke(locked, actor)


@transaction.atomic
def revoke_sent_invitations(person: User, *, actor: User | None) -> None:
    """Revoke the person's pending invitations to customers that they don't manage any more.

    Who may no longer invite must not come back by a link that they sent to themselves.
    """
    person = User.objects.get(pk=person.pk)  # with the permissions after the change
    sent = pending_invitations().filter(invited_by=person)
    for invitation in sent.select_for_update(of=("self",)).select_related("customer").order_by("pk"):
        if not may_manage(person, invitation.customer):
            _revoke(invitation, actor)


def _revoke(locked: Invitation, actor: User | None) -> None:
    locked.revoked_at = timezone.now()
    locked.save(update_fields=("revoked_at",))
    before = {"invited": locked.email, "role": locked.role}
    audit_services.record("invitation.revoked", about=customer_subject(locked.customer), actor=actor, before=before)


@transaction.atomic
def _store(customer: Customer, email: str, role: MemberRole, actor: User, token: str) -> Invitation:
    locked = Customer.locked(customer.pk)
    require_manager(locked, actor)
    replaced = pending_invitations(locked).filter(email=email).update(revoked_at=timezone.now())
    _may_be_invited(locked, email)
    invitation = Invitation.objects.create(
        customer=locked,
        email=email,
        role=MemberRole(role),
        token_hash=hash_of(token),
        invited_by=actor,
        expires_at=timezone.now() + timedelta(days=settings.INVITATION_DAYS),
    )
    after = {"invited": email, "role": role, "until": invitation.expires_at.isoformat(timespec="seconds")}
    before = {"invited": email} if replaced else {}
    audit_services.record("member.invited", about=customer_subject(locked), actor=actor, before=before, after=after)
    return invitation


def _may_be_invited(customer: Customer, email: str) -> None:
    if members_of(customer).filter(user__in=people_by_email(email)).exists():
        raise Refused(f"{email} already belongs to {customer}.", code="ALREADY_MEMBER")
    an_hour_ago = timezone.now() - timedelta(hours=1)
    if Invitation.objects.filter(customer=customer, created_at__gte=an_hour_ago).count() >= MOST_IN_AN_HOUR:
        sentence = f"You can send at most {MOST_IN_AN_HOUR} invitations per hour. Try again later."
        raise RateLimited(sentence, retry_after=3600)
    if not take_unsolicited_turn(email):
        sentence = f"{email} has reached our daily limit of emails. Try again tomorrow."
        raise RateLimited(sentence, retry_after=24 * 3600, code="RECIPIENT_LIMITED")


def _address(text: str) -> str:
    email = text.strip().lower()
    try:
        require_email(email)
    except ValidationError as error:
        raise Refused(f"“{text.strip()}” isn't a valid email address.") from error
    return email


def _mail(invitation: Invitation, link: str) -> bool:
    """Send outside the transaction: a mail server may be slow, and an invitation can be sent again."""
    title = f"Invitation to {settings.SITE_NAME}"
    text = render_to_string(
        "accounts/members/invitation_mail.txt", {"invitation": invitation, "link": link, **_names(invitation)}
    )
    try:
        send_mail(title, text, settings.DEFAULT_FROM_EMAIL, [invitation.email])
    except (SMTPException, OSError) as error:
        log.error("invitation not mailed", invitation=invitation.pk, error=str(error))
        return False
    return True


def _names(invitation: Invitation) -> dict[str, str]:
    """Both names are chosen by the inviter, who may be a stranger to the recipient."""
    inviter = invitation.invited_by.get_full_name() if invitation.invited_by else ""
    return {
        "inviter": mail_name(inviter, otherwise="Someone"),
        "customer": mail_name(invitation.customer.name, otherwise="an organisation"),
        "site_name": settings.SITE_NAME,
    }


class InvitationUnknown(Refused):
    code = "INVITATION_UNKNOWN"
    status = 404


class InvitationGone(Refused):
    """The link was used, revoked or has expired."""

    status = 410


class WrongPerson(Refused):
    code = "INVITATION_WRONG_PERSON"
    status = 403


class Needs(StrEnum):
    NOTHING = "nothing"
    SIGN_IN = "sign_in"
    ACCOUNT = "account"


@dataclass(frozen=True)
class Offer:
    """An invitation and what its recipient needs before accepting."""

    invitation: Invitation
    needs: Needs


def offer(*, token: str, person: User | None) -> Offer:
    """Return what this person can accept. Raises Refused if unknown, used, revoked, expired or for another person."""
    return _offer(invitation_by_token(token).first(), person)


@transaction.atomic
def accept_invitation(*, token: str, person: User | None, name: str = "", password: str = "") -> Membership:
    """Add the person, or a new account if `person` is None. A link works once. Raises Refused."""
    offered = _offer(invitation_by_token(token).select_for_update(of=("self",)).first(), person)
    invitation = offered.invitation
    if offered.needs is Needs.SIGN_IN:
        raise Refused(
            f"{invitation.email} already has an account. Sign in with it, then accept.", code="ACCOUNT_EXISTS"
        )
    member = person or _new_person(invitation.email, name, password)
    membership, joined = Membership.objects.get_or_create(
        customer=invitation.customer, user=member, defaults={"role": invitation.role}
    )
    if not joined:
        raise Refused(f"You already belong to {invitation.customer}.", code="ALREADY_MEMBER")
    invitation.accepted_at = timezone.now()
    invitation.save(update_fields=("accepted_at",))
    after = {"member": member.email, "role": membership.role, "new_account": person is None}
    audit_services.record("member.joined", about=customer_subject(invitation.customer), actor=member, after=after)
    return membership


def _offer(invitation: Invitation | None, person: User | None) -> Offer:
    if invitation is None:
        sentence = (
            "This link isn't valid. Copy the whole link from the email. If it is whole, the organisation was deleted."
        )
        raise InvitationUnknown(sentence)
    _refuse_unless_open(invitation)
    holders = list(people_by_email(invitation.email))
    if person is not None:
        if person not in holders:
            raise WrongPerson(f"This invitation is for {invitation.email}, but you're signed in as {person.email}.")
        return Offer(invitation, Needs.NOTHING)
    if holders and not any(holder.is_active for holder in holders):
        raise Refused(f"The account {invitation.email} is disabled. Contact support.", code="SWITCHED_OFF")
    return Offer(invitation, Needs.SIGN_IN if holders else Needs.ACCOUNT)


def _refuse_unless_open(invitation: Invitation) -> None:
    ask = f"Ask {invitation.customer} for a new one."
    sentences = {
        InvitationState.ACCEPTED: "This invitation has already been used. If you used it, sign in.",
        InvitationState.REVOKED: f"This invitation was revoked or replaced. Use the link in the latest email. {ask}",
        InvitationState.EXPIRED: f"This invitation expired on {invitation.expires_at:%-d %B %Y}. {ask}",
    }
    state = invitation.state
    if state is not InvitationState.OPEN:
        code = "INVITATION_USED" if state is InvitationState.ACCEPTED else f"INVITATION_{state.name}"
        raise InvitationGone(sentences[state], code=code)


def _new_person(email: str, name: str, password: str) -> User:
    """The address needs no further proof, because the link was sent to it."""
    if not password:
        raise Refused("Choose a password.")
    try:
        with transaction.atomic():
            person = User.objects.create_user(email, password, first_name=plain_name(name)[:LONGEST_NAME])
    except IntegrityError as error:
        raise Refused(f"{email} already has an account. Sign in, then accept.", code="ACCOUNT_EXISTS") from error
    EmailAddress.objects.create(user=person, email=person.email, verified=True, primary=True)
    return person
