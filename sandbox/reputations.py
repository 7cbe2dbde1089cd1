"""What Amazon would do about a tenant by itself: find something, measure rates, suspend it, lift that."""

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
    """The viewer's own, or all for staff; those alone that Amazon has."""
    return tenants_for(viewer).filter(stage=TenantStage.READY).order_by("name")


def carry_out(do: str, tenant: Tenant, form: TenantForm | None) -> str:
    """What was done; then the product is let to ask, as an event of Amazon's would. Raises Refused, SandboxSilent."""
    if isinstance(form, RatesForm):
        said = _set_rates(tenant, form)
    elif isinstance(form, FindingForm):
        said = _set_finding(tenant, form)
    elif isinstance(form, SuspendForm):
        with control() as amazon:
            amazon.suspend_tenant(tenant.name, form.cleaned_data["cause"])
        said = f"Amazon has suspended {tenant.name}."
    elif do == "release":
        with control() as amazon:
            amazon.release_tenant(tenant.name)
        said = f"Amazon has lifted its suspension of {tenant.name}."
    else:
        raise Refused("The sandbox does not know that action.")
    _let_product_ask(tenant)
    return f"{said} The product asks Amazon now: the tenant’s page shows it in a moment."


def _set_rates(tenant: Tenant, form: RatesForm) -> str:
    bounce, complaint = form.cleaned_data["bounce"], form.cleaned_data["complaint"]
    with control() as amazon:
        amazon.set_rates(tenant.name, bounce=_fraction(bounce), complaint=_fraction(complaint))
    said = [f"{rate:g}% {word}" for rate, word in ((bounce, "bounces"), (complaint, "complaints")) if rate is not None]
    return f"{tenant.name} now has {' and '.join(said)}."


def _fraction(percent: float | None) -> float | None:
    return None if percent is None else percent / 100


def _set_finding(tenant: Tenant, form: FindingForm) -> str:
    given = form.cleaned_data
    with control() as amazon:
        amazon.set_finding(tenant.name, given["kind"], given["impact"], given["status"])
    now = "open" if given["status"] == "OPEN" else "fixed"
    return f"The finding {given['kind']} of {given['impact']} impact is {now} for {tenant.name}."


def _let_product_ask(tenant: Tenant) -> None:
    """As one of Amazon's events does, which is never believed by itself."""
    with transaction.atomic():
        tenants_jobs.read_soon(tenant)
        tenants_jobs.find_out_soon(tenant)
        tenants_jobs.measure_soon(tenant)
