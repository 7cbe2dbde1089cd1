"""Tenant pages for staff: the list, worst first, and each tenant with its layers, resources and history."""

from dataclasses import dataclass
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.models.people import Customer, User
from accounts.people import selectors as people_selectors
from accounts.people.forms import CustomerChoice
from audit.selectors import changes_of
from inbound_admin.lib.errors import ChangedMeanwhile, Refused
from inbound_admin.lib.http import (
    SignedIn,
    form_page,
    list_as_file,
    page_of,
    report_outcome,
    requires_password,
    template,
)
from inbound_admin.lib.seen import SeenField, fingerprint
from tenants.deletion import services as deletion_services
from tenants.jobs import next_status_attempt
from tenants.lifecycle import selectors as lifecycle_selectors
from tenants.lifecycle import services as lifecycle_services
from tenants.lifecycle.selectors import WORST_FIRST
from tenants.models.tenants import LayerName, Tenant, TenantStage, TenantStatus
from tenants.pause import services as pause_services
from tenants.policy import services as policy_services
from tenants.policy.core import POLICIES, SUPPRESSIONS, open_findings
from tenants.resources.selectors import using_sets_of_others


def _default_policy() -> str:
    return str(settings.TENANT_POLICY)


_POLICIES = [(value, f"{words.title}: {words.meaning}") for value, words in POLICIES.items()]


_SUPPRESSIONS = [(value, f"{words.title}: {words.meaning}") for value, words in SUPPRESSIONS.items()]


