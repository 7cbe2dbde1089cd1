"""Sessions and second factors for tests: an older session, and a user with an authenticator app."""

import time

from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.test import Client

from accounts.models.people import User
from accounts.people.services import SIGNED_IN_AT
from tests.tenants.pages import signed_in

HOUR = 3600


def signed_in_before(person: User, seconds: float = HOUR) -> Client:
    """Return the client of a person who signed in that long ago."""
    client = signed_in(person)
    age_session(client, seconds)
    return client


def age_session(client: Client, seconds: float) -> None:
    session = client.session
    session[SIGNED_IN_AT] = time.time() - seconds
    session.save()


def add_second_factor(person: User) -> User:
    TOTP.activate(person, generate_totp_secret())
    return person
