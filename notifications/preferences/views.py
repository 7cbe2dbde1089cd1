"""Notification settings of a person."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from inbound_admin.lib.errors import ChangedMeanwhile, Refused
from inbound_admin.lib.http import SignedIn, form_page
from notifications.models.webhooks import WebhookTarget
from notifications.preferences import services
from notifications.preferences.forms import PreferenceForm


@require_http_methods(["GET", "POST"])
def preferences(request: SignedIn) -> HttpResponse:
    preference = services.preference_of(request.user)
    given = request.POST if request.method == "POST" else None
    form = PreferenceForm(given, preference=preference, staff=request.user.is_staff)
    try:
        if request.method == "POST" and form.is_valid() and _saved(form, request):
            messages.success(request, "Saved.")
            return redirect("notifications:preferences")
    except ChangedMeanwhile as changed:
        messages.error(request, str(changed))
        return redirect("notifications:preferences")
    context = {
        "tab": "preferences",
        "form": form,
        "zone": timezone.get_current_timezone_name(),
        "own": WebhookTarget.objects.filter(person=request.user),
    }
    return form_page(request, "notifications/preferences/preferences.html", context)


def _saved(form: PreferenceForm, request: SignedIn) -> bool:
    given = form.cleaned_data
    try:
        services.set_preference(
            person=request.user,
            unwanted=form.unwanted,
            by_mail=given["by_mail"],
            digest_at=given["digest_at"],
            quiet_from=given["quiet_from"],
            quiet_until=given["quiet_until"],
            seen=given["seen"],
        )
    except ChangedMeanwhile:
        raise
    except Refused as refused:
        form.add_error("quiet_until", str(refused))
        return False
    return True
