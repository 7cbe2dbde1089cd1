from typing import Any

from django import forms

from accounts.people.forms import CustomerChoice
from domains.checking.core.judgement import State
from domains.records.core import EXPECTABLE
from inbound_admin.lib.fields import AS_TYPED, BecauseForm, UtcField
from inbound_admin.lib.seen import SeenField, fingerprint


class SupportForm(BecauseForm):
    """Of one button, which acts on the domain as the page showed it."""

    seen = SeenField()


class ReleaseForm(SupportForm):
    """Releasing a hold needs no reason."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["because"].required = False


class HoldForm(SupportForm):
    until = UtcField(
        label="Until",
        required=False,
        help_text="In UTC. Leave blank to hold the domain until someone releases it.",
    )


class OverrideForm(SupportForm):
    """The status to show, for a limited time."""

    state = forms.ChoiceField(label="Status", choices=[(each.value, each.label) for each in State])
    until = UtcField(
        label="Until",
        help_text="The override ends automatically. In UTC, within 3 months.",
    )


class ExpectForm(SupportForm):
    key = forms.ChoiceField(label="Record", choices=list(EXPECTABLE.items()))
    host = forms.CharField(
        label="Expected host",
        max_length=253,
        required=False,
        help_text="For the inbound MX: the host that receives the mail. Leave blank if the record isn't required.",
        widget=forms.TextInput(AS_TYPED),
    )


class ExpectNoMoreForm(ReleaseForm):
    key = forms.ChoiceField(choices=list(EXPECTABLE.items()), widget=forms.HiddenInput)


class TransferForm(SupportForm):
    customer = CustomerChoice(label="New customer", empty_label="Choose a customer")


class NoteForm(forms.Form):
    note = forms.CharField(
        label="Note",
        max_length=10_000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text="Only staff see this.",
    )
    seen = SeenField()

    @classmethod
    def showing(cls, note: str) -> "NoteForm":
        shown = {"note": note}
        return cls(prefix="note", initial=shown | {"seen": fingerprint(shown)})
