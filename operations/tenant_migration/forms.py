"""Forms of a tenant migration: which customers, rate and reason; and the reason of a rollback."""

from typing import Any

from django import forms
from django.conf import settings

from operations.tenant_migration.core import Chosen

MOST_BYTES = 5_000_000
FILE_HELP = (
    "One customer per line: full name or ID. Or a table with commas, semicolons or tabs and a header line that has "
    "customer_id, customer, id or name."
)
BELOW = "Associate identities below the customers’ domains"
BELOW_HELP = (
    "Subdomains and email addresses that SES has as identities of their own. SES uses these for sends from there. "
    "Without this, a customer who has one is not switched."
)
POLICIES = {
    "standard": "Standard: SES pauses the tenant on high-impact findings",
    "strict": "Strict: SES pauses the tenant on any finding",
    "none": "None: SES never pauses on findings",
}


class PlanForm(forms.Form):
    chosen = forms.ChoiceField(
        label="Whom",
        choices=[
            (Chosen.ALL.value, "All customers not migrated yet"),
            (Chosen.FILTER.value, "Customers whose name contains"),
            (Chosen.CSV.value, "Customers listed in a file"),
        ],
        initial=Chosen.ALL,
    )
    text = forms.CharField(label="Part of the name", required=False, max_length=200)
    file = forms.FileField(label="File (CSV)", required=False, help_text=FILE_HELP)
    policy = forms.ChoiceField(
        label="Reputation policy for new tenants",
        choices=[*POLICIES.items()],
        initial=lambda: settings.TENANT_POLICY,
    )
    at_most_per_hour = forms.IntegerField(
        label="Maximum customers per hour",
        required=False,
        min_value=1,
        max_value=3600,
        widget=forms.NumberInput(attrs={"class": "!w-28"}),
        help_text="Leave blank to go as fast as SES allows (1 call per second).",
    )
    associates_below = forms.BooleanField(label=BELOW, required=False, help_text=BELOW_HELP)
    because = forms.CharField(label="Reason", max_length=500, help_text="Saved in the change log.")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("chosen") == Chosen.FILTER and not cleaned.get("text", "").strip():
            self.add_error("text", "Enter part of a customer’s name, or choose all.")
        file = cleaned.get("file")
        if cleaned.get("chosen") == Chosen.CSV and not file:
            self.add_error("file", "Choose a file.")
        if file and file.size > MOST_BYTES:
            self.add_error("file", "The file is larger than 5 MB.")
        return cleaned


class MoveForm(forms.Form):
    policy = forms.ChoiceField(
        label="Reputation policy",
        choices=[*POLICIES.items()],
        initial=lambda: settings.TENANT_POLICY,
    )
    associates_below = forms.BooleanField(label=BELOW, required=False, help_text=BELOW_HELP)
    because = forms.CharField(label="Reason", required=False, max_length=500, help_text="Saved in the change log.")


class RollBackForm(forms.Form):
    because = forms.CharField(label="Reason for the rollback", max_length=500)
