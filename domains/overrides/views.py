"""The staff page of a domain: hold, release, transfer, approve a claim, note, override, exceptions."""

from collections.abc import Callable
from dataclasses import dataclass

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
    SupportForm,
    TransferForm,
)
from domains.ownership_claims.services import approve_claim, shown_claim
from domains.records.views import domain_for
from inbound_admin.lib.errors import ChangedMeanwhile, Refused
from inbound_admin.lib.http import SignedIn
from inbound_admin.lib.seen import fingerprint


@dataclass(frozen=True)
class SupportAction:
    """`act` takes `domain`, `actor` and the fields of the form, and `done` is the message with the same names."""

    permission: str
    form: type[forms.Form]
    act: Callable[..., None]
    done: str


HOLD, OVERRIDE, EXPECT = "domains.hold_domain", "domains.override_state", "domains.expect_record"
ACTIONS = {
    "hold": SupportAction(
        HOLD, HoldForm, services.hold, "{domain} is on hold. Checks are paused until you release it."
    ),
    "release": SupportAction(
        HOLD, ReleaseForm, services.release, "{domain} is released from hold and will be checked now."
    ),
    "transfer": SupportAction(
        "domains.transfer_domain",
        TransferForm,
        lambda customer, **given: services.transfer(to=customer, **given),
        "{domain} now belongs to {customer}. The owners of both customers are notified by email.",
    ),
    "approve": SupportAction(
        "domains.approve_claim", SupportForm, approve_claim, "Claim approved. {domain} is being set up."
    ),
    "override": SupportAction(
        OVERRIDE,
        OverrideForm,
        services.override_state,
        "Status of {domain} overridden. The check result is shown beside it.",
    ),
    "end_override": SupportAction(
        OVERRIDE, ReleaseForm, services.end_override, "Override ended. {domain} shows the check result again."
    ),
    "expect": SupportAction(
        EXPECT,
        ExpectForm,
        lambda host, **given: services.expect_record(value=host, **given),
        "Exception saved. The record will be checked again.",
    ),
    "expect_no_more": SupportAction(
        EXPECT, ExpectNoMoreForm, services.stop_expecting, "Exception removed. The record will be checked again."
    ),
    "note": SupportAction("accounts.support_customer", NoteForm, services.write_note, "Note saved."),
}


@require_http_methods(["GET", "POST"])
def support(request: SignedIn, domain_id: str) -> HttpResponse:
    domain = domain_for(request, domain_id)
    if not supports_everyone(request.user):
        raise PermissionDenied
    shown = {name: action.form(prefix=name, initial=_seen(domain, name)) for name, action in ACTIONS.items()}
    shown["note"] = NoteForm.showing(domain.note)
    done, status = request.POST.get("do", ""), 200
    if request.method == "POST" and done in ACTIONS:
        action = ACTIONS[done]
        if not request.user.has_perm(action.permission):
            raise PermissionDenied
        shown[done] = form = action.form(request.POST, prefix=done)
        if _try_action(action, domain, form, request):
            return redirect("domains:support", domain.id)
        status = 422
    can = {name: request.user.has_perm(action.permission) for name, action in ACTIONS.items()}
    context = {"domain": domain, "forms": shown, "tab": "support", "can": can}
    context["handover"] = services.handover_sentence(domain)
    return TemplateResponse(request, "domains/overrides/support.html", context, status=status)


def _seen(domain: Domain, name: str) -> dict[str, str]:
    if name == "note":
        return {}
    values = shown_claim(domain) if name == "approve" else services.shown_values(domain, name)
    return {"seen": fingerprint(values)}


def _try_action(action: SupportAction, domain: Domain, form: forms.Form, request: SignedIn) -> bool:
    if not form.is_valid():
        return False
    try:
        action.act(domain=domain, actor=request.user, **form.cleaned_data)
    except ChangedMeanwhile as changed:
        messages.error(request, str(changed))
        return True  # the page shows the current values
    except Refused as refused:
        form.add_error(None, str(refused))
        return False
    messages.success(request, action.done.format(domain=domain, **form.cleaned_data))
    return True
