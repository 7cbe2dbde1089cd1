"""The form that gives a message that belongs to nobody to a customer."""

from collections.abc import Collection
from typing import Any

from django import forms

from accounts.models.people import Customer
from inbound_admin.lib.fields import BecauseForm


class OwnerForm(BecauseForm):
    """`owners`: the customers (IDs) to choose from."""

    customer = forms.ModelChoiceField(Customer.objects.none(), label="Customer", empty_label="Choose a customer")
    field_order = ("customer", "because")

    def __init__(self, *args: Any, owners: Collection[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.owners = Customer.objects.filter(pk__in=owners)
        self.fields["customer"].queryset = self.owners  # type: ignore[attr-defined]  # a ModelChoiceField
