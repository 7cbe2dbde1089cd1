"""Extra rules for staff: second factor, maximum session age, password again in the admin."""

from collections.abc import Callable
from typing import Any

from allauth.account.internal.flows.reauthentication import is_reauthentication_required, suspend_request
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import reverse

from accounts.people.selectors import lacks_second_factor
from accounts.people.services import is_session_expired
from inbound_admin.lib.api import answers
from inbound_admin.lib.http import redirect_page

SET_UP = "mfa_activate_totp"
# Names of pages for setting up a second factor, and of the sign-out.
OPEN_WITHOUT = frozenset(
    {
        *("mfa_index", SET_UP, "mfa_generate_recovery_codes", "mfa_view_recovery_codes", "mfa_download_recovery_codes"),
        *("account_reauthenticate", "account_logout", "account_email"),  # an unconfirmed address prevents the setup
    }
)


class StaffGuard:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
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
