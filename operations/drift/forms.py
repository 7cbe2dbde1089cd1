"""The forms to resolve one difference, and many."""

from collections.abc import Mapping
from typing import Any

from django import forms

from accounts.models.people import User
from accounts.people.forms import CustomerChoice
from inbound_admin.lib.seen import SeenField, fingerprint
from operations.drift.core import STATUS, Decision
from operations.drift.selectors import may_apply
from operations.models import Difference

OF_STATUS = "Trust & Safety accepts or restores a sending status, since that pauses or resumes the tenant."
OF_OTHERS = "An operator resolves this difference."


class DecideForm(forms.Form):
    decision = forms.ChoiceField(label="Decision", widget=forms.RadioSelect)
    customer = CustomerChoice(
        required=False, empty_label="Choose a customer", help_text="Required to accept it from SES."
    )
    because = forms.CharField(label="Reason", max_length=500, help_text="Saved in the change log.")
    seen = SeenField()

    def __init__(
        self, *args: Any, difference: Difference, viewer: User, asks_customer: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.shown = {"decision": difference.decision}
        self.fields["seen"].initial = fingerprint(self.shown)
        may = {
            Decision.ADOPT: difference.may_adopt,
            Decision.RESTORE: difference.may_restore,
            Decision.IGNORE: not difference.is_outage,
        }
        possible = [each for each, is_possible in may.items() if is_possible]
        self.decisions = [each for each in possible if may_apply(viewer, each, difference)]
        others = len(self.decisions) < len(possible)
        self.whose = "" if not others else OF_STATUS if difference.kind == STATUS else OF_OTHERS
        choices = [(each.value, each.words) for each in self.decisions]
        self.fields["decision"] = forms.ChoiceField(
            label="Decision", widget=forms.RadioSelect, choices=choices, initial=choices[0][0] if choices else None
        )
        if not asks_customer:
            del self.fields["customer"]
        elif difference.customer:
            self.fields["customer"].initial = difference.customer


class DecideManyForm(forms.Form):
    """`numbers`: for how many differences each decision is possible. One that is possible for none isn't offered."""

    decision = forms.ChoiceField(label="Decision", widget=forms.RadioSelect)
    customer = CustomerChoice(
        label="Customer for tenants without a suggested customer",
        required=False,
        empty_label="Keep those open",
    )
    because = forms.CharField(label="Reason", max_length=500, help_text="Saved in the change log.")
    typed = forms.IntegerField(label="Number of differences", min_value=1)

    def __init__(self, *args: Any, numbers: Mapping[Decision, int], asks_customer: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.numbers = numbers
        self.fields["decision"] = forms.ChoiceField(
            label="Decision",
            widget=forms.RadioSelect,
            choices=[(each.value, f"{each.words} ({number:,})") for each, number in numbers.items() if number],
        )
        self.fields["typed"].help_text = "To confirm, type the number in parentheses after the decision."
        if not asks_customer:
            del self.fields["customer"]

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or {}
        if given.get("decision") and given.get("typed"):
            number = self.numbers[Decision(given["decision"])]
            if given["typed"] != number:
                self.add_error(
                    "typed", f"{number:,} differences would be changed. Check the list and enter that number."
                )
        return given

    @property
    def words(self) -> dict[str, str]:
        given = self.cleaned_data
        chosen = {"decision": given["decision"], "because": given["because"].strip()}
        if given.get("customer"):
            chosen |= {"customer": given["customer"].pk, "customer_name": given["customer"].name}
        return chosen
