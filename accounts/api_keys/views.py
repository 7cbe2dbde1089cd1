"""A person's own API keys: create, show once, revoke."""

from typing import Any

from django.contrib import messages
from django.core.cache import cache
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from accounts.api_keys import services
from accounts.api_keys.forms import ApiKeyForm
from accounts.people.selectors import api_keys_of
from inbound_admin.lib.errors import Refused
from inbound_admin.lib.http import SignedIn, form_page, requires_password

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
            context["made"] = services.create_api_key(user=request.user, actor=request.user, days=days, **given)
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
    services.revoke_api_key(key=key, actor=request.user)
    messages.success(request, f"{key} revoked. It no longer works.")
    return redirect("accounts:keys")
