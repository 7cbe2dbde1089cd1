from django import forms


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
