"""The reason for which a run is cancelled."""

from django import forms


class CancelRunForm(forms.Form):
    because = forms.CharField(label="Reason", max_length=2000, widget=forms.Textarea(attrs={"rows": 2}))
