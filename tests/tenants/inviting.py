"""Invitations, and what came of them."""

from changes.models import Change
from tenants.models import Customer, MemberRole, Membership, User
from tenants.services.invitations import Invited, invite

SITE = "https://panel.example/"
PASSWORD = "a long sentence that nobody else says"


def invited(customer: Customer, actor: User, email: str = "carol@acme.example", role: str = "member") -> Invited:
    return invite(customer=customer, email=email, role=MemberRole(role), actor=actor, site_url=SITE)


def token_of(sent: Invited) -> str:
    return sent.link.rstrip("/").rsplit("/", 1)[1]


def membership_of(person: User) -> Membership:
    return Membership.objects.get(user=person)


def verbs() -> list[str]:
    return list(Change.objects.order_by("pk").values_list("what", flat=True))
