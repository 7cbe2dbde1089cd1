"""Forms of the pages about receiving. An endpoint is chosen among those of one customer."""

from typing import Any

from django import forms

from inbound_admin.lib.masking import MASK
from receipt_rules.models import Endpoint, EndpointType, Expected
from receipt_rules.selectors.pages import endpoints_of
from receipt_rules.services.endpoints import SesSide
from tenants.models import Customer, User
from tenants.selectors import customers_for

LONGEST_FILE = 100_000  # bytes
_PLAIN = {"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}
_DEFAULT_OR = (("", "As the service is set up"), ("yes", "Yes"), ("no", "No"))
_CHOSEN = {"": None, "yes": True, "no": False}
_SAID = {None: "", True: "yes", False: "no"}


class EndpointChoice(forms.Form):
    """Where mail goes; empty keeps it in the store until an endpoint is chosen."""

    endpoint = forms.ModelChoiceField(
        Endpoint.objects.none(), label="Endpoint", required=False, empty_label="None yet: kept in the store"
    )

    def __init__(self, *args: Any, customer: Customer, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["endpoint"].queryset = endpoints_of(customer)  # type: ignore[attr-defined]  # as above

    @property
    def chosen(self) -> Endpoint | None:
        endpoint: Endpoint | None = self.cleaned_data["endpoint"]
        return endpoint


class AddressForm(EndpointChoice):
    address = forms.CharField(
        label="Address",
        max_length=320,
        widget=forms.TextInput(attrs={**_PLAIN, "inputmode": "email"}),
    )
    field_order = ("address", "endpoint")


class CatchAllForm(EndpointChoice):
    is_active = forms.BooleanField(label="Take it", required=False)
    field_order = ("is_active", "endpoint")


class ChangeAddressForm(EndpointChoice):
    is_active = forms.BooleanField(
        label="Takes mail", required=False, help_text="Switched off, it is kept here and its mail is not taken."
    )
    field_order = ("endpoint", "is_active")


class PasteForm(forms.Form):
    """Many addresses at once, for one customer."""

    customer = forms.ModelChoiceField(Customer.objects.none(), label="Customer", empty_label="Choose a customer")
    text = forms.CharField(
        label="Addresses",
        max_length=100_000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 8, **_PLAIN, "placeholder": "billing@example.com, My webhook"}),
        help_text="One on each line. After a comma, the name of the endpoint that it goes to.",
    )
    file = forms.FileField(
        label="Or a CSV file",
        required=False,
        widget=forms.ClearableFileInput(attrs={"accept": ".csv,.txt,text/csv,text/plain"}),
        help_text="Its first column the address, its second the endpoint.",
    )

    def __init__(self, *args: Any, viewer: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        customers = customers_for(viewer)
        self.only_customer = customers.first() if customers.count() == 1 else None
        if self.only_customer:
            del self.fields["customer"]
        else:
            self.fields["customer"].queryset = customers  # type: ignore[attr-defined]  # as above

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        upload = data.get("file")
        if upload and upload.size > LONGEST_FILE:
            self.add_error("file", "This file is larger than 100 kB. Split it and upload the parts one after another.")
        elif upload:
            try:
                data["text"] = f"{data.get('text', '')}\n{upload.read().decode('utf-8-sig')}"
            except UnicodeDecodeError:
                self.add_error("file", "This file is not text in UTF-8. Save it as CSV (UTF-8) and try again.")
        if not data.get("text", "").strip() and not self.errors:
            self.add_error("text", "Paste at least one address, or choose a file.")
        return data

    @property
    def chosen_customer(self) -> Customer:
        customer: Customer = self.only_customer or self.cleaned_data["customer"]
        return customer


_KEPT = f"A stored value is shown as {MASK}; leave it so to keep it. Another host in the URL removes it."


class EndpointForm(forms.Form):
    """Name, type, and what its type must be told; of the other types' fields nothing is read."""

    customer = forms.ModelChoiceField(Customer.objects.none(), label="Customer", empty_label="Choose a customer")
    name = forms.CharField(label="Name", max_length=120, help_text="As you will find it in lists: “Support desk”.")
    type = forms.ChoiceField(
        label="Mail goes to", choices=EndpointType.choices, widget=forms.RadioSelect, initial=EndpointType.WEBHOOK
    )
    url = forms.CharField(
        label="Address of the webhook",
        max_length=2000,
        required=False,
        widget=forms.URLInput(attrs={**_PLAIN, "placeholder": "https://example.com/mail"}),
    )
    headers = forms.CharField(
        label="Headers",
        max_length=25_000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3, **_PLAIN, "placeholder": "X-Api-Key: …"}),
        help_text=f"Sent along with each message. One on each line, such as “X-Api-Key: …”. {_KEPT}",
    )
    verification_token = forms.CharField(
        label="Verification token",
        max_length=1000,
        required=False,
        widget=forms.TextInput(_PLAIN),
        help_text=f"Sent along, so that the receiver knows the mail is yours. {_KEPT}",
    )
    address = forms.CharField(label="Email address", max_length=320, required=False, widget=forms.TextInput(_PLAIN))
    addresses = forms.CharField(
        label="Email addresses",
        max_length=20_000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 4, **_PLAIN}),
        help_text="One on each line, up to fifty.",
    )
    is_active = forms.BooleanField(
        label="Takes mail", required=False, initial=True, help_text="Switched off, its mail stays in the store."
    )

    def __init__(self, *args: Any, viewer: User, endpoint: Endpoint | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        customers = customers_for(viewer)
        self.only_customer = endpoint.customer if endpoint else None
        if endpoint is None and customers.count() == 1:
            self.only_customer = customers.first()
        if self.only_customer:
            del self.fields["customer"]
        else:
            self.fields["customer"].queryset = customers  # type: ignore[attr-defined]  # as above
        if endpoint is None:
            del self.fields["is_active"]
        else:
            del self.fields["type"]
            self.initial.update(written(endpoint))

    def clean_headers(self) -> dict[str, str]:
        """What each line says; a name twice is refused, since one of both would be lost."""
        lines = [line.strip() for line in str(self.cleaned_data["headers"]).splitlines() if line.strip()]
        pairs = [(name.strip(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
        if not all(name and value for name, value in pairs):
            raise forms.ValidationError("Write each header as its name, a colon and its value.")
        if len({name.lower() for name, _ in pairs}) < len(pairs):
            raise forms.ValidationError("A header is named twice.")
        return dict(pairs)

    @property
    def config(self) -> dict[str, Any]:
        """A field that the page did not send says nothing of it."""
        webhooks = [name for name in ("headers", "verification_token") if name in self.data]
        return {name: self.cleaned_data[name] for name in ("url", "address", "addresses", *webhooks)}

    @property
    def chosen_customer(self) -> Customer:
        customer: Customer = self.only_customer or self.cleaned_data["customer"]
        return customer


def written(endpoint: Endpoint) -> dict[str, Any]:
    """An endpoint as its form shows it."""
    config = endpoint.shown_config
    lines = {
        "addresses": "\n".join(config.get("addresses", ())),
        "headers": "\n".join(f"{name}: {value}" for name, value in config.get("headers", {}).items()),
    }
    return {"name": endpoint.name, "is_active": endpoint.is_active, **config, **lines}


class SesForm(forms.Form):
    """What Amazon does with mail for this endpoint, where that differs from the deployment's own way."""

    s3_bucket = forms.CharField(label="Bucket", max_length=63, required=False, widget=forms.TextInput(_PLAIN))
    s3_prefix = forms.CharField(label="Prefix", max_length=200, required=False, widget=forms.TextInput(_PLAIN))
    lambda_arn = forms.CharField(label="Function (ARN)", max_length=300, required=False, widget=forms.TextInput(_PLAIN))
    sns_topic = forms.CharField(label="Topic (ARN)", max_length=300, required=False, widget=forms.TextInput(_PLAIN))
    tls_required = forms.ChoiceField(label="Refuse mail without TLS", choices=_DEFAULT_OR, required=False)
    scan = forms.ChoiceField(label="Scan for spam and viruses", choices=_DEFAULT_OR, required=False)

    def __init__(self, data: Any = None, *, prefix: str, endpoint: Endpoint) -> None:
        initial = {name: getattr(endpoint, name) for name in self.base_fields}
        initial |= {name: _SAID[getattr(endpoint, name)] for name in ("tls_required", "scan")}
        super().__init__(data, prefix=prefix, initial=initial)

    @property
    def ses(self) -> SesSide:
        chosen = {name: _CHOSEN[self.cleaned_data[name]] for name in ("tls_required", "scan")}
        return SesSide(**self.cleaned_data | chosen)


class ApproveForm(forms.Form):
    digest = forms.CharField(widget=forms.HiddenInput)
    because = forms.CharField(label="Why", max_length=2000, widget=forms.Textarea(attrs={"rows": 2}))
    typed = forms.CharField(label="Name of the rule set", max_length=64, required=False, widget=forms.TextInput(_PLAIN))


class BecauseForm(forms.Form):
    because = forms.CharField(label="Why", max_length=2000, widget=forms.Textarea(attrs={"rows": 2}))


class ExpectationForm(forms.Form):
    address = forms.CharField(label="Mail for", max_length=320, widget=forms.TextInput(_PLAIN))
    expected = forms.ChoiceField(label="What must stay true of it", choices=Expected.choices, initial=Expected.ONCE)
