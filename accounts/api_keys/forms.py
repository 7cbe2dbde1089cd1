import secrets
from typing import Any

from django import forms

from accounts.api_keys.core import Scope
from accounts.models.people import User
from accounts.people import selectors as people_selectors

SCOPES = (
    (Scope.READ.value, "Read: sees what you see"),
    (Scope.WRITE.value, "Write: changes what you may change"),
    (Scope.STAFF.value, "Staff: all customers, as far as your role goes"),
    (Scope.ROUTE.value, "Route: asks whose a recipient’s mail is, for the function that takes mail"),
)
LIVES = ((30, "30 days"), (90, "90 days"), (365, "A year"), (0, "Until it is revoked"))


class ApiKeyForm(forms.Form):
    """`once` is chosen when the form is shown, so that sending it twice makes one key."""

    name = forms.CharField(max_length=120, help_text="Which program will use it, and where.")
    scopes = forms.MultipleChoiceField(
        label="What it may do", choices=SCOPES[:2], widget=forms.CheckboxSelectMultiple, initial=[Scope.READ.value]
    )
    days = forms.TypedChoiceField(label="How long it works", choices=LIVES, coerce=int, initial=90)
    once = forms.CharField(max_length=64, initial=secrets.token_urlsafe, widget=forms.HiddenInput)

    def __init__(self, *args: Any, viewer: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if people_selectors.supports_everyone(viewer):
            self.fields["scopes"].choices = SCOPES  # type: ignore[attr-defined]  # a field of choices
