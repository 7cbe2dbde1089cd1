from django import forms

from accounts.people.forms import ForCustomer
from domains.names.core import parse_domain
from inbound_admin.lib.errors import Refused
from inbound_admin.lib.fields import AS_TYPED


class AddForm(ForCustomer):
    """The domain to add, and for which customer."""

    name = forms.CharField(
        label="Domain",
        max_length=2000,
        help_text="A domain, URL or email address is fine.",
        widget=forms.TextInput({**AS_TYPED, "placeholder": "shop.example.com"}),
    )
    send_only = forms.BooleanField(
        label="Send only",
        required=False,
        help_text="Another service receives mail for this domain. You can change this later.",
    )

    tell_when_verified = forms.BooleanField(
        label="Email me when it's verified",
        required=False,
        initial=True,
        help_text="One email when all required records are verified. Your webhooks are notified too.",
    )

    field_order = ("name", "customer")

    def clean_name(self) -> str:
        text = str(self.cleaned_data["name"])
        try:
            parse_domain(text)
        except Refused as refused:
            raise forms.ValidationError(str(refused), code=refused.code) from refused
        return text
