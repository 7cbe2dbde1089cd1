"""Pages of people: their account, the members of their customer, and their API keys."""

import secrets
from typing import Any

from allauth.core.internal.ratelimit import consume
from django import forms
from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.password_validation import password_validators_help_text_html, validate_password
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from accounts.api_keys import services as api_keys_services
from accounts.api_keys.core import Scope
from accounts.members import services as members_services
from accounts.members.services import Needs, Offer, WrongPerson
from accounts.models.people import Theme, User
from accounts.people import selectors as people_selectors
from accounts.people import services as people_services
from accounts.people.forms import AccountForm
from accounts.people.selectors import api_keys_of
from inbound_admin.lib.errors import RateLimited, Refused
from inbound_admin.lib.http import SignedIn, form_page, report_outcome, requires_password, secret_page

# A person's own settings.


@require_http_methods(["GET", "POST"])
def account(request: SignedIn) -> HttpResponse:
    form = AccountForm(request.POST or None, shown=people_services.shown_account(request.user))
    if request.method == "POST" and form.is_valid():
        with report_outcome(request, "Saved."):
            people_services.change_account(person=request.user, **form.cleaned_data)
        return redirect("accounts:account")
    return form_page(request, "accounts/people/account.html", {"form": form})


@require_POST
def theme(request: SignedIn) -> HttpResponse:
    """Store the theme and redirect back to the page."""
    if request.POST.get("theme") in Theme.values:
        people_services.change_account(person=request.user, theme=request.POST["theme"])
    back = request.POST.get("next", "")
    safe = url_has_allowed_host_and_scheme(back, {request.get_host()}, require_https=request.is_secure())
    return redirect(back if safe else "accounts:account")


# The public page of an invitation link. The link is a secret. A GET changes nothing, because email scanners follow
# links.


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


RATES = {"accept_invitation": "30/m/ip"}
BACKEND = "django.contrib.auth.backends.ModelBackend"


@login_not_required
@secret_page
@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
def accept(request: HttpRequest, token: str) -> HttpResponse:
    person = request.user if isinstance(request.user, User) else None
    try:
        _check_rate_limit(request)
        offer = members_services.offer(token=token, person=person)
        form = AcceptForm(request.POST or None, email=offer.invitation.email)
        if request.method == "POST" and (offer.needs is not Needs.ACCOUNT or form.is_valid()):
            return _accept(request, token, person, form)
    except Refused as refused:
        return _refused(request, refused)
    return _page(request, offer, form)


def _check_rate_limit(request: HttpRequest) -> None:
    """Rate limit by client address. Behind a proxy, this requires BEHIND_PROXY; otherwise all share one limit."""
    if not consume(request, app="tenants", action="accept_invitation", config=RATES, limit_get=True):
        raise RateLimited("Too many attempts. Try again in a minute.", retry_after=60)


def _accept(request: HttpRequest, token: str, person: User | None, form: AcceptForm) -> HttpResponse:
    given = {} if person else getattr(form, "cleaned_data", {})
    membership = members_services.accept_invitation(token=token, person=person, **given)
    if person is None:
        login(request, membership.user, backend=BACKEND)
    messages.success(request, f"You joined {membership.customer}.")
    return redirect("home")


def _page(request: HttpRequest, offer: Offer, form: AcceptForm) -> HttpResponse:
    context = {"invitation": offer.invitation, "needs": offer.needs.value, "form": form}
    return form_page(request, "accounts/members/accept.html", context)


def _refused(request: HttpRequest, refused: Refused) -> HttpResponse:
    context = {"refused": refused, "wrong_person": isinstance(refused, WrongPerson)}
    response = TemplateResponse(request, "accounts/members/accept.html", context, status=refused.status)
    if isinstance(refused, RateLimited):
        response.headers["Retry-After"] = str(refused.retry_after)
    return response


# A person's own API keys: create, show once, revoke.


SCOPES = (
    (Scope.READ.value, "Read: view everything you can view"),
    (Scope.WRITE.value, "Write: change everything you can change"),
    (Scope.STAFF.value, "Staff: access all customers, within your role"),
    (Scope.ROUTE.value, "Route: look up recipients, for the inbound mail function"),
)
LIVES = ((30, "30 days"), (90, "90 days"), (365, "1 year"), (0, "No expiry"))


class ApiKeyForm(forms.Form):
    """`once` is chosen when the form is shown, so submitting it twice creates one key."""

    name = forms.CharField(max_length=120, help_text="What will use the key.")
    scopes = forms.MultipleChoiceField(
        label="Scopes", choices=SCOPES[:2], widget=forms.CheckboxSelectMultiple, initial=[Scope.READ.value]
    )
    days = forms.TypedChoiceField(label="Expiry", choices=LIVES, coerce=int, initial=90)
    once = forms.CharField(max_length=64, initial=secrets.token_urlsafe, widget=forms.HiddenInput)

    def __init__(self, *args: Any, viewer: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if people_selectors.supports_everyone(viewer):
            self.fields["scopes"].choices = SCOPES  # type: ignore[attr-defined]  # a field of choices


REMEMBERED_SECONDS = 24 * 3600  # within this time, a form that is sent twice creates one key


@never_cache
@require_http_methods(["GET", "POST"])
@requires_password
def keys(request: SignedIn) -> HttpResponse:
    """Only the response to the form contains the secret."""
    form = ApiKeyForm(request.POST or None, viewer=request.user)
    context: dict[str, Any] = {}
    if request.method == "POST" and form.is_valid():
        once = f"api-key-form-{form.cleaned_data['once']}".replace(" ", "-")
        if not cache.add(once, 1, REMEMBERED_SECONDS):
            messages.info(request, "This key was already created. Its secret can't be shown again.")
            return redirect("accounts:keys")
        try:
            given = {name: form.cleaned_data[name] for name in ("name", "scopes")}
            days = form.cleaned_data["days"] or None
            context["made"] = api_keys_services.create_api_key(
                user=request.user, actor=request.user, days=days, **given
            )
            form = ApiKeyForm(viewer=request.user)
        except Refused as refused:
            form.add_error(None, str(refused))
        finally:
            if "made" not in context:  # the form can be sent again
                cache.delete(once)
    context |= {"form": form, "keys": api_keys_of(request.user)}
    return form_page(request, "accounts/api_keys/api_keys.html", context)


@require_POST
def revoke_key(request: SignedIn, key_id: str) -> HttpResponse:
    """Return 404 for another person's key."""
    key = get_object_or_404(api_keys_of(request.user), pk=key_id)
    api_keys_services.revoke_api_key(key=key, actor=request.user)
    messages.success(request, f"{key} revoked. It no longer works.")
    return redirect("accounts:keys")
