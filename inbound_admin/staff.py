"""Rules for staff: second factor, maximum session age, password again in the admin, and the reason for changes.

The reason for changing a customer's data is read from the request, or asked for.
"""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from allauth.account.internal.flows.reauthentication import is_reauthentication_required, suspend_request
from django import forms
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.middleware.csrf import get_token
from django.shortcuts import render
from django.urls import reverse
from django.utils.cache import add_never_cache_headers
from django.utils.http import url_has_allowed_host_and_scheme

from accounts.people.selectors import lacks_second_factor
from accounts.people.services import is_session_expired
from audit.services import ReasonMissing, acting
from inbound_admin.lib.api import answers
from inbound_admin.lib.http import place_in_page, redirect_page
from inbound_admin.middleware import Handler

SET_UP = "mfa_activate_totp"
# Names of pages for setting up a second factor, and of the sign-out.
OPEN_WITHOUT = frozenset(
    {
        *("mfa_index", SET_UP, "mfa_generate_recovery_codes", "mfa_view_recovery_codes", "mfa_download_recovery_codes"),
        *("account_reauthenticate", "account_logout", "account_email"),  # an unconfirmed address prevents the setup
    }
)


class StaffGuard:
    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if is_session_expired(request):
            logout(request)  # SignInRequired and the API then explain it
        return self.get_response(request)

    def process_view(
        self,
        request: HttpRequest,
        view_func: Callable[..., HttpResponseBase],
        view_args: tuple[Any, ...],
        view_kwargs: dict[str, Any],
    ) -> HttpResponse | None:
        if request.path.startswith(answers.PREFIX) or not request.user.is_authenticated:
            return None  # calls check this themselves: accounts.api_keys.api
        if getattr(view_func, "login_required", True) and not _is_open(request) and lacks_second_factor(request.user):
            return redirect_page(request, reverse(SET_UP))
        if request.method == "POST" and request.path.startswith(reverse("admin:index")):
            return _password_again(request)
        return None


def _is_open(request: HttpRequest) -> bool:
    return request.resolver_match is not None and request.resolver_match.view_name in OPEN_WITHOUT


def _password_again(request: HttpRequest) -> HttpResponse | None:
    """Require the password for changes in the admin, then continue with the form."""
    if not is_reauthentication_required(request, app=""):
        return None
    answer: HttpResponse = suspend_request(request, reverse("account_reauthenticate"))
    return answer


HEADER, FIELD = "X-Reason", "staff_reason"
LONGEST = 500


class ReasonForm(forms.Form):
    staff_reason = forms.CharField(label="Reason", max_length=LONGEST)


class StaffReason:
    """Provides the reason to the change log, which requires it only from staff who act for a customer."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        with acting(lambda: reason_of(request)):
            return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponseBase | None:
        """Show the submitted form again with a field for the reason."""
        if not isinstance(exception, ReasonMissing):
            return None
        get_token(request)
        htmx = "HX-Request" in request.headers
        context = {"problem": exception, "form": ReasonForm(), "files": list(request.FILES)}
        context |= {"fields": _sent(request), "path": request.get_full_path(), "back": _page_before(request)}
        template = "staff_reason.html#form" if htmx else "staff_reason.html"
        response = render(request, template, context, status=HTTPStatus.UNPROCESSABLE_ENTITY)
        add_never_cache_headers(response)
        return place_in_page(request, response, exception)


def reason_of(request: HttpRequest) -> str:
    """Return the reason from header (UTF-8), JSON body or form field, as one line."""
    header = request.headers.get(HEADER, "").encode("latin-1", "replace").decode("utf-8", "replace")
    text = header or getattr(request, "reason_in_body", "") or str(request.POST.get(FIELD, ""))
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())[:LONGEST]


def _page_before(request: HttpRequest) -> str:
    """Return the page that sent the form, to go back to; "" if it is unknown or another site."""
    page_url = request.headers.get("HX-Current-URL", "") or request.headers.get("Referer", "")
    is_ours = url_has_allowed_host_and_scheme(
        page_url, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return page_url if is_ours else ""


def _sent(request: HttpRequest) -> list[tuple[str, str]]:
    own = ("csrfmiddlewaretoken", FIELD)
    return [(name, str(value)) for name, values in request.POST.lists() if name not in own for value in values]
