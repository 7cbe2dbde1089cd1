from typing import Any

from django import forms

from accounts.models.people import Customer
from accounts.people.forms import CustomerChoice
from domains.checking.core.judgement import State
from domains.records.core import EXPECTABLE
from domains.settings.forms import SHOWN_AS


class BecauseForm(forms.Form):
    because = forms.CharField(label="Why", max_length=2000, widget=forms.Textarea(attrs={"rows": 2}))

    @property
    def because_text(self) -> str:
        return str(self.cleaned_data["because"]) if self.is_valid() else ""


class ReleaseForm(BecauseForm):
    """The hold had its reason; that it is over needs none."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["because"].required = False


class HoldForm(BecauseForm):
    until = forms.DateTimeField(
        label="Until",
        required=False,
        help_text="Leave empty to hold until somebody releases it.",
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}),
    )


class OverrideForm(BecauseForm):
    """The state as it is to be shown, for a time that ends by itself."""

    state = forms.ChoiceField(label="Show it as", choices=[(each.value, SHOWN_AS[each]) for each in State])
    until = forms.DateTimeField(
        label="Until",
        help_text="Then what the checks come to is shown again, by itself. In UTC, within three months.",
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}),
    )


class ExpectForm(BecauseForm):
    key = forms.ChoiceField(label="Record", choices=list(EXPECTABLE.items()))
    host = forms.CharField(
        label="Where it is expected",
        max_length=253,
        required=False,
        help_text="For inbound mail: the host that takes it in. Leave empty: the record is not asked for.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}),
    )


class ExpectNoMoreForm(ReleaseForm):
    key = forms.ChoiceField(choices=list(EXPECTABLE.items()), widget=forms.HiddenInput)


class TransferForm(BecauseForm):
    customer = CustomerChoice(Customer.objects.all(), label="New customer", empty_label="Choose a customer")


class NoteForm(forms.Form):
    note = forms.CharField(
        label="Note",
        max_length=10_000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text="Staff alone see it.",
    )
