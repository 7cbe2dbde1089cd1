"""An expectation: what must stay true of the mail for an address."""

from django import forms

from receipt_rules.endpoints.forms import AS_TYPED
from receipt_rules.models.expectations import Expected


class ExpectationForm(forms.Form):
    address = forms.CharField(label="Address", max_length=320, widget=forms.TextInput(AS_TYPED))
    expected = forms.ChoiceField(label="Expectation", choices=Expected.choices, initial=Expected.ONCE)
    endpoint = forms.CharField(
        label="Endpoint", max_length=120, required=False, widget=forms.TextInput(AS_TYPED), help_text="Endpoint name."
    )
