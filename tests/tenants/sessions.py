"""Sessions and second factors as tests need them: an old one, one of staff, one with an app."""

import time

from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.test import Client

from accounts.models.people import User
from accounts.people.services import SIGNED_IN_AT
from tests.tenants.pages import signed_in

HOUR = 3600


def signed_in_before(person: User, seconds: float = HOUR) -> Client:
    """Somebody who typed the password so long ago; the session may be in other hands by now."""
    client = signed_in(person)
    age(client, seconds)
    return client


def age(client: Client, seconds: float) -> None:
    session = client.session
    session[SIGNED_IN_AT] = time.time() - seconds
    session.save()


def give_factor(person: User) -> User:
    TOTP.activate(person, generate_totp_secret())
    return person
