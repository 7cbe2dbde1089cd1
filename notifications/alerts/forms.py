from datetime import timedelta
from typing import Any

from django import forms
from django.utils import timezone

MUTES = (("1", "1 day"), ("7", "1 week"), ("30", "30 days"))


class MuteForm(forms.Form):
    days = forms.ChoiceField(label="Mute for", choices=MUTES)

    @property
    def until(self) -> Any:
        return timezone.now() + timedelta(days=int(self.cleaned_data["days"]))
