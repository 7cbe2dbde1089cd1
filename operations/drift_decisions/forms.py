"""The form to resolve many differences."""

from collections.abc import Mapping
from typing import Any

from django import forms

from accounts.models.people import Customer
from accounts.people.forms import CustomerChoice
from operations.drift.core import Decision


class DecideManyForm(forms.Form):
    """`numbers`: over how many each decision is possible; one that is possible for none is not offered."""

    decision = forms.ChoiceField(label="Decision", widget=forms.RadioSelect)
    customer = CustomerChoice(
        Customer.objects.all(),
        label="Customer for tenants without a suggested customer",
        required=False,
        empty_label="Keep those open",
    )
    because = forms.CharField(label="Reason", max_length=500, help_text="Saved in the change log.")
    typed = forms.IntegerField(label="Number of differences", min_value=1)

    def __init__(self, *args: Any, numbers: Mapping[Decision, int], asks_customer: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.numbers = numbers
        self.fields["decision"] = forms.ChoiceField(
            label="Decision",
            widget=forms.RadioSelect,
            choices=[(each.value, f"{each.words} ({number:,})") for each, number in numbers.items() if number],
        )
        self.fields["typed"].help_text = "To confirm, type the number shown after the decision."
        if not asks_customer:
            del self.fields["customer"]

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or {}
        if given.get("decision") and given.get("typed"):
            number = self.numbers[Decision(given["decision"])]
            if given["typed"] != number:
                self.add_error(
                    "typed", f"{number:,} differences would be changed. Check the list and enter that number."
                )
        return given

    @property
    def words(self) -> dict[str, str]:
        given = self.cleaned_data
        said = {"decision": given["decision"], "because": given["because"].strip()}
        if given.get("customer"):
            said |= {"customer": given["customer"].pk, "customer_name": given["customer"].name}
        return said
