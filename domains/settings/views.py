"""Pages of a domain's settings, and of what its sending depends on: the tenant and its status."""

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from domains.models.domains import Domain
from domains.sending_status.selectors import sending_in
from domains.settings import services
from domains.settings.services import DesiredSettings, shown_keys, shown_values
from domains.views import domain_for
from inbound_admin.lib.errors import ChangedMeanwhile, Refused
from inbound_admin.lib.fields import AddressField, BecauseForm
from inbound_admin.lib.http import SignedIn
from inbound_admin.lib.seen import SeenField, fingerprint
from tenants.lifecycle.selectors import banner_for, identity_in, sees_tenants, sending_words, tenant_of
from tenants.models.tenants import Tenant, TenantResource
from tenants.policy.core import SUPPRESSED_FOR_CUSTOMER

_SPECIAL = frozenset('!"#%,;?\\ ')  # in a record, "!" begins a size limit, "," the next address, ";" the next tag


class KeysForm(BecauseForm):
    """Rotates the keys that the page was opened with, and no later ones."""

    seen = SeenField()

    def __init__(self, data: Any = None, *, domain: Domain) -> None:
        super().__init__(data, prefix="keys", initial={"seen": fingerprint(shown_keys(domain))})


class SettingsForm(forms.Form):
    mail_from_label = forms.CharField(
        label="MAIL FROM domain",
        max_length=253,
        required=False,
        help_text="A subdomain with no other records. Leave blank to use the Amazon SES default. "
        "If you change it, you must publish two new records.",
    )
    on_mx_failure = forms.ChoiceField(
        label="If the MAIL FROM domain isn't ready",
        choices=Domain.OnMxFailure.choices,
        widget=forms.RadioSelect,
        help_text="What Amazon SES does with your outgoing mail until then.",
    )
    dkim_signing = forms.BooleanField(label="Sign outgoing mail (DKIM)", required=False)
    wants_dmarc = forms.BooleanField(label="Recommend a DMARC record", required=False)
    dmarc_reports_to = AddressField(
        label="DMARC report address",
        required=False,
        help_text="Aggregate DMARC reports are sent here. Leave blank for none.",
    )
    wants_apex_spf = forms.BooleanField(label="Recommend an SPF record at the domain", required=False)
    seen = SeenField()

    def __init__(self, data: Any = None, *, domain: Domain) -> None:
        shown = shown_values(domain)
        super().__init__(data, initial=shown | {"seen": fingerprint(shown)})

    def clean_mail_from_label(self) -> str:
        return str(self.cleaned_data["mail_from_label"]).strip()

    def clean_dmarc_reports_to(self) -> str:
        address = str(self.cleaned_data["dmarc_reports_to"])
        if special := set(address.rpartition("@")[0]) & _SPECIAL:
            shown = " ".join(sorted(special))
            raise forms.ValidationError(f"A DMARC record can't name an address with {shown}. Use another address.")
        return address

    @property
    def desired(self) -> DesiredSettings:
        given = {name: value for name, value in self.cleaned_data.items() if name != "seen"}
        return DesiredSettings(**given | {"on_mx_failure": Domain.OnMxFailure(given["on_mx_failure"])})


PAGE = "domains/settings/settings.html"


@require_http_methods(["GET", "POST"])
def settings(request: SignedIn, domain_id: str) -> HttpResponse:
    domain = domain_for(request, domain_id)
    form, status = SettingsForm(request.POST or None, domain=domain), 200
    if request.method == "POST" and form.is_valid():
        try:
            services.configure(domain=domain, desired=form.desired, actor=request.user, seen=form.cleaned_data["seen"])
        except ChangedMeanwhile as changed:
            messages.error(request, str(changed))
            form, status = SettingsForm(domain=domain_for(request, domain_id)), changed.status
        except Refused as refused:
            form.add_error(None, str(refused))
        else:
            messages.success(request, _saved(form))
            return redirect("domains:settings", domain.id)
    context = {"domain": domain, "form": form, "keys_form": KeysForm(domain=domain), "tab": "settings"}
    status = 422 if form.errors else status
    return TemplateResponse(request, PAGE, context, status=status)


@require_POST
def new_keys(request: SignedIn, domain_id: str) -> HttpResponse:
    domain = domain_for(request, domain_id)
    form = KeysForm(request.POST, domain=domain)
    if not form.is_valid():
        context = {"domain": domain, "form": SettingsForm(domain=domain), "keys_form": form, "tab": "settings"}
        return TemplateResponse(request, PAGE, context, status=422)
    try:
        services.rotate_dkim(domain=domain, actor=request.user, **form.cleaned_data)
    except ChangedMeanwhile as changed:
        messages.error(request, str(changed))
        return redirect("domains:settings", domain.id)
    messages.success(request, "Rotating the DKIM keys. The new records will appear here in a few seconds.")
    return redirect("domains:detail", domain.id)


@require_POST
def start_again(request: SignedIn, domain_id: str) -> HttpResponse:
    domain = domain_for(request, domain_id)
    services.restart_verification(domain=domain, actor=request.user)
    messages.success(request, "Restarting verification.")
    return redirect("domains:detail", domain.id)


def _saved(form: SettingsForm) -> str:
    if "mail_from_label" in form.changed_data and form.cleaned_data["mail_from_label"]:
        return (
            "Settings saved. Publish the two new MAIL FROM records, which will appear under Records in a few seconds."
        )
    return "Settings saved. Changes reach Amazon SES within a few seconds."


@require_GET
def sending(request: SignedIn, domain_id: str) -> HttpResponse:
    """Customers see what they must do; staff also see why something is delayed, and the tenant."""
    domain = domain_for(request, domain_id)
    tenant = tenant_of(domain.customer)
    context = {"domain": domain, "tab": "sending", "tenant": tenant, "sees_tenants": sees_tenants(request.user)}
    context["sending"] = sending_in(domain, tenant)
    if tenant:
        association = context["association"] = identity_in(tenant, domain.name)
        context["sentence"] = sending_words(tenant)
        context["used_since"] = _used_since(tenant, association)
        context["suppressed"] = SUPPRESSED_FOR_CUSTOMER.get(tenant.suppression_told, "")
        context["banner"] = banner_for(tenant) if context["sees_tenants"] else None  # members see it on every page
    return TemplateResponse(request, "domains/settings/sending.html", context)


def _used_since(tenant: Tenant, association: TenantResource | None) -> datetime | None:
    """Return when sends of this domain began to name the tenant, not before the association."""
    if not tenant.sends_since or association is None or not association.associated_at or association.problem:
        return None
    return max(tenant.sends_since, association.associated_at)
