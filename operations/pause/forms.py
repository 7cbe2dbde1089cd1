"""Forms to pause and resume: reason, staff note, message to the customer."""

from datetime import date
from typing import Any

from django import forms
from django.utils import timezone

from inbound_admin.lib.seen import SeenField
from tenants.customer_notices.core import customer_text_for
from tenants.models.tenants import PauseReason

_LONG = {"rows": 3}


class PauseForm(forms.Form):
    reason = forms.ChoiceField(choices=[("", "Choose a reason"), *PauseReason.choices])
    text = forms.CharField(
        label="Staff note",
        max_length=2000,
        widget=forms.Textarea(attrs=_LONG),
        help_text="What was observed, and where. Saved in the change log; the customer doesn’t see it.",
    )
    told = forms.CharField(
        label="Message to the customer",
        required=False,
        max_length=2000,
        widget=forms.Textarea(attrs=_LONG),
        help_text="Leave blank to use the standard message for the reason. "
        "Shown on the customer’s pages and sent to their owners by email.",
    )
    review_on = forms.DateField(
        label="Review date",
        required=False,
        widget=forms.DateInput(attrs={"type": "date", "class": "!w-44"}),
        help_text="Staff get a reminder on that day. Sending doesn’t resume automatically.",
    )
    stops_receiving = forms.BooleanField(
        label="Also stop receiving",
        required=False,
        help_text=(
            "Takes the customer’s addresses out of the receipt rules. SES then refuses mail to them, and its senders "
            "get an error message. If another rule still matches, such as an unmanaged rule or another customer’s "
            "subdomain catch-all above, SES accepts the mail, and the customer doesn’t get it. You’ll preview the "
            "changes."
        ),
    )
    receiving_digest = forms.CharField(required=False, max_length=100, widget=forms.HiddenInput)

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or {}
        if not given.get("told") and given.get("reason"):
            given["told"] = customer_text_for(given["reason"])
        return given

    def clean_review_on(self) -> date | None:
        day: date | None = self.cleaned_data["review_on"]
        if day is not None and day <= timezone.localdate():
            raise forms.ValidationError("Choose a date after today, or leave blank.")
        return day


class PauseManyForm(PauseForm):
    """The same details for all selected tenants.

    Receiving is stopped for one customer at a time, each with its own plan.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        del self.fields["stops_receiving"], self.fields["receiving_digest"]


class ResumeForm(forms.Form):
    because = forms.CharField(
        label="Reason",
        max_length=2000,
        widget=forms.Textarea(attrs=_LONG),
        help_text="What has changed since the pause. Saved in the change log; the customer doesn’t see it.",
    )


class ResumeOneForm(ResumeForm):
    """For the page of one tenant. That of several has what it showed of each."""

    seen = SeenField()
