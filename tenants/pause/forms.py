from django import forms


class KeepForm(forms.Form):
    """Outcome of a pause's review."""

    because = forms.CharField(label="Reason", max_length=2000, widget=forms.Textarea(attrs={"rows": 2}))
    review_on = forms.DateField(
        label="Next review",
        required=False,
        widget=forms.DateInput(attrs={"type": "date", "class": "!w-44"}),
        help_text="Leave blank for no further reminder.",
    )