class NewTenantForm(forms.Form):
    """Form for a customer without a tenant here. With the name of an existing SES tenant, that tenant is adopted."""

    customer = CustomerChoice(Customer.objects.none(), empty_label="Choose a customer")
    policy = forms.ChoiceField(
        label="Reputation policy", choices=_POLICIES, initial=_default_policy, widget=forms.RadioSelect
    )
    name = forms.CharField(
        label="Existing SES tenant",
        required=False,
        max_length=64,
        help_text="Name of a tenant to import from SES. Leave blank to create a new one.",
        widget=forms.TextInput(attrs={"class": "font-mono", "autocapitalize": "none", "autocomplete": "off"}),
    )

    def __init__(self, *args: Any, viewer: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        without = people_selectors.customers_for(viewer).exclude(
            pk__in=lifecycle_selectors.tenants_in_region().values("customer")
        )
        self.fields["customer"].queryset = without  # type: ignore[attr-defined]  # a ModelChoiceField, above


class PolicyForm(forms.Form):
    policy = forms.ChoiceField(choices=_POLICIES, widget=forms.RadioSelect)
    suppression = forms.ChoiceField(
        label="Suppression list", choices=_SUPPRESSIONS, required=False, widget=forms.RadioSelect
    )
    because = forms.CharField(label="Reason", max_length=2000, widget=forms.Textarea(attrs={"rows": 2}))
    seen = SeenField()

    def __init__(self, data: Any, *, shown: dict[str, str]) -> None:
        super().__init__(data, initial=shown | {"seen": fingerprint(shown)})


POLL_SECONDS = 2
MAIN_LAYERS = (LayerName.STAFF, LayerName.AMAZON)


@dataclass(frozen=True)
class TenantRow:
    """A tenant as a list shows it. An unknown rate is empty, which is not 0."""

    tenant: Tenant

    @property
    def bounces(self) -> str:
        return _percent(self.tenant.bounce_rate)

    @property
    def complaints(self) -> str:
        return _percent(self.tenant.complaint_rate)

    @property
    def risk(self) -> str:
        return f"{self.tenant.risk:,}"

    @property
    def findings_known(self) -> bool:
        """Whether recommendations were ever read. Before that, a count of 0 doesn't mean none."""
        read = getattr(self.tenant, "reputation_read", None)
        return read is not None and read.findings_at is not None

    @property
    def trouble(self) -> str:
        return self.tenant.stage_problem or self.tenant.status_problem or self.tenant.read_problem


def _percent(rate: float | None) -> str:
    return "" if rate is None else f"{rate:.2%}"


@require_GET
def list_(request: SignedIn) -> HttpResponse:
    require_staff(request)
    filters = lifecycle_selectors.TenantListFilters.read(request.GET)
    counts = lifecycle_selectors.counts(viewer=request.user, filters=filters)
    found = lifecycle_selectors.listed(viewer=request.user, filters=filters)
    page = page_of(found, request, total=filters.total_of(counts))
    account = lifecycle_selectors.account_here()
    context = {
        "page": page,
        "rows": [TenantRow(tenant) for tenant in page],
        "asked": filters,  # not `filters`, which the domain search in the top bar would show
        "sort": filters.sort if filters.sort in lifecycle_selectors.ORDERS else WORST_FIRST,
        "counts": counts,
        "total": bool(page.object_list) or lifecycle_selectors.tenants_for(request.user).exists(),
        "capacity": lifecycle_selectors.capacity(),
        "account": account,
        "account_stopped": account is not None and account.is_stopped,
        "may_manage": request.user.has_perm("tenants.manage_tenant"),
        "may_pause": request.user.has_perm("tenants.pause_tenant"),
    }
    return TemplateResponse(request, template(request, "tenants/lifecycle/list.html", "results"), context)


@require_GET
def export(request: SignedIn, kind: str) -> HttpResponseBase:
    """Return all tenants that match the list's filters, on all pages, as CSV or JSON."""
    require_staff(request)
    rows = lifecycle_selectors.export_rows(
        viewer=request.user, filters=lifecycle_selectors.TenantListFilters.read(request.GET)
    )
    return list_as_file(rows, name="tenants", kind=kind)


def require_staff(request: SignedIn) -> None:
    """Raise PermissionDenied unless the user may see every customer's tenants."""
    if not lifecycle_selectors.sees_tenants(request.user):
        raise PermissionDenied


def tenant_for(request: SignedIn, tenant_id: str) -> Tenant:
    """Return the tenant. Customers get 404: they see their tenant on their organisation's page."""
    return get_object_or_404(lifecycle_selectors.tenants_for_staff(request.user), pk=tenant_id)


def _managed(request: SignedIn, tenant_id: str) -> Tenant:
    tenant = tenant_for(request, tenant_id)
    if not request.user.has_perm("tenants.manage_tenant"):
        raise PermissionDenied
    return tenant


@require_GET
def detail(request: SignedIn, tenant_id: str) -> HttpResponse:
    tenant = tenant_for(request, tenant_id)
    layers = lifecycle_selectors.shown_layers(tenant)
    main = {layer.name: layer for layer in layers if layer.name in MAIN_LAYERS}
    others = [layer for layer in layers if layer.name not in MAIN_LAYERS]
    review_on = tenant.pause_review_on
    context = {
        "tenant": tenant,
        "tab": "overview",
        "row": TenantRow(tenant),
        "sentence": tenant.sentence,
        "main_layers": [main[name] for name in MAIN_LAYERS],
        "other_layers": others,
        "others_forbid": any(layer.allows is False for layer in others),
        "others_matter": any(layer.allows is not True for layer in others),
        "policy": POLICIES[tenant.policy],
        "suppression": SUPPRESSIONS[tenant.suppression],
        "review_is_due": review_on is not None and review_on <= timezone.localdate(),
        "next_attempt": next_status_attempt(tenant) if tenant.status_problem and tenant.is_under_way else None,
        "stopped_before": lifecycle_selectors.stopped_before(tenant),
        "receiving": tenant.receiving_words,
        "lost": [each.name for each in lifecycle_selectors.lost_of(tenant)],
        "default_sets_outside": lifecycle_selectors.default_sets_outside([tenant]),
        "sets_of_others": using_sets_of_others([tenant]),
        "poll_seconds": POLL_SECONDS if _is_changing(tenant) else None,
    }
    return TemplateResponse(request, template(request, "tenants/lifecycle/detail.html", "live"), context)


def _is_changing(tenant: Tenant) -> bool:
    changes = tenant.standing in (TenantStatus.PAUSING, TenantStatus.RESUMING)
    return tenant.stage != TenantStage.READY or changes


@require_GET
def resources(request: SignedIn, tenant_id: str) -> HttpResponse:
    tenant = tenant_for(request, tenant_id)
    context = {"tenant": tenant, "tab": "resources", "page": page_of(lifecycle_selectors.resources_of(tenant), request)}
    return TemplateResponse(request, "tenants/lifecycle/resources.html", context)


@require_GET
def history(request: SignedIn, tenant_id: str) -> HttpResponse:
    """Show changes made here, or with `?show=statuses` the status changes in SES."""
    tenant = tenant_for(request, tenant_id)
    context: dict[str, Any] = {"tenant": tenant, "tab": "history"}
    if request.GET.get("show") == "statuses":
        context["statuses"] = page_of(lifecycle_selectors.history_of(tenant), request)
    else:
        context["changes"] = page_of(changes_of("tenant", tenant.id, of_customers=None), request)
    return TemplateResponse(request, "tenants/lifecycle/history.html", context)


@require_http_methods(["GET", "POST"])
def create(request: SignedIn) -> HttpResponse:
    require_staff(request)
    if not request.user.has_perm("tenants.manage_tenant"):
        raise PermissionDenied
    chosen = {"customer": request.GET.get("customer", ""), "name": request.GET.get("name", "")}
    form = NewTenantForm(request.POST or None, viewer=request.user, initial=chosen)
    if request.method == "POST" and form.is_valid():
        try:
            tenant = _create(form.cleaned_data, request)
        except Refused as refused:
            form.add_error(None, str(refused))
        else:
            messages.success(request, f"Creating tenant {tenant.name} in SES.")
            return redirect("tenants:detail", tenant.id)
    return form_page(request, "tenants/lifecycle/create.html", {"form": form})


def _create(given: dict[str, Any], request: SignedIn) -> Tenant:
    if given["name"]:
        return lifecycle_services.adopt_tenant(customer=given["customer"], name=given["name"], actor=request.user)
    return lifecycle_services.create_tenant(customer=given["customer"], policy=given["policy"], actor=request.user)


@require_http_methods(["GET", "POST"])
def policy(request: SignedIn, tenant_id: str) -> HttpResponse:
    tenant = _managed(request, tenant_id)
    form = PolicyForm(request.POST or None, shown=policy_services.shown_values(tenant))
    if request.method == "POST" and form.is_valid():
        try:
            given = form.cleaned_data
            suppression = given["suppression"] or tenant.suppression
            policy_services.change(tenant=tenant, actor=request.user, **{**given, "suppression": suppression})
        except ChangedMeanwhile as changed:
            messages.error(request, str(changed))
            return redirect("tenants:policy", tenant.id)
        except Refused as refused:
            form.add_error(None, str(refused))
        else:
            messages.success(request, f"Applying policy {form.cleaned_data['policy']} in SES.")
            return redirect("tenants:detail", tenant.id)
    context = {
        "tenant": tenant,
        "form": form,
        "open_sentence": open_findings(tenant.open_high, tenant.open_low),
    }
    return form_page(request, "tenants/lifecycle/policy.html", context)


@require_http_methods(["GET", "POST"])
@requires_password
def delete(request: SignedIn, tenant_id: str) -> HttpResponse:
    tenant = _managed(request, tenant_id)
    context = {"tenant": tenant, "consequences": deletion_services.consequences(tenant), "error": ""}
    if request.method == "POST":
        typed = request.POST.get("name", "")
        try:
            deletion_services.delete_tenant(tenant=tenant, typed_name=typed, actor=request.user)
        except Refused as refused:
            context |= {"error": str(refused), "typed": typed}
        else:
            messages.success(request, f"Deleting {tenant.name}.")
            return redirect("tenants:list")
    return TemplateResponse(request, "tenants/lifecycle/delete.html", context, status=422 if context["error"] else 200)


# The review of a pause that continues, with or without a next review date.


class KeepForm(forms.Form):
    """Outcome of a pause's review."""

    because = forms.CharField(label="Reason", max_length=2000, widget=forms.Textarea(attrs={"rows": 2}))
    review_on = forms.DateField(
        label="Next review",
        required=False,
        widget=forms.DateInput(attrs={"type": "date", "class": "!w-44"}),
        help_text="Leave blank for no further reminder.",
    )
    seen = SeenField()


@require_POST
def try_now(request: SignedIn, tenant_id: str) -> HttpResponse:
    """Tell SES the requested status now. The page shows what it answers."""
    tenant = tenant_for(request, tenant_id)
    if not request.user.has_perm("tenants.pause_tenant"):
        raise PermissionDenied
    with report_outcome(request, "Trying now. This page shows what SES answers."):
        pause_services.retry_status(tenant=tenant, actor=request.user)
    return redirect("tenants:detail", tenant.pk)


@require_http_methods(["GET", "POST"])
def keep(request: SignedIn, tenant_id: str) -> HttpResponse:
    tenant = tenant_for(request, tenant_id)
    if not request.user.has_perm("tenants.pause_tenant"):
        raise PermissionDenied
    form = KeepForm(request.POST or None, initial={"seen": fingerprint(tenant.shown_pause)})
    if request.method == "POST" and form.is_valid():
        try:
            pause_services.keep_paused(tenant=tenant, actor=request.user, **form.cleaned_data)
        except ChangedMeanwhile as changed:
            messages.error(request, str(changed))
            return redirect("tenants:keep", tenant.id)
        except Refused as refused:
            form.add_error(None, str(refused))
        else:
            messages.success(request, f"{tenant.name} stays paused. Your reason is in its history.")
            return redirect("tenants:detail", tenant.id)
    review_on = tenant.pause_review_on
    is_due = review_on is not None and review_on <= timezone.localdate()
    context = {"tenant": tenant, "form": form, "review_is_due": is_due, "refused": pause_services.why_not_kept(tenant)}
    return form_page(request, "tenants/pause/keep.html", context)
