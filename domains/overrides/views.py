"""The staff page of a domain: hold, release, transfer, approve a claim, note, override, exceptions."""

from collections.abc import Callable

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.views.decorators.http import require_http_methods

from accounts.people.selectors import supports_everyone
from domains.models.domains import Domain
from domains.overrides import services
from domains.overrides.forms import (
    ExpectForm,
    ExpectNoMoreForm,
    HoldForm,
    NoteForm,
    OverrideForm,
    ReleaseForm,
    TransferForm,
)
from domains.ownership_claims import services as ownership_claims_services
from domains.records.views import domain_for
from inbound_admin.lib.errors import ChangedMeanwhile, Refused
from inbound_admin.lib.fields import BecauseForm
from inbound_admin.lib.http import SignedIn


@require_http_methods(["GET", "POST"])
def support(request: SignedIn, domain_id: str) -> HttpResponse:
    """Show and run the actions that only staff have."""
    domain = domain_for(request, domain_id)
    if not supports_everyone(request.user):
        raise PermissionDenied
    shown = {name: form(prefix=name) for name, form in SUPPORT_FORMS.items()}
    shown["note"] = NoteForm.showing(domain.note)
    done = request.POST.get("do", "")
    status = 200
    if request.method == "POST" and done in SUPPORT:
        permission, act = SUPPORT[done]
        if not request.user.has_perm(permission):
            raise PermissionDenied
        shown[done] = form = SUPPORT_FORMS[done](request.POST, prefix=done)
        if _try_action(act, domain, form, request):
            return redirect("domains:support", domain.id)
        status = 422
    context = {"domain": domain, "forms": shown, "tab": "support", "can": _allowed(request)}
    context["handover"] = services.handover_sentence(domain)
    return TemplateResponse(request, "domains/overrides/support.html", context, status=status)


Act = Callable[[Domain, dict[str, object], SignedIn], str]


def _try_action(act: Act, domain: Domain, form: forms.Form, request: SignedIn) -> bool:
    if not form.is_valid():
        return False
    try:
        sentence = act(domain, form.cleaned_data, request)
    except ChangedMeanwhile as changed:
        messages.error(request, str(changed))
        return True  # the page shows the current values
    except Refused as refused:
        form.add_error(None, str(refused))
        return False
    messages.success(request, sentence)
    return True


def _hold(domain: Domain, data: dict[str, object], request: SignedIn) -> str:
    services.hold(domain=domain, because=str(data["because"]), until=data["until"], actor=request.user)  # type: ignore[arg-type]  # a cleaned DateTimeField
    return f"{domain} is on hold. Checks are paused until you release it."


def _release(domain: Domain, data: dict[str, object], request: SignedIn) -> str:
    services.release(domain=domain, because=str(data["because"]), actor=request.user)
    return f"{domain} is released from hold and will be checked now."


def _transfer(domain: Domain, data: dict[str, object], request: SignedIn) -> str:
    services.transfer(domain=domain, to=data["customer"], because=str(data["because"]), actor=request.user)  # type: ignore[arg-type]  # a cleaned ModelChoiceField
    return f"{domain} now belongs to {data['customer']}. The owners of both customers are notified by email."


def _approve(domain: Domain, data: dict[str, object], request: SignedIn) -> str:
    ownership_claims_services.approve_claim(domain=domain, because=str(data["because"]), actor=request.user)
    return f"Claim approved. {domain} is being set up."


def _note(domain: Domain, data: dict[str, object], request: SignedIn) -> str:
    services.write_note(domain=domain, note=str(data["note"]), actor=request.user, seen=str(data["seen"]))
    return "Note saved."


def _override(domain: Domain, data: dict[str, object], request: SignedIn) -> str:
    services.override_state(
        domain=domain,
        state=str(data["state"]),
        because=str(data["because"]),
        until=data["until"],  # type: ignore[arg-type]  # a cleaned DateTimeField
        actor=request.user,
    )
    return f"Status of {domain} overridden. The check result is shown beside it."


def _end_override(domain: Domain, data: dict[str, object], request: SignedIn) -> str:
    services.end_override(domain=domain, because=str(data["because"]), actor=request.user)
    return f"Override ended. {domain} shows the check result again."


def _expect(domain: Domain, data: dict[str, object], request: SignedIn) -> str:
    services.expect_record(
        domain=domain,
        key=str(data["key"]),
        value=str(data["host"]),
        because=str(data["because"]),
        actor=request.user,
    )
    return "Exception saved. The record will be checked again."


def _expect_no_more(domain: Domain, data: dict[str, object], request: SignedIn) -> str:
    services.stop_expecting(domain=domain, key=str(data["key"]), because=str(data["because"]), actor=request.user)
    return "Exception removed. The record will be checked again."


SUPPORT: dict[str, tuple[str, Act]] = {
    "hold": ("domains.hold_domain", _hold),
    "release": ("domains.hold_domain", _release),
    "transfer": ("domains.transfer_domain", _transfer),
    "approve": ("domains.approve_claim", _approve),
    "override": ("domains.override_state", _override),
    "end_override": ("domains.override_state", _end_override),
    "expect": ("domains.expect_record", _expect),
    "expect_no_more": ("domains.expect_record", _expect_no_more),
    "note": ("accounts.support_customer", _note),
}
SUPPORT_FORMS: dict[str, type[forms.Form]] = {
    "hold": HoldForm,
    "release": ReleaseForm,
    "transfer": TransferForm,
    "approve": BecauseForm,
    "override": OverrideForm,
    "end_override": ReleaseForm,
    "expect": ExpectForm,
    "expect_no_more": ExpectNoMoreForm,
    "note": NoteForm,
}


def _allowed(request: SignedIn) -> dict[str, bool]:
    return {name: request.user.has_perm(permission) for name, (permission, _) in SUPPORT.items()}
