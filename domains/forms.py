from typing import Any

from django import forms

from domains.core.checking import State
from domains.core.expecting import EXPECTABLE
from domains.core.names import understand
from domains.models import Domain, OnMxFailure
from domains.services.configuring import Wanted
from inbound_admin.lib.errors import Refused
from tenants.models import Customer, User
from tenants.selectors import customers_for

SHOWN_AS = {
    State.VERIFIED: "Verified",
    State.WAITING: "Waiting",
    State.SPREADING: "Spreading",
    State.AT_RISK: "At risk",
    State.WRONG: "Wrong",
    State.COULD_NOT_CHECK: "Could not check",
    State.NOT_CHECKED: "Not checked",
}


class AddForm(forms.Form):
    """What to add and for whom; a person of one customer alone is not asked for whom."""

    name = forms.CharField(
        label="Domain",
        max_length=2000,
        help_text="Paste it as you have it: a domain, a web address or an e-mail address.",
        widget=forms.TextInput(
            attrs={
                "placeholder": "shop.example.com",
                "autocomplete": "off",
                "autocapitalize": "none",
                "spellcheck": "false",
            }
        ),
    )
    customer = forms.ModelChoiceField(Customer.objects.none(), label="Customer", empty_label="Choose a customer")

    def __init__(self, *args: Any, viewer: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        customers = customers_for(viewer)
        self.only_customer = customers.first() if customers.count() == 1 else None
        if self.only_customer:
            del self.fields["customer"]
        else:
            self.fields["customer"].queryset = customers  # type: ignore[attr-defined]  # a ModelChoiceField, above

    def clean_name(self) -> str:
        text = str(self.cleaned_data["name"])
        try:
            understand(text)
        except Refused as refused:
            raise forms.ValidationError(str(refused), code=refused.code) from refused
        return text

    @property
    def chosen_customer(self) -> Customer:
        customer: Customer = self.only_customer or self.cleaned_data["customer"]
        return customer


class SettingsForm(forms.Form):
    mail_from_label = forms.CharField(
        label="Name for bounces",
        max_length=63,
        required=False,
        help_text="One word in front of the domain, which holds no other records; empty for Amazon's own. "
        "Another name means two new records to publish, and until then the domain waits.",
    )
    on_mx_failure = forms.ChoiceField(
        label="While that name is not ready",
        choices=OnMxFailure.choices,
        widget=forms.RadioSelect,
        help_text="What Amazon does with your outgoing mail meanwhile.",
    )
    dkim_signing = forms.BooleanField(label="Sign outgoing mail (DKIM)", required=False)
    wants_dmarc = forms.BooleanField(label="Show the record against forged mail (DMARC)", required=False)
    dmarc_reports_to = forms.EmailField(
        label="Send the daily summaries of it to",
        required=False,
        help_text="An address that you read; receivers write to it who sent mail in your name. Empty for no summaries.",
    )
    wants_apex_spf = forms.BooleanField(label="Show the sender record at the domain itself (SPF)", required=False)

    def __init__(self, data: Any = None, *, domain: Domain) -> None:
        super().__init__(data, initial={name: getattr(domain, name) for name in self.base_fields})

    def clean_mail_from_label(self) -> str:
        return str(self.cleaned_data["mail_from_label"]).strip().lower()

    @property
    def wanted(self) -> Wanted:
        return Wanted(**self.cleaned_data | {"on_mx_failure": OnMxFailure(self.cleaned_data["on_mx_failure"])})


class BecauseForm(forms.Form):
    because = forms.CharField(label="Why", max_length=2000, widget=forms.Textarea(attrs={"rows": 2}))

    @property
    def because_text(self) -> str:
        return str(self.cleaned_data["because"]) if self.is_valid() else ""


class ReleaseForm(BecauseForm):
    """The hold had its reason; that it is over needs none."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["because"].required = False


class HoldForm(BecauseForm):
    until = forms.DateTimeField(
        label="Until",
        required=False,
        help_text="Leave empty to hold until somebody releases it.",
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}),
    )


class OverrideForm(BecauseForm):
    """The state as it is to be shown, for a time that ends by itself."""

    state = forms.ChoiceField(label="Show it as", choices=[(each.value, SHOWN_AS[each]) for each in State])
    until = forms.DateTimeField(
        label="Until",
        help_text="Then what the checks come to is shown again, by itself. In UTC, within three months.",
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}),
    )


class ExpectForm(BecauseForm):
    key = forms.ChoiceField(label="Record", choices=list(EXPECTABLE.items()))
    host = forms.CharField(
        label="Where it is expected",
        max_length=253,
        required=False,
        help_text="For inbound mail: the host that takes it in. Leave empty: the record is not asked for.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}),
    )


class ExpectNoMoreForm(ReleaseForm):
    key = forms.ChoiceField(choices=list(EXPECTABLE.items()), widget=forms.HiddenInput)


class CustomerChoice(forms.ModelChoiceField[Customer]):
    """Two customers may have one name, so the id stands with it."""

    def label_from_instance(self, obj: Customer) -> str:
        return f"{obj.name} ({obj.pk})"


class TransferForm(BecauseForm):
    customer = CustomerChoice(Customer.objects.all(), label="New customer", empty_label="Choose a customer")


class ShareForm(forms.Form):
    meant_for = forms.CharField(
        label="For whom",
        max_length=100,
        required=False,
        help_text="To tell links apart; whoever opens it does not see this.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "placeholder": "Our IT company"}),
    )
    days = forms.TypedChoiceField(
        label="It works for", coerce=int, choices=[(1, "1 day"), (7, "7 days"), (14, "14 days"), (30, "30 days")]
    )


class NoteForm(forms.Form):
    note = forms.CharField(
        label="Note",
        max_length=10_000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text="Staff alone see it.",
    )
