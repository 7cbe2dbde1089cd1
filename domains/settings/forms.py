from typing import Any

from django import forms

from domains.models.domains import Domain
from domains.settings.services import DesiredSettings, shown_keys, shown_values
from inbound_admin.lib.fields import AddressField, BecauseForm
from inbound_admin.lib.seen import SeenField, fingerprint

_SPECIAL = frozenset('!"#%,;?\\ ')  # in a record, "!" begins a size limit, "," the next address, ";" the next tag


class KeysForm(BecauseForm):
    """Rotates the keys that the page was opened with, and no later ones."""

    seen = SeenField()

    def __init__(self, data: Any = None, *, domain: Domain) -> None:
        super().__init__(data, prefix="keys", initial={"seen": fingerprint(shown_keys(domain))})


class SettingsForm(forms.Form):
    mail_from_label = forms.CharField(
        label="MAIL FROM domain",
        max_length=253,
        required=False,
        help_text="A subdomain with no other records. Leave blank to use the Amazon SES default. "
        "If you change it, you must publish two new records.",
    )
    on_mx_failure = forms.ChoiceField(
        label="If the MAIL FROM domain isn't ready",
        choices=Domain.OnMxFailure.choices,
        widget=forms.RadioSelect,
        help_text="What Amazon SES does with your outgoing mail until then.",
    )
    dkim_signing = forms.BooleanField(label="Sign outgoing mail (DKIM)", required=False)
    wants_dmarc = forms.BooleanField(label="Recommend a DMARC record", required=False)
    dmarc_reports_to = AddressField(
        label="DMARC report address",
        required=False,
        help_text="Aggregate DMARC reports are sent here. Leave blank for none.",
    )
    wants_apex_spf = forms.BooleanField(label="Recommend an SPF record at the domain", required=False)
    seen = SeenField()

    def __init__(self, data: Any = None, *, domain: Domain) -> None:
        shown = shown_values(domain)
        super().__init__(data, initial=shown | {"seen": fingerprint(shown)})

    def clean_mail_from_label(self) -> str:
        return str(self.cleaned_data["mail_from_label"]).strip()

    def clean_dmarc_reports_to(self) -> str:
        address = str(self.cleaned_data["dmarc_reports_to"])
        if special := set(address.rpartition("@")[0]) & _SPECIAL:
            shown = " ".join(sorted(special))
            raise forms.ValidationError(f"A DMARC record can't name an address with {shown}. Use another address.")
        return address

    @property
    def desired(self) -> DesiredSettings:
        given = {name: value for name, value in self.cleaned_data.items() if name != "seen"}
        return DesiredSettings(**given | {"on_mx_failure": Domain.OnMxFailure(given["on_mx_failure"])})
