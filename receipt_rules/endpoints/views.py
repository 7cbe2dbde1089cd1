"""Pages of endpoints, the destinations of mail.

Forms of an endpoint: where it delivers, and SES options for staff.
"""

from typing import Any

from allauth.core.internal.ratelimit import consume
from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from accounts.models.people import User
from accounts.people.forms import ForCustomer
from inbound_admin.lib.errors import ChangedMeanwhile, NotAllowed, RateLimited, Refused
from inbound_admin.lib.fields import AS_TYPED
from inbound_admin.lib.http import SignedIn, page_of, secret_page, template
from inbound_admin.lib.lists import text_in
from inbound_admin.lib.redaction import MASK
from inbound_admin.lib.seen import SeenField, fingerprint
from receipt_rules.addresses.selectors import (
    MAY_NOT_ROUTE,
    endpoints_for,
    endpoints_found,
    may_route,
    require_routing,
    used_by,
)
from receipt_rules.endpoints.services import (
    SesOptions,
    add_endpoint,
    change_endpoint,
    endpoint_log,
    make_signing_secret,
    remove_endpoint,
    send_test,
)
from receipt_rules.forwarding import services as forwarding_services
from receipt_rules.forwarding.selectors import (
    endpoint_kinds,
    forwarding_for_token,
    forwarding_rows,
    forwardings_of,
    is_never_forwarded,
)
from receipt_rules.forwarding.services import resend_confirmations
from receipt_rules.models.endpoints import Endpoint, EndpointType, Forwarding
from receipt_rules.received_mail.selectors import endpoint_health, failing_endpoints, kept_for_mail

_DEFAULT_OR = (("", "Default"), ("yes", "Yes"), ("no", "No"))
_CHOSEN = {"": None, "yes": True, "no": False}
_SAID = {None: "", True: "yes", False: "no"}


_KEPT = f"Stored values are shown as {MASK}. Leave {MASK} to keep a value. Changing the URL's host removes them."


