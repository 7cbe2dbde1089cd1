from typing import Any

from django import forms
from django.contrib.auth.password_validation import password_validators_help_text_html, validate_password

from tenants.models import MemberRole, Theme, User, new_customer_id

ROLES = (
    (MemberRole.MEMBER, "Member: sees and looks after the domains"),
    (MemberRole.OWNER, "Owner: also invites and removes people"),
)
ADDRESS = {"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false", "placeholder": "name@example.com"}


class CustomerForm(forms.Form):
    name = forms.CharField(max_length=120, help_text="The organisation, as its people know it.")


class NewCustomerForm(CustomerForm):
    """The id is chosen when the form is shown, so that sending it twice makes one customer."""

    owner = forms.EmailField(
        label="Owner's e-mail address",
        required=False,
        widget=forms.EmailInput(ADDRESS),
        help_text="Gets an invitation, and can then invite colleagues. You can also do this later.",
    )
    customer_id = forms.CharField(max_length=40, initial=new_customer_id, widget=forms.HiddenInput, required=False)


class InviteForm(forms.Form):
    email = forms.EmailField(label="E-mail address", widget=forms.EmailInput(ADDRESS))
    role = forms.ChoiceField(choices=ROLES, initial=MemberRole.MEMBER)


class RoleForm(forms.Form):
    role = forms.ChoiceField(choices=ROLES)


class AcceptForm(forms.Form):
    name = forms.CharField(label="Your name", max_length=150, widget=forms.TextInput({"autocomplete": "name"}))
    password = forms.CharField(
        strip=False,
        widget=forms.PasswordInput({"autocomplete": "new-password"}),
        help_text=password_validators_help_text_html,
    )

    def __init__(self, *args: Any, email: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.email = email

    def clean_password(self) -> str:
        password = str(self.cleaned_data["password"])
        validate_password(password, User(email=self.email, first_name=self.cleaned_data.get("name", "")))
        return password


class AccountForm(forms.Form):
    name = forms.CharField(
        label="Your name",
        max_length=150,
        required=False,
        widget=forms.TextInput({"autocomplete": "name"}),
        help_text="What colleagues see beside what you did.",
    )
    theme = forms.ChoiceField(choices=Theme.choices, widget=forms.RadioSelect)
    shortcuts = forms.BooleanField(
        label="Keyboard shortcuts", required=False, help_text="Single keys that jump to pages and copy values."
    )
