from typing import Any, ClassVar

from allauth.account import forms as allauth
from django import forms
from django.db import transaction
from django.db.models import QuerySet
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.api_keys.services import revoke_api_keys
from accounts.models.people import Customer, Density, Theme, User
from accounts.people import selectors
from accounts.people.selectors import customer_label, customer_matching
from inbound_admin.lib.fields import AS_TYPED
from inbound_admin.lib.seen import SeenField, fingerprint

MOST_LISTED = 200  # options of a select; above this number, the name is typed
ADDRESS = {**AS_TYPED, "placeholder": "name@example.com"}


class SignInForm(allauth.LoginForm):  # type: ignore[misc]  # allauth has no types
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _say_address(self.fields["login"])


class AddEmailForm(allauth.AddEmailForm):  # type: ignore[misc]  # as above
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _say_address(self.fields["email"])


class EndsKeys(forms.Form):
    """Offers to revoke API keys with a new password, because keys outlive a password."""

    end_keys = forms.BooleanField(
        label="Revoke my API keys as well",
        required=False,
        help_text="Choose this if someone else may know your password. Programs that use your keys stop working.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self._person is None or not selectors.working_keys_of(self._person).exists():
            del self.fields["end_keys"]

    @property
    def _person(self) -> User | None:
        return getattr(self, "user", None)

    def end_keys_if_chosen(self) -> None:
        if self._person is not None and self.cleaned_data.get("end_keys"):
            revoke_api_keys(person=self._person)


class ChangePasswordForm(EndsKeys, allauth.ChangePasswordForm):  # type: ignore[misc]  # allauth has no types
    @transaction.atomic
    def save(self) -> None:
        super().save()
        self.end_keys_if_chosen()


class ResetPasswordKeyForm(EndsKeys, allauth.ResetPasswordKeyForm):  # type: ignore[misc]  # as above
    def clean(self) -> Any:
        """A link that was sent before the account was disabled changes nothing."""
        if self._person is not None and not self._person.is_active:
            raise forms.ValidationError("This account is disabled. Contact support.")
        return super().clean()

    @transaction.atomic
    def save(self) -> None:
        super().save()
        self.end_keys_if_chosen()


def _say_address(field: forms.Field) -> None:
    """Set our label, which errors show too."""
    field.label = "Email address"
    field.widget.attrs["placeholder"] = ADDRESS["placeholder"]


class AccountForm(forms.Form):
    """`shown`: the stored settings."""

    name = forms.CharField(
        label="Your name",
        max_length=150,
        required=False,
        widget=forms.TextInput({"autocomplete": "name"}),
        help_text="Shown next to your changes.",
    )
    theme = forms.ChoiceField(choices=Theme.choices, widget=forms.RadioSelect)
    density = forms.ChoiceField(
        choices=Density.choices,
        widget=forms.RadioSelect,
        help_text="Compact shows more rows per screen on wide screens.",
    )
    shortcuts = forms.BooleanField(
        label="Keyboard shortcuts", required=False, help_text="Single-key shortcuts to open pages and copy values."
    )
    seen = SeenField()

    def __init__(self, data: Any = None, *, shown: dict[str, Any]) -> None:
        super().__init__(data, initial=shown | {"seen": fingerprint(shown)})


class CustomerInput(forms.TextInput):
    """A text field with customer suggestions. Without JavaScript, the full name or ID is entered."""

    def __init__(self) -> None:
        super().__init__({"autocomplete": "off", "placeholder": "Name or ID", "maxlength": "200"})

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        offered = f"{(attrs or {}).get('id', name)}_offered"
        asks = {"list": offered, "hx-get": reverse("customers:choices"), "hx-trigger": "input changed delay:200ms"}
        asks |= {"hx-target": f"#{offered}", "hx-swap": "innerHTML"}
        field = super().render(name, value, {**(attrs or {}), **asks}, renderer)
        return format_html('{}<datalist id="{}"></datalist>', field, offered)


class CustomerChoice(forms.ModelChoiceField[Customer]):
    """Shows name and ID, because names aren't unique. Above MOST_LISTED customers it is a text field.

    Without a queryset, all customers can be chosen.
    """

    default_error_messages: ClassVar = {
        "invalid_choice": "No customer has this name or ID.",
        "several": "Several customers have this name. Enter the ID instead.",
    }

    def __init__(self, queryset: QuerySet[Customer] | None = None, **kwargs: Any) -> None:
        super().__init__(Customer.objects.all() if queryset is None else queryset, **kwargs)

    def label_from_instance(self, obj: Customer) -> str:
        return customer_label(obj)

    def prepare_value(self, value: Any) -> Any:
        is_text = isinstance(self.widget, CustomerInput) and isinstance(value, Customer)
        return customer_label(value) if is_text else super().prepare_value(value)

    def get_bound_field(self, form: forms.BaseForm, field_name: str) -> forms.BoundField:
        if self.queryset is not None and self.queryset.order_by("pk")[MOST_LISTED : MOST_LISTED + 1].exists():
            self.widget = CustomerInput()
            self.widget.is_required = self.required
        return super().get_bound_field(form, field_name)

    def to_python(self, value: Any) -> Customer | None:
        if value in self.empty_values or self.queryset is None:
            return None
        found = list(self.queryset.filter(customer_matching(str(value)))[:2])
        if len(found) > 1:
            raise forms.ValidationError(self.error_messages["several"], code="several")
        if not found:
            raise forms.ValidationError(self.error_messages["invalid_choice"], code="invalid_choice")
        return found[0]


class ForCustomer(forms.Form):
    """A form for one of the viewer's customers. If there is only one, the field is left out. `is_for_nobody`: there is
    none, so nothing can be added.
    """

    customer = CustomerChoice(Customer.objects.none(), label="Customer", empty_label="Choose a customer")

    def __init__(self, *args: Any, viewer: User, customer: Customer | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        customers = selectors.customers_for(viewer)
        self.only_customer = customer
        found = 1 if customer else customers.count()
        self.is_for_nobody = found == 0
        if customer is None and found == 1:
            self.only_customer = customers.first()
        if self.only_customer:
            del self.fields["customer"]
        else:
            self.fields["customer"].queryset = customers  # type: ignore[attr-defined]  # a ModelChoiceField, above
        if self.is_for_nobody:
            self.fields["customer"].help_text = selectors.NO_ORGANISATION
            self.fields["customer"].error_messages["required"] = selectors.NO_ORGANISATION

    @property
    def chosen_customer(self) -> Customer:
        customer: Customer = self.only_customer or self.cleaned_data["customer"]
        return customer
