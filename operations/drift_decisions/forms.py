"""What a person says who decides over many differences."""

from collections.abc import Mapping
from typing import Any

from django import forms

from accounts.models.people import Customer
from accounts.people.forms import CustomerChoice
from operations.drift.core import Decision


class DecideManyForm(forms.Form):
    """`numbers`: over how many each decision is possible; one that is possible for none is not offered."""

    decision = forms.ChoiceField(label="What is done", widget=forms.RadioSelect)
    customer = CustomerChoice(
        Customer.objects.all(),
        label="Customer for tenants that nobody is offered",
        required=False,
        empty_label="Leave those undecided",
    )
    because = forms.CharField(label="Why", max_length=500, help_text="For the change log, and for the next person.")
    typed = forms.IntegerField(label="How many are decided", min_value=1)

    def __init__(self, *args: Any, numbers: Mapping[Decision, int], asks_customer: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.numbers = numbers
        self.fields["decision"] = forms.ChoiceField(
            label="What is done",
            widget=forms.RadioSelect,
            choices=[(each.value, f"{each.words} ({number:,})") for each, number in numbers.items() if number],
        )
        self.fields["typed"].help_text = "Type the number that stands behind the decision, to confirm."
        if not asks_customer:
            del self.fields["customer"]

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or {}
        if given.get("decision") and given.get("typed"):
            number = self.numbers[Decision(given["decision"])]
            if given["typed"] != number:
                self.add_error("typed", f"It is {number:,} that would be decided. Look at the list again.")
        return given

    @property
    def words(self) -> dict[str, str]:
        given = self.cleaned_data
        said = {"decision": given["decision"], "because": given["because"].strip()}
        if given.get("customer"):
            said |= {"customer": given["customer"].pk, "customer_name": given["customer"].name}
        return said
