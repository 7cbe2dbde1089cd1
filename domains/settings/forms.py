from typing import Any

from django import forms

from domains.checking.core.judgement import State
from domains.models.domains import Domain, OnMxFailure
from domains.settings.services import WantedSettings
from inbound_admin.lib.fields import AddressField

SHOWN_AS = {
    State.VERIFIED: "Verified",
    State.WAITING: "Waiting",
    State.SPREADING: "Spreading",
    State.AT_RISK: "At risk",
    State.WRONG: "Wrong",
    State.COULD_NOT_CHECK: "Could not check",
    State.NOT_CHECKED: "Not checked",
}


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
    dmarc_reports_to = AddressField(
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
    def wanted(self) -> WantedSettings:
        return WantedSettings(**self.cleaned_data | {"on_mx_failure": OnMxFailure(self.cleaned_data["on_mx_failure"])})
