from django import forms

from domains.providers.core import PROVIDERS
from inbound_admin.lib.fields import AddressField


class MailRecordsForm(forms.Form):
    to = AddressField(
        label="Email address",
        help_text="The person who manages your DNS, such as a colleague.",
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
