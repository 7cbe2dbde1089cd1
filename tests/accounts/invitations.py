"""Invitations for tests, and their results."""

import re

from django.core import mail

from accounts.members.core import hash_of
from accounts.members.services import Invited, invite
from accounts.models.people import Customer, Invitation, MemberRole, Membership, User
from audit.models import Change

SITE = "https://panel.example/"
PASSWORD = "a long sentence that nobody else says"


def send_invitation(
    customer: Customer, actor: User, email: str = "carol@acme.example", role: str = "member"
) -> Invited:
    return invite(customer=customer, email=email, role=MemberRole(role), actor=actor, site_url=SITE)


def token_of(sent: Invited) -> str:
    return mailed_token(sent.invitation)


def mailed_token(invitation: Invitation) -> str:
    """Return the token from the invitation email, which only its recipient has."""
    letters = (str(letter.body) for letter in mail.outbox if letter.to == [invitation.email])
    tokens = (str(token) for body in letters for token in re.findall(r"/invitation/([\w-]+)/", body))
    return next(token for token in tokens if hash_of(token) == invitation.token_hash)


def membership_of(person: User) -> Membership:
    return Membership.objects.get(user=person)


def logged_changes() -> list[str]:
    return list(Change.objects.order_by("pk").values_list("what", flat=True))
