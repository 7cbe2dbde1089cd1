"""The form that approves a plan: its digest, the reason, and the rule set's name for a large change."""

from django import forms

from receipt_rules.endpoints.forms import AS_TYPED


class ApproveForm(forms.Form):
    digest = forms.CharField(widget=forms.HiddenInput)
    because = forms.CharField(label="Reason", max_length=2000, widget=forms.Textarea(attrs={"rows": 2}))
    typed = forms.CharField(label="Rule set name", max_length=64, required=False, widget=forms.TextInput(AS_TYPED))
