"""Invitations are sent and withdrawn. The link goes to the address alone: nobody else sees it, staff included.

Who opens it proves the address by that, so a link in other hands would prove what is not so. `accepting` takes it.
"""

import secrets
from dataclasses import dataclass
from datetime import timedelta
from smtplib import SMTPException
from urllib.parse import urljoin

import structlog
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import send_mail
from django.core.validators import validate_email
from django.db import transaction
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from alerts.services import take_unsolicited_turn
from changes import services as changes
from inbound_admin.lib.errors import RateLimited, Refused
from inbound_admin.lib.mail_names import mail_name
from tenants.core.invitations import InvitationState, hash_of
from tenants.models import Customer, Invitation, MemberRole, User
from tenants.selectors import invitations_since, members_of, pending_invitations, people_with
from tenants.services.customers import require_manager, subject

MOST_IN_AN_HOUR = 30  # an invitation is an e-mail from us to anybody whom a customer names

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Invited:
    """`mailed` False: the invitation stands, the e-mail did not go out."""

    invitation: Invitation
    mailed: bool


def invite(*, customer: Customer, email: str, role: MemberRole, actor: User, site_url: str) -> Invited:
    """Mail a link that expires; an earlier one to the same address stops working. Raises Refused."""
    email = _address(email)
    token = secrets.token_urlsafe(32)
    invitation = _store(customer, email, role, actor, token)
    link = urljoin(site_url, reverse("tenants:accept", args=(token,)))
    return Invited(invitation, _mail(invitation, link))


@transaction.atomic
def revoke_invitation(*, invitation: Invitation, actor: User | None) -> None:
    """The link stops working. Raises Refused when it was used already."""
    locked = Invitation.objects.select_for_update(of=("self",)).select_related("customer").get(pk=invitation.pk)
    require_manager(locked.customer, actor)
    if locked.state is InvitationState.ACCEPTED:
        raise Refused(f"{locked.email} has accepted already. Remove the member instead.", code="INVITATION_USED")
    if locked.state is InvitationState.REVOKED:
        return
    locked.revoked_at = timezone.now()
    locked.save(update_fields=("revoked_at",))
    before = {"invited": locked.email, "role": locked.role}
    changes.record("invitation.revoked", about=subject(locked.customer), actor=actor, before=before)


@transaction.atomic
def _store(customer: Customer, email: str, role: MemberRole, actor: User, token: str) -> Invitation:
    locked = Customer.objects.select_for_update(no_key=True).get(pk=customer.pk)
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
    changes.record("member.invited", about=subject(locked), actor=actor, before=before, after=after)
    return invitation


def _may_be_invited(customer: Customer, email: str) -> None:
    if members_of(customer).filter(user__in=people_with(email)).exists():
        raise Refused(f"{email} belongs to {customer} already.", code="ALREADY_MEMBER")
    if invitations_since(customer, timezone.now() - timedelta(hours=1)) >= MOST_IN_AN_HOUR:
        sentence = f"{MOST_IN_AN_HOUR} invitations have gone out within an hour, which is the most. Wait a little."
        raise RateLimited(sentence, retry_after=3600)
    if not take_unsolicited_turn(email):
        sentence = f"{email} has had as many mails of ours as one address gets in a day. Try again tomorrow."
        raise RateLimited(sentence, retry_after=24 * 3600, code="RECIPIENT_LIMITED")


def _address(text: str) -> str:
    email = text.strip().lower()
    try:
        validate_email(email)
    except ValidationError as error:
        raise Refused(f"“{text.strip()}” is not an e-mail address.") from error
    return email


def _mail(invitation: Invitation, link: str) -> bool:
    """Outside of the transaction: a mail server may be slow, and an invitation without its mail can be sent again."""
    title = f"An invitation to {settings.SITE_NAME}"
    text = render_to_string(
        "tenants/invitation_mail.txt", {"invitation": invitation, "link": link, **_names(invitation)}
    )
    try:
        send_mail(title, text, settings.DEFAULT_FROM_EMAIL, [invitation.email])
    except (SMTPException, OSError) as error:
        log.error("invitation not mailed", invitation=invitation.pk, error=str(error))
        return False
    return True


def _names(invitation: Invitation) -> dict[str, str]:
    """Both are chosen by whoever invites, perhaps a stranger to the recipient."""
    inviter = invitation.invited_by.get_full_name() if invitation.invited_by else ""
    return {
        "inviter": mail_name(inviter, otherwise="Somebody"),
        "customer": mail_name(invitation.customer.name, otherwise="an organisation"),
        "site_name": settings.SITE_NAME,
    }
