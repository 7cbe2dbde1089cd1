from datetime import timedelta
from typing import Any

from django import forms
from django.utils import timezone

MUTES = (("1", "for a day"), ("7", "for a week"), ("30", "for 30 days"))


class MuteForm(forms.Form):
    days = forms.ChoiceField(label="Say nothing of it", choices=MUTES)

    @property
    def until(self) -> Any:
        return timezone.now() + timedelta(days=int(self.cleaned_data["days"]))
