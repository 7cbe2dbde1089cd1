"""What a person says who pauses or resumes: the reason as a code and in words, and what the customer is told."""

from datetime import date
from typing import Any

from django import forms
from django.utils import timezone

from tenants.models.tenants import PauseReason
from tenants.status.core import told_for

_LONG = {"rows": 3}


class PauseForm(forms.Form):
    reason = forms.ChoiceField(choices=[("", "Choose a reason"), *PauseReason.choices])
    text = forms.CharField(
        label="In words, for our staff",
        max_length=2000,
        widget=forms.Textarea(attrs=_LONG),
        help_text="What was seen, and where. It stands in the log; the customer does not see it.",
    )
    told = forms.CharField(
        label="What the customer is told",
        required=False,
        max_length=2000,
        widget=forms.Textarea(attrs=_LONG),
        help_text="Leave it empty to use the words for the reason; the next page shows them. "
        "The customer sees them on each page and in an email to their owners.",
    )
    review_on = forms.DateField(
        label="Look at it again on",
        required=False,
        widget=forms.DateInput(attrs={"type": "date", "class": "!w-44"}),
        help_text="We are reminded on that day. Nothing resumes by itself.",
    )
    stops_receiving = forms.BooleanField(
        label="Also stop receiving",
        required=False,
        help_text="Their addresses take no mail either: whoever writes to them is told so at once. "
        "What would change is shown before.",
    )
    receiving_digest = forms.CharField(required=False, max_length=100, widget=forms.HiddenInput)

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or {}
        if not given.get("told") and given.get("reason"):
            given["told"] = told_for(given["reason"])
        return given

    def clean_review_on(self) -> date | None:
        day: date | None = self.cleaned_data["review_on"]
        if day is not None and day <= timezone.localdate():
            raise forms.ValidationError("That day is over, or today. Choose a later one, or none.")
        return day


class PauseManyForm(PauseForm):
    """The same words for all that were chosen. Receiving is stopped one customer at a time, each with its own plan."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        del self.fields["stops_receiving"], self.fields["receiving_digest"]


class ResumeForm(forms.Form):
    because = forms.CharField(
        label="Why",
        max_length=2000,
        widget=forms.Textarea(attrs=_LONG),
        help_text="What has changed since it was paused. It stands in the log; the customer does not see it.",
    )
