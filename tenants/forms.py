import secrets
from typing import Any

from allauth.account import forms as allauth
from django import forms
from django.conf import settings
from django.contrib.auth.password_validation import password_validators_help_text_html, validate_password
from django.db import transaction

from tenants import selectors
from tenants.core.api_keys import Scope
from tenants.core.tenant_words import POLICIES
from tenants.models import Customer, MemberRole, Theme, User, new_customer_id
from tenants.services.api_keys import revoke_api_keys

ROLES = (
    (MemberRole.MEMBER, "Member: sees and looks after the domains"),
    (MemberRole.OWNER, "Owner: also invites and removes people"),
)
ADDRESS = {"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false", "placeholder": "name@example.com"}


class CustomerForm(forms.Form):
    name = forms.CharField(max_length=120, help_text="The organisation, as its people know it.")


class NewCustomerForm(CustomerForm):
    """The id is chosen when the form is shown, so that sending it twice makes one customer."""

    owner = forms.EmailField(
        label="Owner's e-mail address",
        required=False,
        widget=forms.EmailInput(ADDRESS),
        help_text="Gets an invitation, and can then invite colleagues. You can also do this later.",
    )
    customer_id = forms.CharField(max_length=40, initial=new_customer_id, widget=forms.HiddenInput, required=False)
    warned_of = forms.CharField(max_length=120, widget=forms.HiddenInput, required=False)

    def __init__(self, *args: Any, viewer: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.viewer = viewer

    def clean(self) -> dict[str, Any]:
        """A name that another customer has is warned of once; the page that comes back knows of the warning."""
        given = self.cleaned_data
        name = given.get("name", "")
        there = selectors.customer_named(name, viewer=self.viewer) if name != given.get("warned_of") else None
        if there and there.pk != given.get("customer_id"):
            self.data = {**dict(self.data.items()), "warned_of": name}
            said = f"There is a customer of that name already ({there.pk}). Press again to create another."
            self.add_error(None, said)
        return given


class InviteForm(forms.Form):
    email = forms.EmailField(label="E-mail address", widget=forms.EmailInput(ADDRESS))
    role = forms.ChoiceField(choices=ROLES, initial=MemberRole.MEMBER)


class RoleForm(forms.Form):
    role = forms.ChoiceField(choices=ROLES)


class SignInForm(allauth.LoginForm):  # type: ignore[misc]  # allauth has no types
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _say_address(self.fields["login"])


class AddEmailForm(allauth.AddEmailForm):  # type: ignore[misc]  # as above
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _say_address(self.fields["email"])


class EndsKeys(forms.Form):
    """The choice at a new password: a key outlives the password under which it was made."""

    end_keys = forms.BooleanField(
        label="Revoke my API keys as well",
        required=False,
        help_text="Choose this if somebody else may know your password. Programs that use a key stop working.",
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
    @transaction.atomic
    def save(self) -> None:
        super().save()
        self.end_keys_if_chosen()


def _say_address(field: forms.Field) -> None:
    """In our word for it, also where errors name the field."""
    field.label = "E-mail address"
    field.widget.attrs["placeholder"] = ADDRESS["placeholder"]


class AcceptForm(forms.Form):
    name = forms.CharField(label="Your name", max_length=150, widget=forms.TextInput({"autocomplete": "name"}))
    password = forms.CharField(
        strip=False,
        widget=forms.PasswordInput({"autocomplete": "new-password"}),
        help_text=password_validators_help_text_html,
    )

    def __init__(self, *args: Any, email: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.email = email

    def clean_password(self) -> str:
        password = str(self.cleaned_data["password"])
        validate_password(password, User(email=self.email, first_name=self.cleaned_data.get("name", "")))
        return password


class AccountForm(forms.Form):
    name = forms.CharField(
        label="Your name",
        max_length=150,
        required=False,
        widget=forms.TextInput({"autocomplete": "name"}),
        help_text="What colleagues see beside what you did.",
    )
    theme = forms.ChoiceField(choices=Theme.choices, widget=forms.RadioSelect)
    shortcuts = forms.BooleanField(
        label="Keyboard shortcuts", required=False, help_text="Single keys that jump to pages and copy values."
    )


class CustomerChoice(forms.ModelChoiceField[Customer]):
    """Two customers may have one name, so the id stands with it."""

    def label_from_instance(self, obj: Customer) -> str:
        return f"{obj.name} ({obj.pk})"


def _default_policy() -> str:
    return str(settings.TENANT_POLICY)


_POLICIES = [(value, f"{words.title}: {words.meaning}") for value, words in POLICIES.items()]


class NewTenantForm(forms.Form):
    """For a customer who has no tenant here; with the name of one that Amazon has, that one is taken over."""

    customer = CustomerChoice(Customer.objects.none(), empty_label="Choose a customer")
    policy = forms.ChoiceField(
        label="Reputation policy", choices=_POLICIES, initial=_default_policy, widget=forms.RadioSelect
    )
    name = forms.CharField(
        label="Name of a tenant that Amazon has already",
        required=False,
        max_length=64,
        help_text="To take over one that was made elsewhere. Empty: a new one, named by us.",
        widget=forms.TextInput(attrs={"class": "font-mono", "autocapitalize": "none", "autocomplete": "off"}),
    )

    def __init__(self, *args: Any, viewer: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        without = selectors.customers_for(viewer).exclude(pk__in=selectors.here().values("customer"))
        self.fields["customer"].queryset = without  # type: ignore[attr-defined]  # a ModelChoiceField, above


class PolicyForm(forms.Form):
    policy = forms.ChoiceField(choices=_POLICIES, widget=forms.RadioSelect)
    because = forms.CharField(label="Why", max_length=2000, widget=forms.Textarea(attrs={"rows": 2}))


class KeepForm(forms.Form):
    """What came of looking at a pause again."""

    because = forms.CharField(label="Why", max_length=2000, widget=forms.Textarea(attrs={"rows": 2}))
    review_on = forms.DateField(
        label="Look at it again on",
        required=False,
        widget=forms.DateInput(attrs={"type": "date", "class": "!w-44"}),
        help_text="Empty: no further reminder.",
    )


SCOPES = (
    (Scope.READ.value, "Read: sees what you see"),
    (Scope.WRITE.value, "Write: changes what you may change"),
    (Scope.STAFF.value, "Staff: all customers, as far as your role goes"),
    (Scope.ROUTE.value, "Route: asks whose a recipient’s mail is, for the function that takes mail"),
)
LIVES = ((30, "30 days"), (90, "90 days"), (365, "A year"), (0, "Until it is revoked"))


class ApiKeyForm(forms.Form):
    """`once` is chosen when the form is shown, so that sending it twice makes one key."""

    name = forms.CharField(max_length=120, help_text="Which program will use it, and where.")
    scopes = forms.MultipleChoiceField(
        label="What it may do", choices=SCOPES[:2], widget=forms.CheckboxSelectMultiple, initial=[Scope.READ.value]
    )
    days = forms.TypedChoiceField(label="How long it works", choices=LIVES, coerce=int, initial=90)
    once = forms.CharField(max_length=64, initial=secrets.token_urlsafe, widget=forms.HiddenInput)

    def __init__(self, *args: Any, viewer: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if selectors.supports_everyone(viewer):
            self.fields["scopes"].choices = SCOPES  # type: ignore[attr-defined]  # a field of choices
