from typing import Any

from django import forms

from accounts.models.people import Customer, MemberRole, Membership, User, new_customer_id
from accounts.people import selectors as people_selectors
from accounts.people.forms import ADDRESS
from inbound_admin.lib.fields import AddressField
from inbound_admin.lib.seen import SeenField, fingerprint

ROLES = (
    (MemberRole.MEMBER, "Member: manages domains"),
    (MemberRole.OWNER, "Owner: also manages people"),
)


class CustomerForm(forms.Form):
    name = forms.CharField(max_length=120, help_text="The organisation’s name.")


class RenameForm(CustomerForm):
    seen = SeenField()

    def __init__(self, data: Any, *, customer: Customer) -> None:
        shown = {"name": customer.name}
        super().__init__(data, initial=shown | {"seen": fingerprint(shown)})


class SameNameWarning(forms.Form):
    """Warns once of a name that another customer has: submitting the returned form again creates it.

    The subclass has a field `name`, and `viewer` is set before validation.
    """

    warned_of = forms.CharField(max_length=120, widget=forms.HiddenInput, required=False)
    viewer: User

    def warn_of_same_name(self, pk: str | None) -> None:
        """Add the warning unless the form carries it already. `pk` is the customer's own ID, or the planned one."""
        name = self.cleaned_data.get("name", "")
        given = self.cleaned_data.get("warned_of")
        there = people_selectors.customer_named(name, viewer=self.viewer) if name != given else None
        if there and there.pk != pk:
            self.data = {**dict(self.data.items()), self.add_prefix("warned_of"): name}
            sentence = f"A customer with this name already exists ({there.pk}). Submit again to create another."
            self.add_error(None, sentence)


class NewCustomerForm(SameNameWarning, CustomerForm):
    """The ID is chosen when the form is shown, so sending it twice creates one customer."""

    owner = AddressField(
        label="Owner's email address",
        required=False,
        widget=forms.TextInput(ADDRESS),
        help_text="We’ll send an invitation. The owner can then invite colleagues. You can also do this later.",
    )
    customer_id = forms.CharField(max_length=40, initial=new_customer_id, widget=forms.HiddenInput, required=False)

    def __init__(self, *args: Any, viewer: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.viewer = viewer

    def clean(self) -> dict[str, Any]:
        self.warn_of_same_name(self.cleaned_data.get("customer_id"))
        return self.cleaned_data


class InviteForm(forms.Form):
    email = AddressField(label="Email address", widget=forms.TextInput(ADDRESS))
    role = forms.ChoiceField(choices=ROLES, initial=MemberRole.MEMBER)


class RoleForm(forms.Form):
    role = forms.ChoiceField(choices=ROLES)
    seen = SeenField()

    def __init__(self, data: Any, *, membership: Membership) -> None:
        shown = {"role": str(membership.role)}
        super().__init__(data, initial=shown | {"seen": fingerprint(shown)})
