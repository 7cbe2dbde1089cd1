"""What allauth asks of us: whether strangers may sign up, and what a newcomer gets."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from django.conf import settings
from django.http import HttpRequest

from tenants.models import User
from tenants.services import create_customer


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth has no types
    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return bool(settings.OPEN_SIGN_UP)

    def save_user(self, request: HttpRequest, user: User, form: Any, commit: bool = True) -> User:
        """Each newcomer by open sign-up gets a customer of their own."""
        saved: User = super().save_user(request, user, form, commit)
        if commit:
            create_customer(name=saved.email, owner=saved, actor=saved)
        return saved
