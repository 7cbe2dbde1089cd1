"""Forms of the import: files of the previous system, and identities to assign to customers."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.files.base import File

from accounts.models.people import Customer
from accounts.people.forms import customer_typed

MOST_BYTES = 50_000_000


class SeveralFiles(forms.ClearableFileInput):
    allow_multiple_selected = True


class FilesField(forms.FileField):
    """A field of several files, each validated as Django validates one."""

    def clean(self, data: Any, initial: Any = None) -> list[File[bytes]]:
        several = data if isinstance(data, list | tuple) else [data]
        return [super(FilesField, self).clean(each, initial) for each in (several or [None])]


class LegacyImportForm(forms.Form):
    documents = FilesField(
        label="Files",
        widget=SeveralFiles(attrs={"accept": ".json,.csv,application/json,text/csv"}),
        help_text="One JSON file, or any of these CSV files: users.csv, domains.csv, dns_records.csv, endpoints.csv, "
        "webhooks.csv, email_addresses.csv.",
    )
    because = forms.CharField(
        label="Reason",
        max_length=500,
        help_text="Where the data comes from and who approved it. Saved with every change in the change log.",
    )

    def clean_documents(self) -> list[File[bytes]]:
        files: list[File[bytes]] = self.cleaned_data["documents"]
        if sum(file.size or 0 for file in files) > MOST_BYTES:
            raise forms.ValidationError("The files are larger than 50 MB. Import them in parts, each with its users.")
        return files

    @property
    def contents(self) -> Mapping[str, bytes]:
        return {file.name or "": file.read() for file in self.cleaned_data["documents"]}


class AdoptForm(forms.Form):
    """Identities to assign to customers."""

    everything = forms.BooleanField(label="All identities without a customer, as last read from SES", required=False)
    text = forms.CharField(
        label="Domains",
        required=False,
        max_length=2_000_000,
        widget=forms.Textarea(attrs={"rows": 8, "autocapitalize": "none", "spellcheck": "false"}),
        help_text="One per line: domain, customer. Use the customer’s full name or ID.",
    )
    file = forms.FileField(label="Or a CSV file", required=False, help_text="Columns: domain, customer.")
    customer = forms.CharField(
        label="Customer for lines without one", required=False, max_length=120, help_text="Full name or ID."
    )
    because = forms.CharField(label="Reason", max_length=500, help_text="Saved with every change in the change log.")

    def clean_customer(self) -> Customer | None:
        return customer_typed(self.cleaned_data["customer"])

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if file := cleaned.get("file"):
            try:
                cleaned["text"] = f"{cleaned.get('text', '')}\n{file.read().decode('utf-8-sig')}"
            except UnicodeDecodeError:
                self.add_error("file", "The file is not UTF-8 text. Save it as CSV (UTF-8).")
        return cleaned
