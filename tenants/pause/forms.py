from django import forms


class KeepForm(forms.Form):
    """What came of looking at a pause again."""

    because = forms.CharField(label="Reason", max_length=2000, widget=forms.Textarea(attrs={"rows": 2}))
    review_on = forms.DateField(
        label="Next review",
        required=False,
        widget=forms.DateInput(attrs={"type": "date", "class": "!w-44"}),
        help_text="Leave blank for no further reminder.",
    )
