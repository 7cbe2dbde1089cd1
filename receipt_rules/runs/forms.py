"""Forms of the pages about receiving. An endpoint is chosen among those of one customer."""

from django import forms


class CancelRunForm(forms.Form):
    because = forms.CharField(label="Why", max_length=2000, widget=forms.Textarea(attrs={"rows": 2}))
