"""Helpers to visit the pages of customers and people."""

import re
from typing import Any

from django.test import Client
from django.urls import reverse

from accounts.members.services import invite
from accounts.models.people import Customer, MemberRole, User
from tests.accounts.invitations import mailed_token

HTMX = {"HX-Request": "true"}
PASSWORD = "a long sentence that nobody else says"


def signed_in(person: User) -> Client:
    client = Client()
    client.force_login(person)
    return client


ACCOUNT_PAGES = ("account", "keys", "revoke_key", "theme", "accept")


def url(name: str, *args: object) -> str:
    space = "accounts" if name in ACCOUNT_PAGES else "customers"
    return reverse(f"{space}:{name}", args=args)


def text(response: Any) -> str:
    return re.sub(r"\s+", " ", response.content.decode()).replace("&#x27;", "'")


def invitation_path(customer: Customer, actor: User, email: str = "carol@acme.example") -> str:
    site = "http://testserver/"
    sent = invite(customer=customer, email=email, role=MemberRole.MEMBER, actor=actor, site_url=site)
    return url("accept", mailed_token(sent.invitation))
