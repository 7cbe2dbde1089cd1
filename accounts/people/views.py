"""A person's own settings."""

from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_http_methods, require_POST

from accounts.models.people import Theme
from accounts.people import services
from accounts.people.forms import AccountForm
from inbound_admin.lib.http import SignedIn, form_page, report_outcome


@require_http_methods(["GET", "POST"])
def account(request: SignedIn) -> HttpResponse:
    form = AccountForm(request.POST or None, shown=services.shown_account(request.user))
    if request.method == "POST" and form.is_valid():
        with report_outcome(request, "Saved."):
            services.change_account(person=request.user, **form.cleaned_data)
        return redirect("accounts:account")
    return form_page(request, "accounts/people/account.html", {"form": form})


@require_POST
def theme(request: SignedIn) -> HttpResponse:
    """Store the theme and redirect back to the page."""
    if request.POST.get("theme") in Theme.values:
        services.change_account(person=request.user, theme=request.POST["theme"])
    back = request.POST.get("next", "")
    safe = url_has_allowed_host_and_scheme(back, {request.get_host()}, require_https=request.is_secure())
    return redirect(back if safe else "accounts:account")