class EndpointForm(ForCustomer):
    """Name, type and the settings of the type; fields of other types are ignored."""

    name = forms.CharField(label="Name", max_length=120, help_text="Shown in lists, for example “Support desk”.")
    type = forms.ChoiceField(
        label="Type", choices=EndpointType.choices, widget=forms.RadioSelect, initial=EndpointType.WEBHOOK
    )
    url = forms.CharField(
        label="Webhook URL",
        max_length=2000,
        required=False,
        widget=forms.URLInput(attrs={**AS_TYPED, "placeholder": "https://example.com/mail"}),
    )
    headers = forms.CharField(
        label="Headers",
        max_length=25_000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3, **AS_TYPED, "placeholder": "X-Api-Key: …"}),
        help_text="Sent with each message. One per line, such as “X-Api-Key: …”.",
    )
    verification_token = forms.CharField(
        label="Verification token",
        max_length=1000,
        required=False,
        widget=forms.TextInput(AS_TYPED),
        help_text="Sent with each message, so your program knows that it comes from us.",
    )
    payload = forms.ChoiceField(
        label="Format",
        choices=(("inbound", "Legacy (one call per recipient)"), ("standard", "Standard Webhooks")),
        required=False,
    )
    address = forms.CharField(label="Email address", max_length=320, required=False, widget=forms.TextInput(AS_TYPED))
    addresses = forms.CharField(
        label="Email addresses",
        max_length=20_000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 4, **AS_TYPED}),
        help_text="One per line, up to 50.",
    )
    is_active = forms.BooleanField(
        label="Deliver mail", required=False, initial=True, help_text="When off, mail is stored but not delivered."
    )
    seen = SeenField()

    def __init__(self, *args: Any, viewer: User, endpoint: Endpoint | None = None, **kwargs: Any) -> None:
        super().__init__(*args, viewer=viewer, customer=endpoint.customer if endpoint else None, **kwargs)
        if endpoint is None:
            del self.fields["is_active"], self.fields["seen"]
            self._limit_type()
        else:
            del self.fields["type"]
            self.initial.update(initial_values(endpoint))
            for name in ("headers", "verification_token"):  # a new endpoint has no stored values
                self.fields[name].help_text = f"{self.fields[name].help_text} {_KEPT}"

    def _limit_type(self) -> None:
        """Offer only the types that are available here; the service's message refuses others."""
        kinds, field = endpoint_kinds(), self.fields["type"]
        field.choices = [choice for choice in EndpointType.choices if choice[0] in kinds.types]  # type: ignore[attr-defined]  # as above
        if kinds.limits:
            field.error_messages["invalid_choice"] = kinds.limits
            field.help_text = kinds.limits

    def clean_headers(self) -> dict[str, str]:
        """Return the headers; a repeated name is refused, because one of the values would be lost."""
        lines = [line.strip() for line in str(self.cleaned_data["headers"]).splitlines() if line.strip()]
        pairs = [(name.strip(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
        if not all(name and value for name, value in pairs):
            raise forms.ValidationError("Enter each header as “Name: value”.")
        if len({name.lower() for name, _ in pairs}) < len(pairs):
            raise forms.ValidationError("A header appears twice.")
        return dict(pairs)

    @property
    def config(self) -> dict[str, Any]:
        """Return the settings; a field that the page didn't send isn't in it."""
        webhooks = [name for name in ("headers", "verification_token", "payload") if name in self.data]
        return {name: self.cleaned_data[name] for name in ("url", "address", "addresses", *webhooks)}


def initial_values(endpoint: Endpoint) -> dict[str, Any]:
    """Return an endpoint's values for its form."""
    config = endpoint.shown_config
    lines = {
        "addresses": "\n".join(config.get("addresses", ())),
        "headers": "\n".join(f"{name}: {value}" for name, value in config.get("headers", {}).items()),
    }
    seen = fingerprint(endpoint_log(endpoint))
    return {"name": endpoint.name, "is_active": endpoint.is_active, "seen": seen, **config, **lines}


class SesForm(forms.Form):
    """SES options of the endpoint that differ from the deployment's defaults."""

    s3_bucket = forms.CharField(label="Bucket", max_length=63, required=False, widget=forms.TextInput(AS_TYPED))
    s3_prefix = forms.CharField(label="Prefix", max_length=200, required=False, widget=forms.TextInput(AS_TYPED))
    lambda_arn = forms.CharField(
        label="Function (ARN)", max_length=300, required=False, widget=forms.TextInput(AS_TYPED)
    )
    sns_topic = forms.CharField(label="Topic (ARN)", max_length=300, required=False, widget=forms.TextInput(AS_TYPED))
    tls_required = forms.ChoiceField(label="Require TLS", choices=_DEFAULT_OR, required=False)
    scan = forms.ChoiceField(label="Spam and virus scanning", choices=_DEFAULT_OR, required=False)
    seen = SeenField()

    def __init__(self, data: Any = None, *, prefix: str, endpoint: Endpoint) -> None:
        initial = {name: getattr(endpoint, name) for name in self.base_fields if name != "seen"}
        initial["seen"] = fingerprint(endpoint_log(endpoint))
        initial |= {name: _SAID[getattr(endpoint, name)] for name in ("tls_required", "scan")}
        super().__init__(data, prefix=prefix, initial=initial)

    @property
    def ses(self) -> SesOptions:
        chosen = {name: _CHOSEN[self.cleaned_data[name]] for name in ("tls_required", "scan")}
        given = {name: value for name, value in self.cleaned_data.items() if name != "seen"}
        return SesOptions(**given | chosen)


@require_GET
def list_(request: SignedIn) -> HttpResponse:
    text = text_in(request.GET, "q")
    found = page_of(endpoints_found(viewer=request.user, text=text), request)
    known = forwardings_of(found.object_list)
    waiting = {endpoint.pk for endpoint in found.object_list if known.blocks(endpoint)}
    context = {"page": found, "q": text, "tab": "endpoints", "waiting": waiting}
    context["failing"] = failing_endpoints([endpoint.pk for endpoint in found.object_list], now=timezone.now())
    context |= {"kinds": endpoint_kinds(), "may_route": may_route(request.user)}
    return TemplateResponse(request, template(request, "receipt_rules/endpoints/endpoints.html", "results"), context)


@require_http_methods(["GET", "POST"])
def add(request: SignedIn) -> HttpResponse:
    if not may_route(request.user):
        raise NotAllowed(MAY_NOT_ROUTE)
    form = EndpointForm(request.POST if request.method == "POST" else None, viewer=request.user)
    if request.method == "POST" and form.is_valid():
        try:
            made = _add(form, request)
        except NotAllowed:
            raise
        except Refused as refused:
            form.add_error(_field_of(refused, str(form.cleaned_data["type"])), str(refused))
        else:
            messages.success(request, f"Added {made}. Choose it for an address or catch-all.")
            return redirect("receipt_rules:endpoints")
    context = {"form": form}
    return TemplateResponse(request, "receipt_rules/endpoints/add_endpoint.html", context, status=_status(form))


def _add(form: EndpointForm, request: SignedIn) -> Endpoint:
    return add_endpoint(
        customer=form.chosen_customer,
        name=form.cleaned_data["name"],
        type=form.cleaned_data["type"],
        config=form.config,
        actor=request.user,
    )


@never_cache
@require_http_methods(["POST"])
def signing_secret(request: SignedIn, endpoint_id: str) -> HttpResponse:
    """Show the new secret. It is shown only this once."""
    endpoint = get_object_or_404(endpoints_for(request.user), pk=endpoint_id)
    try:
        secret = make_signing_secret(endpoint=endpoint, actor=request.user, seen=request.POST.get("seen", ""))
    except ChangedMeanwhile as changed:  # or the page that shows the secret was reloaded
        messages.error(request, str(changed))
        return redirect("receipt_rules:endpoint", endpoint.pk)
    context = {"endpoint": endpoint, "secret": secret}
    return TemplateResponse(request, "receipt_rules/endpoints/signing_secret.html", context)


@require_http_methods(["GET", "POST"])
def detail(request: SignedIn, endpoint_id: str) -> HttpResponse:
    """Edit an endpoint; operators can change its SES options. It can be removed while nothing uses it."""
    endpoint = get_object_or_404(endpoints_for(request.user), pk=endpoint_id)
    done = request.POST.get("do", "")
    form, ses = _forms(endpoint, request, done)
    if request.method == "POST" and done == "test":
        _test(endpoint, request)
        return redirect("receipt_rules:endpoint", endpoint.pk)
    if request.method == "POST" and done != "ask":
        require_routing(request.user, endpoint.customer_id)
    status = 200
    try:
        if request.method == "POST" and _handle_action(done, endpoint, form, ses, request):
            return redirect("receipt_rules:endpoints")
    except ChangedMeanwhile as changed:
        messages.error(request, str(changed))
        endpoint.refresh_from_db()
        (form, ses), status = _forms(endpoint, request, ""), changed.status
    status = 422 if form.errors or ses.errors else status
    context = {"endpoint": endpoint, "form": form, "ses": ses, "used": used_by(endpoint, 11)}
    context["kept_for_mail"] = kept_for_mail(endpoint)
    context["may_route"] = may_route(request.user, endpoint.customer_id)
    context |= _confirmations(endpoint) | {"kept_only": is_never_forwarded(endpoint)}
    context["health"] = endpoint_health(endpoint.pk, now=timezone.now())
    return TemplateResponse(request, "receipt_rules/endpoints/endpoint.html", context, status=status)


def _forms(endpoint: Endpoint, request: SignedIn, done: str) -> tuple[EndpointForm, SesForm]:
    """Return both forms. That of the action `done` has what was sent, the other one the stored values."""
    form = EndpointForm(request.POST if done == "save" else None, viewer=request.user, endpoint=endpoint)
    return form, SesForm(request.POST if done == "ses" else None, prefix="ses", endpoint=endpoint)


def _test(endpoint: Endpoint, request: SignedIn) -> None:
    """Send a test event and show the endpoint's response."""
    try:
        tried = send_test(endpoint=endpoint, actor=request.user)
    except Refused as refused:
        messages.error(request, str(refused))
        return
    message = f"{tried.sentence} It took {tried.milliseconds:,} ms."
    messages.success(request, message) if tried.is_good else messages.error(
        request, f"{message} {tried.excerpt}".strip()
    )


def _confirmations(endpoint: Endpoint) -> dict[str, Any]:
    """Return each recipient who hasn't confirmed, with the state of our email to them."""
    known, rows = forwardings_of([endpoint]), {row.address: row for row in forwarding_rows(endpoint)}
    waiting = [(address, rows.get(address.lower())) for address in known.waiting(endpoint)]
    return {"waiting": waiting, "is_blocked": known.blocks(endpoint)}


def _handle_action(done: str, endpoint: Endpoint, form: EndpointForm, ses: SesForm, request: SignedIn) -> bool:
    try:
        message = _perform(done, endpoint, form, ses, request)
    except ChangedMeanwhile:
        raise
    except Refused as refused:
        if done in ("remove", "ask"):
            messages.error(request, str(refused))
            return True
        shown = ses if done == "ses" else form
        shown.add_error(None if done == "ses" else _field_of(refused, endpoint.type), str(refused))
        return False
    if message:
        messages.success(request, message)
    return bool(message)


def _perform(done: str, endpoint: Endpoint, form: EndpointForm, ses: SesForm, request: SignedIn) -> str:
    if done == "remove":
        remove_endpoint(endpoint=endpoint, actor=request.user)
        return f"Removed {endpoint}."
    if done == "ask":
        resend_confirmations(endpoint=endpoint, actor=request.user)
        return "Sending the confirmation link."
    if done == "ses" and ses.is_valid():
        change_endpoint(endpoint=endpoint, actor=request.user, ses=ses.ses, seen=ses.cleaned_data["seen"])
        return f"Saved {endpoint}. If rules change, the plan shows it."
    if done == "save" and form.is_valid():
        changed = change_endpoint(
            endpoint=endpoint,
            actor=request.user,
            name=form.cleaned_data["name"],
            config=form.config,
            is_active=form.cleaned_data["is_active"],
            seen=form.cleaned_data["seen"],
        )
        if changed.dropped:
            messages.warning(request, changed.warning)
        return f"Saved {endpoint}."
    return ""


_FIELDS = {"webhook": "url", "email": "address", "email_group": "addresses"}


def _field_of(refused: Refused, kind: str) -> str | None:
    return {"ENDPOINT_NAME": "name", "ENDPOINT_NAME_TAKEN": "name", "ENDPOINT_CONFIG": _FIELDS[kind]}.get(refused.code)


def _status(form: EndpointForm) -> int:
    return 422 if form.errors else 200


# The page behind the link in our email: the recipient allows or declines forwarding.


RATES = {"answer_forwarding": "30/m/ip"}
PAGE = "receipt_rules/forwarding/forwarding.html"


@login_not_required
@secret_page
@require_http_methods(["GET", "HEAD", "POST"])
def answer(request: HttpRequest, token: str) -> HttpResponse:
    """Opening the link stores no answer: mail scanners open links too."""
    try:
        row = _row(request, token)
        if request.method == "POST":
            confirms = request.POST.get("do") == "confirm"
            row = forwarding_services.record_answer(row=row, confirms=confirms, now=timezone.now())
    except Refused as refused:
        return _refused(request, refused)
    context = {"row": row, "who": forwarding_services.safe_display_name(row.customer.name)}
    return TemplateResponse(request, PAGE, context)


def _row(request: HttpRequest, token: str) -> Forwarding:
    if not consume(request, app="receipt_rules", action="answer_forwarding", config=RATES, limit_get=True):
        raise RateLimited("Too many attempts. Try again in a minute.", retry_after=60)
    row = forwarding_for_token(token)
    if row is None:
        refused = Refused("This link isn't valid. Open the link in the email again.", code="LINK_GONE")
        refused.status = 404
        raise refused
    return row


def _refused(request: HttpRequest, refused: Refused) -> HttpResponse:
    response = TemplateResponse(request, PAGE, {"refused": refused}, status=refused.status)
    if isinstance(refused, RateLimited):
        response.headers["Retry-After"] = str(refused.retry_after)
    return response
