from django import forms

from domains.providers.core import PROVIDERS
from inbound_admin.lib.fields import AS_TYPED, AddressField


class ShareForm(forms.Form):
    meant_for = forms.CharField(
        label="Label",
        max_length=100,
        required=False,
        help_text="Only you and your team see this.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "placeholder": "Our IT company"}),
    )
    days = forms.TypedChoiceField(
        label="Expires after", coerce=int, choices=[(1, "1 day"), (7, "7 days"), (14, "14 days"), (30, "30 days")]
    )


class MailRecordsForm(forms.Form):
    to = AddressField(
        label="Email address",
        help_text="The person who manages your DNS, such as a colleague.",
        widget=forms.TextInput({**AS_TYPED, "inputmode": "email", "placeholder": "dns@example.com"}),
    )
    host = forms.ChoiceField(required=False, choices=[("", "")] + [(each.key, each.name) for each in PROVIDERS])
