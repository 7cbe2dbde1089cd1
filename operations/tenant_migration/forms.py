"""Whom a migration moves, how fast and why; and why it is rolled back."""

from typing import Any

from django import forms
from django.conf import settings

from operations.tenant_migration.core import Chosen
from tenants.status.core import Policy

MOST_BYTES = 5_000_000
POLICIES = {
    Policy.STANDARD: "Standard: Amazon pauses a tenant on a finding of high impact",
    Policy.STRICT: "Strict: on one of low impact as well",
    Policy.NONE: "None: on no finding",
}


class PlanForm(forms.Form):
    chosen = forms.ChoiceField(
        label="Whom",
        choices=[
            (Chosen.ALL.value, "All who are not migrated yet"),
            (Chosen.FILTER.value, "Those with this in their name"),
            (Chosen.CSV.value, "Those that a file names"),
        ],
        initial=Chosen.ALL,
    )
    text = forms.CharField(label="Part of the name", required=False, max_length=200)
    file = forms.FileField(
        label="File (CSV)", required=False, help_text="One customer on each line: its id, or its whole name."
    )
    policy = forms.ChoiceField(
        label="Reputation policy of new tenants",
        choices=[(key.value, words) for key, words in POLICIES.items()],
        initial=lambda: settings.TENANT_POLICY,
    )
    at_most_per_hour = forms.IntegerField(
        label="Customers an hour, at most",
        required=False,
        min_value=1,
        max_value=3600,
        widget=forms.NumberInput(attrs={"class": "!w-28"}),
        help_text="Empty: as fast as Amazon’s one call a second allows.",
    )
    because = forms.CharField(label="Why", max_length=500, help_text="For the change log.")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("chosen") == Chosen.FILTER and not cleaned.get("text", "").strip():
            self.add_error("text", "Type part of a customer’s name, or choose all.")
        file = cleaned.get("file")
        if cleaned.get("chosen") == Chosen.CSV and not file:
            self.add_error("file", "Choose the file.")
        if file and file.size > MOST_BYTES:
            self.add_error("file", "The file is larger than 5 MB.")
        return cleaned


class MoveForm(forms.Form):
    policy = forms.ChoiceField(
        label="Reputation policy of the tenant",
        choices=[(key.value, words) for key, words in POLICIES.items()],
        initial=lambda: settings.TENANT_POLICY,
    )
    because = forms.CharField(label="Why", required=False, max_length=500, help_text="For the change log.")


class RollBackForm(forms.Form):
    because = forms.CharField(label="Why it is rolled back", max_length=500)
