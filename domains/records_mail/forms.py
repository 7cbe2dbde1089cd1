from django import forms

from domains.providers.core import PROVIDERS
from inbound_admin.lib.fields import AddressField


class MailRecordsForm(forms.Form):
    to = AddressField(
        label="Email address",
        help_text="Of one person: a colleague, or whoever edits the DNS.",
        widget=forms.TextInput(
            attrs={
                "inputmode": "email",
                "autocapitalize": "none",
                "spellcheck": "false",
                "autocomplete": "off",
                "placeholder": "dns@example.com",
            }
        ),
    )
    host = forms.ChoiceField(required=False, choices=[("", "")] + [(each.key, each.name) for each in PROVIDERS])
