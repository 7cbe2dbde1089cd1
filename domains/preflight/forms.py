from typing import Any

from django import forms

from accounts.models.people import Customer, User
from accounts.people.forms import CustomerChoice
from accounts.people.selectors import customers_for
from domains.names.core import understand
from inbound_admin.lib.errors import Refused


class AddForm(forms.Form):
    """What to add and for whom; a person of one customer alone is not asked for whom."""

    name = forms.CharField(
        label="Domain",
        max_length=2000,
        help_text="A domain, URL or email address is fine.",
        widget=forms.TextInput(
            attrs={
                "placeholder": "shop.example.com",
                "autocomplete": "off",
                "autocapitalize": "none",
                "spellcheck": "false",
            }
        ),
    )
    customer = CustomerChoice(Customer.objects.none(), label="Customer", empty_label="Choose a customer")
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

    def __init__(self, *args: Any, viewer: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        customers = customers_for(viewer)
        self.only_customer = customers.first() if customers.count() == 1 else None
        if self.only_customer:
            del self.fields["customer"]
        else:
            self.fields["customer"].queryset = customers  # type: ignore[attr-defined]  # a ModelChoiceField, above

    def clean_name(self) -> str:
        text = str(self.cleaned_data["name"])
        try:
            understand(text)
        except Refused as refused:
            raise forms.ValidationError(str(refused), code=refused.code) from refused
        return text

    @property
    def chosen_customer(self) -> Customer:
        customer: Customer = self.only_customer or self.cleaned_data["customer"]
        return customer
