"""Forms of bulk actions on domains: action, domains, details."""

from datetime import datetime
from typing import Any

from django import forms
from django.utils import timezone

from accounts.people.forms import CustomerChoice
from accounts.people.selectors import Viewer, customers_for
from domains.overrides.services import PAST
from inbound_admin.lib.fields import UtcField, uploaded_text
from operations.batches.core import BatchKind
from operations.domain_actions.core import (
    DESPITE_MX,
    SEND_ONLY,
    DomainLine,
    format_names,
    parse_lines,
    repeated_names,
    unique_lines,
)

MOST_BYTES = 1_000_000


class NamesForm(forms.Form):
    """Step 1: the domains, typed or from a file. `repeated`: names of lines that repeat an earlier one."""

    repeated: tuple[str, ...] = ()

    do = forms.ChoiceField(label="Action", widget=forms.RadioSelect)
    names = forms.CharField(
        label="Domains",
        required=False,
        max_length=MOST_BYTES,
        widget=forms.Textarea(attrs={"rows": 8, "spellcheck": "false", "autocapitalize": "none"}),
        help_text="One per line.",
    )
    file = forms.FileField(label="Or a CSV file", required=False, help_text="Same format: one domain per line.")

    def __init__(self, *args: Any, kinds: tuple[BatchKind, ...], viewer: Viewer, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if customers_for(viewer)[:2].count() > 1:
            self.fields["names"].help_text += " To add domains for several customers, write: domain, customer."
        self.fields["do"].choices = [(each.value, each.words) for each in kinds]  # type: ignore[attr-defined]  # above

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        text = f"{cleaned.get('names') or ''}\n{_read(cleaned.get('file'))}"
        lines = parse_lines(text, with_customers=cleaned.get("do") == BatchKind.IMPORT)
        cleaned["named"], self.repeated = unique_lines(lines), repeated_names(lines)
        if not cleaned["named"]:
            self.add_error("names", "Enter at least one domain or choose a file.")
        return cleaned

    @property
    def named(self) -> tuple[DomainLine, ...]:
        named: tuple[DomainLine, ...] = self.cleaned_data["named"]
        return named

    @property
    def lines(self) -> str:
        return format_names(self.named)


def _read(file: Any) -> str:
    """Raises ValidationError if the file is not text."""
    if not file:
        return ""
    if file.size > MOST_BYTES:
        raise forms.ValidationError("The file is larger than 1 MB.")
    try:
        return uploaded_text(file)
    except UnicodeDecodeError as error:
        raise forms.ValidationError("The file is not text. Save it as CSV (UTF-8).") from error


class WordsForm(forms.Form):
    """Step 2: details for all domains. Fields that the action doesn't need are removed."""

    customer = CustomerChoice(label="New customer", empty_label="Choose a customer")
    because = forms.CharField(label="Reason", max_length=2000, widget=forms.Textarea(attrs={"rows": 2}))
    until = UtcField(
        label="Until",
        required=False,
        help_text="In UTC. Leave blank to keep them on hold until someone releases them.",
    )
    send_only = forms.BooleanField(
        label="Send only",
        required=False,
        help_text="These domains don’t receive mail here. Their MX record stays with another mail service.",
    )
    despite_mx = forms.BooleanField(
        label="Also delete domains whose MX record points here",
        required=False,
        help_text="You won’t receive mail that still arrives. Without this, they are kept.",
    )
    typed = forms.IntegerField(label="Number of domains to delete", min_value=1)

    def __init__(self, *args: Any, kind: BatchKind, number: int, leads_here: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.number = number
        for name in set(self.fields) - set(_FIELDS[kind]) - ({"despite_mx"} if leads_here else set()):
            del self.fields[name]
        if kind is BatchKind.RELEASE:
            self.fields["because"].required = False
        if "typed" in self.fields:
            self.fields["typed"].help_text = f"Type {number} to confirm."

    def clean_until(self) -> datetime | None:
        until: datetime | None = self.cleaned_data["until"]
        if until is not None and until <= timezone.now():
            raise forms.ValidationError(PAST)
        return until

    def clean_typed(self) -> int:
        typed = int(self.cleaned_data["typed"])
        if typed != self.number:
            raise forms.ValidationError(
                f"{self.number} domains would be deleted. Check the list and enter that number."
            )
        return typed

    @property
    def words(self) -> dict[str, str]:
        given = self.cleaned_data
        chosen = {"because": str(given.get("because") or "").strip()}
        if given.get("send_only"):
            chosen["receiving"] = SEND_ONLY
        if given.get("despite_mx"):
            chosen["despite_mx"] = DESPITE_MX
        if given.get("until"):
            chosen["until"] = given["until"].isoformat()
        if given.get("customer"):
            chosen |= {"customer": given["customer"].pk, "customer_name": given["customer"].name}
        return chosen


_FIELDS: dict[BatchKind, tuple[str, ...]] = {
    BatchKind.CHECK: (),
    BatchKind.IMPORT: ("send_only",),
    BatchKind.TRANSFER: ("customer", "because"),
    BatchKind.HOLD: ("because", "until"),
    BatchKind.RELEASE: ("because",),
    BatchKind.DELETE: ("typed",),
}
