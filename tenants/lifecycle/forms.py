from typing import Any

from django import forms
from django.conf import settings

from accounts.models.people import Customer, User
from accounts.people import selectors as people_selectors
from accounts.people.forms import CustomerChoice
from inbound_admin.lib.seen import SeenField, fingerprint
from tenants.lifecycle import selectors
from tenants.policy.core import POLICIES, SUPPRESSIONS


def _default_policy() -> str:
    return str(settings.TENANT_POLICY)


_POLICIES = [(value, f"{words.title}: {words.meaning}") for value, words in POLICIES.items()]


_SUPPRESSIONS = [(value, f"{words.title}: {words.meaning}") for value, words in SUPPRESSIONS.items()]


class NewTenantForm(forms.Form):
    """Form for a customer without a tenant here. With the name of an existing SES tenant, that tenant is adopted."""

    customer = CustomerChoice(Customer.objects.none(), empty_label="Choose a customer")
    policy = forms.ChoiceField(
        label="Reputation policy", choices=_POLICIES, initial=_default_policy, widget=forms.RadioSelect
    )
    name = forms.CharField(
        label="Existing SES tenant",
        required=False,
        max_length=64,
        help_text="Name of a tenant to import from SES. Leave blank to create a new one.",
        widget=forms.TextInput(attrs={"class": "font-mono", "autocapitalize": "none", "autocomplete": "off"}),
    )

    def __init__(self, *args: Any, viewer: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        without = people_selectors.customers_for(viewer).exclude(
            pk__in=selectors.tenants_in_region().values("customer")
        )
        self.fields["customer"].queryset = without  # type: ignore[attr-defined]  # a ModelChoiceField, above


class PolicyForm(forms.Form):
    policy = forms.ChoiceField(choices=_POLICIES, widget=forms.RadioSelect)
    suppression = forms.ChoiceField(
        label="Suppression list", choices=_SUPPRESSIONS, required=False, widget=forms.RadioSelect
    )
    because = forms.CharField(label="Reason", max_length=2000, widget=forms.Textarea(attrs={"rows": 2}))
    seen = SeenField()

    def __init__(self, data: Any, *, shown: dict[str, str]) -> None:
        super().__init__(data, initial=shown | {"seen": fingerprint(shown)})
