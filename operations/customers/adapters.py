"""Adapters of allauth: who may sign up, and what a new user gets."""

from typing import Any
from urllib.parse import urljoin, urlsplit

from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.adapter import DefaultMFAAdapter
from django.conf import settings
from django.db import IntegrityError, transaction
from django.http import HttpRequest

from accounts.models.people import User
from accounts.people.services import has_just_signed_in
from inbound_admin.lib import sealed
from inbound_admin.lib.errors import RateLimited, Refused
from inbound_admin.lib.http import site_url
from inbound_admin.lib.mail_names import take_unsolicited_turn
from operations.customers.services import create_customer

TO_STRANGERS = frozenset(
    f"account/email/{name}" for name in ("email_confirmation", "email_confirmation_signup", "account_already_exists")
)


def _at_our_site(request: HttpRequest, url: str) -> str:
    return urljoin(settings.SITE_URL or request.build_absolute_uri("/"), urlsplit(url).path)


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth has no types
    error_messages: dict[str, Any] = {  # noqa: RUF012  # as allauth has it
        **DefaultAccountAdapter.error_messages,
        "account_inactive": "This account is disabled. Contact support.",
        "cannot_remove_primary_email": "You sign in with this email address. Add another address first.",
        "duplicate_email": "You already have this email address.",
        "email_password_mismatch": "The email address or password is incorrect.",
        "email_taken": "An account with this email address already exists.",
        "incorrect_password": "The password is incorrect.",
        "too_many_login_attempts": "Too many sign-in attempts. Try again in a few minutes.",
        "unverified_primary_email": "Confirm your email address first with the link we sent you.",
    }

    def is_reauthentication_required(self, *, app: str, **kwargs: Any) -> bool:
        """Not required if the user signed in a moment ago."""
        if has_just_signed_in(self.request):
            return False
        return bool(super().is_reauthentication_required(app=app, **kwargs))

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Raises RateLimited if anyone can type the address, and it already got its daily number of emails."""
        if template_prefix in TO_STRANGERS and not take_unsolicited_turn(email):
            sentence = f"We've sent {email} the maximum number of emails for today. Try again tomorrow."
            raise RateLimited(sentence, retry_after=24 * 3600, code="RECIPIENT_LIMITED")
        host = urlsplit(site_url(self.request)).netloc
        hours = settings.PASSWORD_RESET_TIMEOUT // 3600
        ours = {"current_site": {"name": settings.SITE_NAME, "domain": host}, "password_reset_hours": hours}
        super().send_mail(template_prefix, email, ours | context)

    def send_notification_mail(
        self, template_prefix: str, user: User, context: dict[str, Any] | None = None, email: str | None = None
    ) -> None:
        """Also send to people whose address has no allauth row, such as those created by a command."""
        super().send_notification_mail(template_prefix, user, context, email or user.email)

    def get_reset_password_from_key_url(self, key: str) -> str:
        return _at_our_site(self.request, super().get_reset_password_from_key_url(key))

    def get_email_confirmation_url(self, request: HttpRequest, emailconfirmation: Any) -> str:
        return _at_our_site(request, super().get_email_confirmation_url(request, emailconfirmation))

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return bool(settings.OPEN_SIGN_UP)

    def save_user(self, request: HttpRequest, user: User, form: Any, commit: bool = True) -> User:
        """Create a user's own customer on open sign-up, or neither."""
        if not commit:
            return super().save_user(request, user, form, commit)  # type: ignore[no-any-return]  # as above
        try:
            return self._save_with_customer(request, user, form)
        except IntegrityError as error:  # the same form sent twice at the same moment
            raise Refused("This form was sent twice. Check your email, or sign in.", code="ACCOUNT_EXISTS") from error

    @transaction.atomic
    def _save_with_customer(self, request: HttpRequest, user: User, form: Any) -> User:
        saved: User = super().save_user(request, user, form)
        create_customer(name=saved.email, owner=saved, actor=saved)
        return saved


class MFAAdapter(DefaultMFAAdapter):  # type: ignore[misc]  # as above
    """Encrypts the secrets of authenticator apps and recovery codes in our tables."""

    def encrypt(self, text: str) -> str:
        return sealed.seal(text)

    def decrypt(self, encrypted_text: str) -> str:
        return sealed.unseal(encrypted_text)
