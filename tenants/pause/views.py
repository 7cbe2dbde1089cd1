"""The review of a pause that continues, with or without a next review date."""

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from inbound_admin.lib.errors import ChangedMeanwhile, Refused
from inbound_admin.lib.http import SignedIn, form_page, report_outcome
from inbound_admin.lib.seen import SeenField, fingerprint
from tenants.lifecycle.views import tenant_for
from tenants.pause import services


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
        services.retry_status(tenant=tenant, actor=request.user)
    return redirect("tenants:detail", tenant.pk)


@require_http_methods(["GET", "POST"])
def keep(request: SignedIn, tenant_id: str) -> HttpResponse:
    tenant = tenant_for(request, tenant_id)
    if not request.user.has_perm("tenants.pause_tenant"):
        raise PermissionDenied
    form = KeepForm(request.POST or None, initial={"seen": fingerprint(tenant.shown_pause)})
    if request.method == "POST" and form.is_valid():
        try:
            services.keep_paused(tenant=tenant, actor=request.user, **form.cleaned_data)
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
    context = {"tenant": tenant, "form": form, "review_is_due": is_due, "refused": services.why_not_kept(tenant)}
    return form_page(request, "tenants/pause/keep.html", context)
