"""Forms for addresses and catch-alls. The endpoint choices are those of one customer."""

from typing import Any

from django import forms

from accounts.models.people import Customer
from accounts.people.forms import ForCustomer
from inbound_admin.lib.errors import Refused
from inbound_admin.lib.fields import AS_TYPED, uploaded_text
from inbound_admin.lib.seen import SeenField
from receipt_rules.addresses.core import CatchAllMeant
from receipt_rules.addresses.selectors import endpoints_of
from receipt_rules.endpoints.core import EndpointKinds
from receipt_rules.forwarding.selectors import endpoint_kinds
from receipt_rules.models.endpoints import Endpoint

LONGEST_FILE = 100_000  # bytes
OF_ENDPOINT = ("ENDPOINT_CONFIG", "ENDPOINT_NAME", "ENDPOINT_NAME_TAKEN")


class EndpointChoice(forms.Form):
    """An existing endpoint, or the webhook URL or email address of a new one. Neither: mail is stored only."""

    endpoint = forms.ModelChoiceField(
        Endpoint.objects.none(), label="Endpoint", required=False, empty_label="None (stored only)"
    )

    target = forms.CharField(
        label="Create endpoint",
        max_length=2000,
        required=False,
        widget=forms.TextInput(attrs=AS_TYPED),
    )

    def __init__(self, *args: Any, customer: Customer, kinds: EndpointKinds | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["endpoint"].queryset = endpoints_of(customer)  # type: ignore[attr-defined]  # as above
        kinds, target = kinds or endpoint_kinds(), self.fields["target"]
        target.widget.attrs["placeholder"] = kinds.placeholder
        new = f"{kinds.target[:1].upper()}{kinds.target[1:]} becomes a new endpoint."
        target.help_text = f"Leave blank to use the endpoint above. {new}"

    @property
    def chosen(self) -> Endpoint | None:
        endpoint: Endpoint | None = self.cleaned_data["endpoint"]
        return endpoint

    def refuse(self, refused: Refused, field: str | None = None) -> None:
        """Show the refusal at the new endpoint if that caused it, else at `field`."""
        self.add_error("target" if refused.code in OF_ENDPOINT else field, str(refused))


class AddressForm(EndpointChoice):
    address = forms.CharField(
        label="Address",
        max_length=320,
        widget=forms.TextInput(attrs={**AS_TYPED, "inputmode": "email"}),
    )
    field_order = ("address", "endpoint", "target")
    meant: CatchAllMeant | None = None


class CatchAllForm(EndpointChoice):
    is_active = forms.BooleanField(label="Turn on", required=False)
    seen = SeenField()
    field_order = ("is_active", "endpoint", "target")


class ChangeAddressForm(EndpointChoice):
    is_active = forms.BooleanField(
        label="Receive mail",
        required=False,
        help_text="When off, its mail isn't delivered. SES rejects it, unless a catch-all receives it, or for a +label "
        "the address without it: then it's stored only, and senders get no bounce.",
    )
    seen = SeenField()
    field_order = ("endpoint", "target", "is_active")


class PasteForm(ForCustomer):
    """Many addresses at once, for one customer."""

    text = forms.CharField(
        label="Addresses",
        max_length=100_000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 8, **AS_TYPED, "placeholder": "billing@example.com, My webhook"}),
        help_text="One per line. To set an endpoint, add a comma and its name.",
    )
    file = forms.FileField(
        label="CSV file",
        required=False,
        widget=forms.ClearableFileInput(attrs={"accept": ".csv,.txt,text/csv,text/plain"}),
        help_text="First column: address. Second column: endpoint.",
    )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        upload = data.get("file")
        if upload and upload.size > LONGEST_FILE:
            self.add_error("file", "This file is larger than 100 kB. Split it into several uploads.")
        elif upload:
            try:
                typed = data.get("text", "")
                data["text"] = f"{typed}\n{uploaded_text(upload)}" if typed.strip() else uploaded_text(upload)
            except UnicodeDecodeError:
                self.add_error("file", "This file isn't UTF-8 text. Save it as CSV (UTF-8) and try again.")
        if not data.get("text", "").strip() and not self.errors:
            self.add_error("text", "Enter at least one address, or choose a file.")
        return data
