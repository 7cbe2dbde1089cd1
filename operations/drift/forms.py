"""The form to resolve a difference."""

from typing import Any

from django import forms

from accounts.models.people import Customer, User
from operations.drift.core import Decision
from operations.drift_decisions.selectors import may_take
from operations.models import Difference


class DecideForm(forms.Form):
    decision = forms.ChoiceField(label="Decision", widget=forms.RadioSelect)
    customer = forms.CharField(
        label="Customer",
        required=False,
        max_length=120,
        help_text="The customer’s full name or ID. Required to accept it from SES.",
    )
    because = forms.CharField(label="Reason", max_length=500, help_text="Saved in the change log.")

    def __init__(
        self, *args: Any, difference: Difference, viewer: User, asks_customer: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        may = {
            Decision.ADOPT: difference.may_adopt,
            Decision.RESTORE: difference.may_restore,
            Decision.IGNORE: not difference.is_outage,
        }
        choices = [
            (each.value, each.words)
            for each, possible in may.items()
            if possible and may_take(viewer, each, difference)
        ]
        self.fields["decision"] = forms.ChoiceField(
            label="Decision", widget=forms.RadioSelect, choices=choices, initial=choices[0][0] if choices else None
        )
        if not asks_customer:
            del self.fields["customer"]
        elif difference.customer:
            self.fields["customer"].initial = difference.customer.name

    def clean_customer(self) -> Customer | None:
        text = " ".join(self.cleaned_data["customer"].split())
        if not text:
            return None
        found = list(Customer.objects.filter(pk=text)) or list(Customer.objects.filter(name__iexact=text)[:2])
        if len(found) != 1:
            several = "Several customers have this name. Use the ID."
            raise forms.ValidationError(several if found else "No customer has this name.")
        return found[0]
