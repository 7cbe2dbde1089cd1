"""Signing in, either through the form or directly by a session cookie."""

import time

from allauth.account.internal.flows.login import record_authentication
from django.conf import settings
from django.http import HttpRequest
from django.test import Client
from playwright.sync_api import BrowserContext, Page

from accounts.models.people import User
from accounts.people.services import SIGNED_IN_AT

PASSWORD = "correct horse battery"


def sign_in(page: Page, email: str) -> None:
    page.goto("/")
    page.get_by_label("Email address").fill(email)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/operations/**")


def log_in_as(context: BrowserContext, user: User | None, url: str, *, lately: bool = True) -> None:
    """Sign in with a new session. None signs nobody in.

    Not `lately`: long enough ago that allauth asks for the password again.
    """
    context.clear_cookies()
    if user is None:
        return
    client = Client()
    client.force_login(user)
    if lately:
        request = HttpRequest()
        request.session = client.session
        record_authentication(request, user, "password", reauthenticated=True)
        request.session.save()
    else:
        session = client.session
        session[SIGNED_IN_AT] = time.time() - float(settings.ACCOUNT_REAUTHENTICATION_TIMEOUT) - 1
        session.save()
    context.add_cookies([{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": url}])
