"""The form with the reason for cancelling a run."""

from django import forms


class CancelRunForm(forms.Form):
    because = forms.CharField(label="Reason", max_length=2000, widget=forms.Textarea(attrs={"rows": 2}))
