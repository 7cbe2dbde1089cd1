"""Webhooks and their delivery log."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.models.people import User
from accounts.people.selectors import customer_names, memberships_of
from inbound_admin.lib import errors
from inbound_admin.lib.errors import ChangedMeanwhile, Refused
from inbound_admin.lib.http import SignedIn, page_of, template
from inbound_admin.lib.seen import SeenField, fingerprint
from notifications.events.core import EVENTS, events_for
from notifications.models.webhooks import FORMATS, DeliveryState, WebhookTarget, new_target_id
from notifications.webhooks import services
from notifications.webhooks.core import Format
from notifications.webhooks.selectors import deliveries_for, may_manage, targets_for
from notifications.webhooks.services import shown_values

STAFF, ME = "staff", "me"


class TargetForm(forms.Form):
    """The editable fields of a webhook. The events are those its owner can receive."""

    name = forms.CharField(max_length=120, help_text="A name to recognise it by.")
    url = forms.CharField(
        label="URL",
        max_length=2000,
        widget=forms.URLInput(
            {"placeholder": "https://example.com/hooks", "autocomplete": "off", "spellcheck": "false"}
        ),
        help_text="A public https:// URL. Redirects aren't followed.",
    )
    events = forms.MultipleChoiceField(
        label="Events",
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="Leave blank for all events, including future ones.",
    )

    def __init__(self, *args: Any, staff: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.events_field.choices = [(event, EVENTS[event]) for event in events_for(staff=staff)]

    @property
    def events_field(self) -> Any:
        return self.fields["events"]


class ChangeTargetForm(TargetForm):
    is_on = forms.BooleanField(label="Active", required=False, help_text="Turning it off cancels pending deliveries.")
    seen = SeenField()

    def __init__(self, *args: Any, target: WebhookTarget, **kwargs: Any) -> None:
        kwargs["initial"] = {
            "name": target.name,
            "url": target.shown_url,
            "events": target.events,
            "is_on": target.is_on,
            "seen": fingerprint(shown_values(target)),
        }
        super().__init__(*args, staff=target.is_of_staff, **kwargs)
        if target.person_id is not None:
            del self.fields["events"]  # a person's webhook gets the alerts that the person gets


class AddTargetForm(TargetForm):
    """The ID is chosen when the form is shown, so submitting it twice adds one webhook."""

    owner = forms.ChoiceField(label="Owner")
    form = forms.ChoiceField(label="Format", choices=FORMATS, widget=forms.RadioSelect, initial=Format.STANDARD)
    target_id = forms.RegexField(r"^whk_[0-9a-z]{20}$", initial=new_target_id, widget=forms.HiddenInput)
    field_order = ("owner", "name", "url", "form", "events", "target_id")

    def __init__(self, *args: Any, viewer: User, **kwargs: Any) -> None:
        owners = owners_for(viewer)
        super().__init__(*args, staff=any(owner == STAFF for owner, _ in owners), **kwargs)
        owner: Any = self.fields["owner"]
        owner.choices = owners

    @property
    def whose(self) -> dict[str, Any]:
        """Return the owner as keyword arguments of `add_target`."""
        owner = str(self.cleaned_data["owner"])
        return {"customer_id": "" if owner in (STAFF, ME) else owner, "own": owner == ME}


def owners_for(viewer: User) -> list[tuple[str, str]]:
    """Return the owners for whom the viewer can add a webhook."""
    owners = [(each.customer_id, each.customer.name) for each in memberships_of(viewer) if each.is_owner]
    if viewer.has_perm("notifications.manage_staff_webhooks"):
        owners.insert(0, (STAFF, "Staff: all events"))
    return [*owners, (ME, "You only: your own alerts")]


_FIELDS = {"WEBHOOK_NAME": "name", "WEBHOOK_URL": "url", "WEBHOOK_EVENTS": "events"}


@require_GET
def list_(request: SignedIn) -> HttpResponse:
    """List the viewer's own webhooks, their organisation's and, for staff, all."""
    page = page_of(targets_for(request.user).order_by("customer_id", "name", "id"), request)
    names = customer_names(target.customer_id for target in page if target.customer_id)
    rows = [(target, _owner(target, names)) for target in page]
    return TemplateResponse(
        request, "notifications/webhooks/webhooks.html", {"tab": "webhooks", "page": page, "rows": rows}
    )


def _owner(target: WebhookTarget, names: dict[str, str]) -> str:
    if target.person_id is not None:
        return "You only"
    return names.get(target.customer_id, target.customer_id) if target.customer_id else "Staff"


@never_cache
@require_http_methods(["GET", "POST"])
def add(request: SignedIn) -> HttpResponse:
    """Add a webhook and show its secret once."""
    asked = {"owner": request.GET.get("for", "")[:64]}
    form = AddTargetForm(request.POST if request.method == "POST" else None, viewer=request.user, initial=asked)
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        try:
            made = services.add_target(
                name=given["name"],
                url=given["url"],
                form=given["form"],
                events=given["events"],
                actor=request.user,
                target_id=given["target_id"],
                **form.whose,
            )
        except Refused as refused:
            form.add_error(_FIELDS.get(refused.code), str(refused))
        else:
            return _page(request, made.target, secret=made.secret, said=f"{made.target} added.")
    status = 422 if form.errors else 200
    return TemplateResponse(request, "notifications/webhooks/add_webhook.html", {"form": form}, status=status)


@require_http_methods(["GET", "POST"])
def detail(request: SignedIn, target_id: str) -> HttpResponse:
    target = _target(request, target_id)
    if request.method == "GET":
        return _page(request, target)
    form = ChangeTargetForm(request.POST, target=target)
    if form.is_valid():
        given = {"events": [], **form.cleaned_data}
        try:
            services.change_target(target=target, actor=request.user, **given)
        except errors.NotAllowed:
            raise
        except ChangedMeanwhile as changed:
            messages.error(request, str(changed))
            return _page(request, _target(request, target_id), status=changed.status)
        except Refused as refused:
            form.add_error(_FIELDS.get(refused.code), str(refused))
        else:
            messages.success(request, "Saved.")
            return redirect("notifications:webhook", target.pk)
    return _page(request, target, form=form)


@never_cache
@require_POST
def new_secret(request: SignedIn, target_id: str) -> HttpResponse:
    target = _target(request, target_id)
    try:
        secret = services.make_new_secret(target=target, actor=request.user, seen=request.POST.get("seen", ""))
    except ChangedMeanwhile as changed:  # or the page that shows the secret was reloaded
        messages.error(request, str(changed))
        return redirect("notifications:webhook", target.pk)
    target = _target(request, target_id)
    return _page(
        request, target, secret=secret, said="Secret rotated. Messages are signed with both secrets for a day."
    )


@require_POST
def test(request: SignedIn, target_id: str) -> HttpResponse:
    target = _target(request, target_id)
    delivery = services.send_test(target=target, actor=request.user)
    return redirect("notifications:delivery", delivery.pk)


@require_POST
def remove(request: SignedIn, target_id: str) -> HttpResponse:
    target = _target(request, target_id)
    services.remove_target(target=target, actor=request.user)
    messages.success(request, f"{target.name} removed.")
    return redirect("notifications:webhooks")


@require_http_methods(["GET", "POST"])
def delivery(request: SignedIn, delivery_id: str) -> HttpResponse:
    """Show a delivery with its attempts. A POST redelivers it."""
    found = get_object_or_404(deliveries_for(request.user), pk=delivery_id)
    if request.method == "POST":
        again = services.deliver_again(delivery=found, actor=request.user)
        messages.success(request, "Another delivery is queued.")
        return redirect("notifications:delivery", again.pk)
    context = {
        "delivery": found,
        "attempts": found.attempts.all()[:50],
        "manages": may_manage(request.user, found.target),
        "is_waiting": found.state == DeliveryState.WAITING,
    }
    return TemplateResponse(request, template(request, "notifications/webhooks/delivery.html", "delivery"), context)


def _target(request: SignedIn, target_id: str) -> WebhookTarget:
    return get_object_or_404(targets_for(request.user), pk=target_id)


def _page(
    request: SignedIn,
    target: WebhookTarget,
    *,
    form: ChangeTargetForm | None = None,
    secret: str = "",
    said: str = "",
    status: int = 200,
) -> HttpResponse:
    """Render a webhook. `form` has errors; `secret` is shown only this time."""
    context: dict[str, Any] = {
        "target": target,
        "manages": may_manage(request.user, target),
        "form": form or ChangeTargetForm(target=target),
        "secret_seen": fingerprint(services.shown_secret(target)),
        "secret": secret,
        "said": said,
        "page": page_of(deliveries_for(request.user).filter(target=target), request, 20),
    }
    return TemplateResponse(request, "notifications/webhooks/webhook.html", context, status=422 if form else status)
