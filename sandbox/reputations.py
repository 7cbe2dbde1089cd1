"""What SES does about a tenant: open findings, report rates, suspend and reinstate it."""

from collections.abc import Mapping

from django.db import transaction
from django.db.models import QuerySet

from accounts.people.selectors import Viewer
from inbound_admin.lib.errors import Refused
from sandbox.forms import FindingForm, RatesForm, SuspendForm
from sandbox.panel import control
from tenants import jobs as tenants_jobs
from tenants.lifecycle.selectors import tenants_for
from tenants.models.tenants import Tenant, TenantStage

TenantForm = FindingForm | RatesForm | SuspendForm
FORMS: Mapping[str, type[TenantForm]] = {"finding": FindingForm, "rates": RatesForm, "suspend": SuspendForm}


def tenants_there(viewer: Viewer) -> QuerySet[Tenant]:
    """Return the tenants in SES that the viewer can see."""
    return tenants_for(viewer).filter(stage=TenantStage.READY).order_by("name")


def apply_action(do: str, tenant: Tenant, form: TenantForm | None) -> str:
    """Do it, queue a check as an SES event would, and return a sentence. Raises Refused, SandboxSilent."""
    if isinstance(form, RatesForm):
        result = _set_rates(tenant, form)
    elif isinstance(form, FindingForm):
        result = _set_finding(tenant, form)
    elif isinstance(form, SuspendForm):
        with control() as amazon:
            amazon.suspend_tenant(tenant.name, form.cleaned_data["cause"])
        result = f"{tenant.name} suspended."
    elif do == "release":
        with control() as amazon:
            amazon.release_tenant(tenant.name)
        result = f"Suspension of {tenant.name} lifted."
    else:
        raise Refused("Unknown action.")
    _queue_product_reads(tenant)
    return f"{result} The tenant’s page shows it in a moment."


def _set_rates(tenant: Tenant, form: RatesForm) -> str:
    bounce, complaint = form.cleaned_data["bounce"], form.cleaned_data["complaint"]
    with control() as amazon:
        amazon.set_rates(tenant.name, bounce=_fraction(bounce), complaint=_fraction(complaint))
    rates = [f"{rate:g}% {word}" for rate, word in ((bounce, "bounces"), (complaint, "complaints")) if rate is not None]
    return f"{tenant.name} now has {' and '.join(rates)}."


def _fraction(percent: float | None) -> float | None:
    return None if percent is None else percent / 100


def _set_finding(tenant: Tenant, form: FindingForm) -> str:
    given = form.cleaned_data
    with control() as amazon:
        amazon.set_finding(tenant.name, given["kind"], given["impact"], given["status"])
    now = "open" if given["status"] == "OPEN" else "fixed"
    return f"{given['kind']} finding with {given['impact']} impact is {now} for {tenant.name}."


def _queue_product_reads(tenant: Tenant) -> None:
    """Queue a check, as an event from SES does. An event alone is never trusted."""
    with transaction.atomic():
        tenants_jobs.queue_read(tenant)
        tenants_jobs.queue_recommendations_sync(tenant)
        tenants_jobs.queue_metrics_sync(tenant)
