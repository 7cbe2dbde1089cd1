"""Forms of an endpoint: where it delivers, and SES options for staff."""

from typing import Any

from django import forms

from accounts.models.people import User
from accounts.people.forms import ForCustomer
from inbound_admin.lib.fields import AS_TYPED
from inbound_admin.lib.redaction import MASK
from inbound_admin.lib.seen import SeenField, fingerprint
from receipt_rules.endpoints.services import SesOptions, endpoint_log
from receipt_rules.forwarding.selectors import endpoint_kinds
from receipt_rules.models.endpoints import Endpoint, EndpointType

_DEFAULT_OR = (("", "Default"), ("yes", "Yes"), ("no", "No"))
_CHOSEN = {"": None, "yes": True, "no": False}
_SAID = {None: "", True: "yes", False: "no"}


_KEPT = f"Stored values are shown as {MASK}. Leave {MASK} to keep a value. Changing the URL's host removes them."


class EndpointForm(ForCustomer):
    """Name, type and the settings of the type; fields of other types are ignored."""

    name = forms.CharField(label="Name", max_length=120, help_text="Shown in lists, for example “Support desk”.")
    type = forms.ChoiceField(
        label="Type", choices=EndpointType.choices, widget=forms.RadioSelect, initial=EndpointType.WEBHOOK
    )
    url = forms.CharField(
        label="Webhook URL",
        max_length=2000,
        required=False,
        widget=forms.URLInput(attrs={**AS_TYPED, "placeholder": "https://example.com/mail"}),
    )
    headers = forms.CharField(
        label="Headers",
        max_length=25_000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3, **AS_TYPED, "placeholder": "X-Api-Key: …"}),
        help_text="Sent with each message. One per line, such as “X-Api-Key: …”.",
    )
    verification_token = forms.CharField(
        label="Verification token",
        max_length=1000,
        required=False,
        widget=forms.TextInput(AS_TYPED),
        help_text="Sent with each message, so your program knows that it comes from us.",
    )
    payload = forms.ChoiceField(
        label="Format",
        choices=(("inbound", "Legacy (one call per recipient)"), ("standard", "Standard Webhooks")),
        required=False,
    )
    address = forms.CharField(label="Email address", max_length=320, required=False, widget=forms.TextInput(AS_TYPED))
    addresses = forms.CharField(
        label="Email addresses",
        max_length=20_000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 4, **AS_TYPED}),
        help_text="One per line, up to 50.",
    )
    is_active = forms.BooleanField(
        label="Deliver mail", required=False, initial=True, help_text="When off, mail is stored but not delivered."
    )
    seen = SeenField()

    def __init__(self, *args: Any, viewer: User, endpoint: Endpoint | None = None, **kwargs: Any) -> None:
        super().__init__(*args, viewer=viewer, customer=endpoint.customer if endpoint else None, **kwargs)
        if endpoint is None:
            del self.fields["is_active"], self.fields["seen"]
            self._limit_type()
        else:
            del self.fields["type"]
            self.initial.update(initial_values(endpoint))
            for name in ("headers", "verification_token"):  # a new endpoint has no stored values
                self.fields[name].help_text = f"{self.fields[name].help_text} {_KEPT}"

    def _limit_type(self) -> None:
        """Offer only the types that are available here; the service's message refuses others."""
        kinds, field = endpoint_kinds(), self.fields["type"]
        field.choices = [choice for choice in EndpointType.choices if choice[0] in kinds.types]  # type: ignore[attr-defined]  # as above
        if kinds.limits:
            field.error_messages["invalid_choice"] = kinds.limits
            field.help_text = kinds.limits

    def clean_headers(self) -> dict[str, str]:
        """Return the headers; a repeated name is refused, because one of the values would be lost."""
        lines = [line.strip() for line in str(self.cleaned_data["headers"]).splitlines() if line.strip()]
        pairs = [(name.strip(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
        if not all(name and value for name, value in pairs):
            raise forms.ValidationError("Enter each header as “Name: value”.")
        if len({name.lower() for name, _ in pairs}) < len(pairs):
            raise forms.ValidationError("A header appears twice.")
        return dict(pairs)

    @property
    def config(self) -> dict[str, Any]:
        """Return the settings; a field that the page didn't send isn't in it."""
        webhooks = [name for name in ("headers", "verification_token", "payload") if name in self.data]
        return {name: self.cleaned_data[name] for name in ("url", "address", "addresses", *webhooks)}


def initial_values(endpoint: Endpoint) -> dict[str, Any]:
    """Return an endpoint's values for its form."""
    config = endpoint.shown_config
    lines = {
        "addresses": "\n".join(config.get("addresses", ())),
        "headers": "\n".join(f"{name}: {value}" for name, value in config.get("headers", {}).items()),
    }
    seen = fingerprint(endpoint_log(endpoint))
    return {"name": endpoint.name, "is_active": endpoint.is_active, "seen": seen, **config, **lines}


class SesForm(forms.Form):
    """SES options of the endpoint that differ from the deployment's defaults."""

    s3_bucket = forms.CharField(label="Bucket", max_length=63, required=False, widget=forms.TextInput(AS_TYPED))
    s3_prefix = forms.CharField(label="Prefix", max_length=200, required=False, widget=forms.TextInput(AS_TYPED))
    lambda_arn = forms.CharField(
        label="Function (ARN)", max_length=300, required=False, widget=forms.TextInput(AS_TYPED)
    )
    sns_topic = forms.CharField(label="Topic (ARN)", max_length=300, required=False, widget=forms.TextInput(AS_TYPED))
    tls_required = forms.ChoiceField(label="Require TLS", choices=_DEFAULT_OR, required=False)
    scan = forms.ChoiceField(label="Spam and virus scanning", choices=_DEFAULT_OR, required=False)
    seen = SeenField()

    def __init__(self, data: Any = None, *, prefix: str, endpoint: Endpoint) -> None:
        initial = {name: getattr(endpoint, name) for name in self.base_fields if name != "seen"}
        initial["seen"] = fingerprint(endpoint_log(endpoint))
        initial |= {name: _SAID[getattr(endpoint, name)] for name in ("tls_required", "scan")}
        super().__init__(data, prefix=prefix, initial=initial)

    @property
    def ses(self) -> SesOptions:
        chosen = {name: _CHOSEN[self.cleaned_data[name]] for name in ("tls_required", "scan")}
        given = {name: value for name, value in self.cleaned_data.items() if name != "seen"}
        return SesOptions(**given | chosen)
