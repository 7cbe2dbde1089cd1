"""The staff page of a domain: hold, release, transfer, approve a claim, note, override, exceptions."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.views.decorators.http import require_http_methods

from accounts.people.forms import CustomerChoice
from accounts.people.selectors import supports_everyone
from domains.checking.core.judgement import State
from domains.models.domains import Domain
from domains.overrides import services
from domains.ownership_claims.services import approve_claim, shown_claim
from domains.records.core import EXPECTABLE
from domains.views import domain_for
from inbound_admin.lib.errors import ChangedMeanwhile, Refused
from inbound_admin.lib.fields import AS_TYPED, BecauseForm, UtcField
from inbound_admin.lib.http import SignedIn
from inbound_admin.lib.seen import SeenField, fingerprint


class SupportForm(BecauseForm):
    """Of one button, which acts on the domain as the page showed it."""

    seen = SeenField()


class ReleaseForm(SupportForm):
    """Releasing a hold needs no reason."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["because"].required = False


class HoldForm(SupportForm):
    until = UtcField(
        label="Until",
        required=False,
        help_text="In UTC. Leave blank to hold the domain until someone releases it.",
    )


class OverrideForm(SupportForm):
    """The status to show, for a limited time."""

    state = forms.ChoiceField(label="Status", choices=[(each.value, each.label) for each in State])
    until = UtcField(
        label="Until",
        help_text="The override ends automatically. In UTC, within 3 months.",
    )


class ExpectForm(SupportForm):
    key = forms.ChoiceField(label="Record", choices=list(EXPECTABLE.items()))
    host = forms.CharField(
        label="Expected host",
        max_length=253,
        required=False,
        help_text="For the inbound MX: the host that receives the mail. Leave blank if the record isn't required.",
        widget=forms.TextInput(AS_TYPED),
    )


class ExpectNoMoreForm(ReleaseForm):
    key = forms.ChoiceField(choices=list(EXPECTABLE.items()), widget=forms.HiddenInput)


class TransferForm(SupportForm):
    customer = CustomerChoice(label="New customer", empty_label="Choose a customer")


class NoteForm(forms.Form):
    note = forms.CharField(
        label="Note",
        max_length=10_000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text="Only staff see this.",
    )
    seen = SeenField()

    @classmethod
    def showing(cls, note: str) -> "NoteForm":
        shown = {"note": note}
        return cls(prefix="note", initial=shown | {"seen": fingerprint(shown)})


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
