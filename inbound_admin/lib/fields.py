"""Form fields for several apps, and the form of a reason."""

from datetime import UTC, datetime
from typing import Any

from django import forms
from django.utils import timezone

from inbound_admin.lib.foreign_text import without_nul
from inbound_admin.lib.mail_addresses import plain_address


def uploaded_text(file: Any) -> str:
    """Return the text of an uploaded file. Raises UnicodeDecodeError if it isn't UTF-8."""
    return without_nul(file.read().decode("utf-8-sig"))


# Of a text field for a name, an address or an ARN: a browser is to change nothing in it.
AS_TYPED = {"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}


class AddressField(forms.EmailField):
    """An email address, parsed by `plain_address`."""

    # The browser's own validation of type=email would refuse what is parsed here.
    widget = forms.TextInput(attrs={"inputmode": "email", "autocapitalize": "none", "spellcheck": "false"})

    def to_python(self, value: object) -> str:
        """Remove the full stop of a sentence."""
        return str(super().to_python(plain_address(str(value)).rstrip(".") if value else value))


class UtcField(forms.DateTimeField):
    """A time in UTC, as its label or help text says, whatever the setting TIME_ZONE is."""

    widget = forms.DateTimeInput(attrs={"type": "datetime-local"})

    def to_python(self, value: Any) -> datetime | None:
        with timezone.override(UTC):
            moment: datetime | None = super().to_python(value)
        return moment


class BecauseForm(forms.Form):
    because = forms.CharField(label="Reason", max_length=2000, widget=forms.Textarea(attrs={"rows": 2}))

    @property
    def because_text(self) -> str:
        return str(self.cleaned_data["because"]) if self.is_valid() else ""
