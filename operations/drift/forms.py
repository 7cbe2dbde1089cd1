"""What a person says who decides over a difference."""

from typing import Any

from django import forms

from accounts.models.people import Customer
from operations.drift.core import Decision
from operations.models import Difference


class DecideForm(forms.Form):
    decision = forms.ChoiceField(label="What is done", widget=forms.RadioSelect)
    customer = forms.CharField(
        label="Whose it becomes",
        required=False,
        max_length=120,
        help_text="The customer’s whole name, or its id. Needed to take it over.",
    )
    because = forms.CharField(label="Why", max_length=500, help_text="For the change log, and for the next person.")

    def __init__(self, *args: Any, difference: Difference, asks_customer: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        may = {
            Decision.ADOPT: difference.may_adopt,
            Decision.RESTORE: difference.may_restore,
            Decision.IGNORE: not difference.is_outage,
        }
        choices = [(each.value, each.words) for each, possible in may.items() if possible]
        self.fields["decision"] = forms.ChoiceField(
            label="What is done", widget=forms.RadioSelect, choices=choices, initial=choices[0][0] if choices else None
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
            several = "Several customers are called so: give the id."
            raise forms.ValidationError(several if found else "No customer is called so.")
        return found[0]
