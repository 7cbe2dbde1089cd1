import secrets
from typing import Any

from django import forms

from accounts.api_keys.core import Scope
from accounts.models.people import User
from accounts.people import selectors as people_selectors

SCOPES = (
    (Scope.READ.value, "Read: view everything you can view"),
    (Scope.WRITE.value, "Write: change everything you can change"),
    (Scope.STAFF.value, "Staff: access all customers, within your role"),
    (Scope.ROUTE.value, "Route: look up recipients, for the inbound mail function"),
)
LIVES = ((30, "30 days"), (90, "90 days"), (365, "1 year"), (0, "No expiry"))


class ApiKeyForm(forms.Form):
    """`once` is chosen when the form is shown, so submitting it twice creates one key."""

    name = forms.CharField(max_length=120, help_text="What will use the key.")
    scopes = forms.MultipleChoiceField(
        label="Scopes", choices=SCOPES[:2], widget=forms.CheckboxSelectMultiple, initial=[Scope.READ.value]
    )
    days = forms.TypedChoiceField(label="Expiry", choices=LIVES, coerce=int, initial=90)
    once = forms.CharField(max_length=64, initial=secrets.token_urlsafe, widget=forms.HiddenInput)

    def __init__(self, *args: Any, viewer: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if people_selectors.supports_everyone(viewer):
            self.fields["scopes"].choices = SCOPES  # type: ignore[attr-defined]  # a field of choices
