"""Alerts: open, acknowledged, resolved."""

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from accounts.people.selectors import customer_names, supports_everyone
from inbound_admin.lib.errors import ChangedMeanwhile, Refused
from inbound_admin.lib.http import SignedIn, form_page, page_of, template
from inbound_admin.lib.seen import SeenField, fingerprint
from notifications.alerts import services as alerts_services
from notifications.alerts.core import kinds_by_group, kinds_for
from notifications.alerts.selectors import (
    ACKNOWLEDGED,
    IN_STATE,
    OPEN,
    OVER,
    alerts_for,
    is_muted,
    own_alerts_for,
    page_of_object,
)
from notifications.email import services as email_services
from notifications.email.core import MOST_TRIES
from notifications.email.services import shown_preferences
from notifications.models.alerts import BY_MAIL, Alert, NotificationPreference
from notifications.models.webhooks import WebhookTarget

MUTES = (("1", "1 day"), ("7", "1 week"), ("30", "30 days"))


class MuteForm(forms.Form):
    days = forms.ChoiceField(label="Mute for", choices=MUTES)

    @property
    def until(self) -> Any:
        return timezone.now() + timedelta(days=int(self.cleaned_data["days"]))


SHOWS = (("", "Open"), ("acknowledged", "Acknowledged"), ("over", "Resolved"))


@require_GET
def inbox(request: SignedIn) -> HttpResponse:
    show = request.GET.get("show", "")
    customers = request.GET.get("whose") == "customers" and supports_everyone(request.user)
    found = alerts_for(request.user).exclude(customer_id="") if customers else own_alerts_for(request.user)
    page = page_of(_shown(found, show), request)
    context = {
        "tab": "inbox",
        "page": page,
        "show": show if show in dict(SHOWS) else "",
        "shows": SHOWS,
        "whose": "customers" if customers else "",
        "open_count": found.filter(IN_STATE[OPEN]).count(),
        "names": customer_names(alert.customer_id for alert in page if alert.customer_id) if customers else {},
        "now": timezone.now(),
    }
    return TemplateResponse(request, template(request, "notifications/alerts/inbox.html", "results"), context)


@require_http_methods(["GET", "POST"])
def alert(request: SignedIn, alert_id: str) -> HttpResponse:
    """Show an alert, its notices and actions."""
    found = get_object_or_404(alerts_for(request.user), pk=alert_id)
    if request.method == "POST":
        sentence = _do(request.POST.get("do", ""), found, request)
        if not request.htmx:
            messages.success(request, sentence)
            return redirect("notifications:alert", found.pk)
        found = get_object_or_404(alerts_for(request.user), pk=alert_id)
        return TemplateResponse(
            request, "notifications/alerts/alert.html#alert", {**_context(found, request), "said": sentence}
        )
    return TemplateResponse(request, "notifications/alerts/alert.html", _context(found, request))


def _context(found: Alert, request: SignedIn) -> dict[str, Any]:
    same = alerts_for(request.user).filter(kind=found.kind, object_type=found.object_type, object_id=found.object_id)
    notified = found.notices.filter(sent_at__isnull=False).select_related("person").order_by("sent_at")
    return {
        "alert": found,
        "object_page": page_of_object(found.object_type, found.object_id, staff=request.user.is_staff),
        "is_own": own_alerts_for(request.user).filter(pk=found.pk).exists(),
        "is_muted": is_muted(found, timezone.now()),
        "mute": MuteForm(),
        "told": notified[:50],
        "failing": found.notices.filter(sent_at=None, tries__gt=0).select_related("person").order_by("pk")[:50],
        "most_tries": MOST_TRIES,
        "earlier": same.exclude(pk=found.pk)[:20],
    }


def _do(what: str, found: Alert, request: SignedIn) -> str:
    if what == "acknowledge":
        alerts_services.acknowledge(alert=found, actor=request.user)
        return "Acknowledged. You'll be notified when it's resolved."
    if what == "mute":
        form = MuteForm(request.POST)
        if not form.is_valid():
            raise Refused("Choose how long to mute the alert.")
        alerts_services.mute(alert=found, until=form.until, actor=request.user)
        return f"Muted until {timezone.localtime(form.until):%-d %B %Y, %H:%M}."
    if what == "unmute":
        alerts_services.unmute(alert=found, actor=request.user)
        return "Unmuted."
    raise Refused("Choose whether to acknowledge or mute the alert.")


def _shown(found: QuerySet[Alert], show: str) -> QuerySet[Alert]:
    if show == "over":
        return found.filter(IN_STATE[OVER]).order_by("-recovered_at", "-id")
    return found.filter(IN_STATE[show if show == ACKNOWLEDGED else OPEN])


# Notification settings of a person.


_TIME = forms.TimeInput(attrs={"type": "time"}, format="%H:%M")


class GroupedCheckboxes(forms.CheckboxSelectMultiple):
    template_name = "notifications/preferences/grouped_checkboxes.html"


class PreferenceForm(forms.Form):
    by_mail = forms.ChoiceField(label="Email", choices=BY_MAIL, widget=forms.RadioSelect)
    digest_at = forms.TimeField(label="Daily digest at", widget=_TIME)
    quiet_from = forms.TimeField(label="Quiet hours from", required=False, widget=_TIME)
    quiet_until = forms.TimeField(label="Quiet hours until", required=False, widget=_TIME)
    wanted = forms.MultipleChoiceField(label="Notify me when", required=False, widget=GroupedCheckboxes)

    seen = SeenField()

    def __init__(self, *args: Any, preference: NotificationPreference, staff: bool, **kwargs: Any) -> None:
        self.kinds = kinds_for(staff=staff)
        wanted = [kind.name for kind in self.kinds if kind.name not in preference.unwanted]
        given = {name: getattr(preference, name) for name in ("by_mail", "digest_at", "quiet_from", "quiet_until")}
        kwargs["initial"] = given | {"wanted": wanted, "seen": fingerprint(shown_preferences(preference))}
        super().__init__(*args, **kwargs)
        field: Any = self.fields["wanted"]
        groups = kinds_by_group(staff=staff)
        field.choices = [(group, [(kind.name, kind.words) for kind in kinds]) for group, kinds in groups.items()]

    @property
    def unwanted(self) -> list[str]:
        return [kind.name for kind in self.kinds if kind.name not in self.cleaned_data["wanted"]]


@require_http_methods(["GET", "POST"])
def preferences(request: SignedIn) -> HttpResponse:
    preference = email_services.preference_of(request.user)
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
        email_services.set_preference(
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
