"""A person's own settings."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_http_methods, require_POST

from accounts.models.people import Theme
from accounts.people import services
from accounts.people.forms import AccountForm
from inbound_admin.lib.http import SignedIn, form_page


@require_http_methods(["GET", "POST"])
def account(request: SignedIn) -> HttpResponse:
    person = request.user
    initial = {"name": person.get_full_name()} | {
        field: getattr(person, field) for field in ("theme", "density", "shortcuts")
    }
    form = AccountForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        services.change_account(person=person, **form.cleaned_data)
        messages.success(request, "Saved.")
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
