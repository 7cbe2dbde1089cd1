"""Delete a domain with its addresses: preview in order, then progress."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.http import require_http_methods
from django_htmx.http import HttpResponseClientRedirect

from domains.domain_list.selectors import domains_for
from domains.models.domains import Domain, Stage
from inbound_admin.lib.errors import ChangedMeanwhile, Refused
from inbound_admin.lib.http import SignedIn, requires_password
from inbound_admin.lib.seen import fingerprint
from operations.audit_log.selectors import name_of_deleted
from operations.domain_removal import services

POLL_SECONDS = 3


@require_http_methods(["GET", "POST"])
@requires_password
def domain(request: SignedIn, domain_id: str) -> HttpResponse:
    """Show and start the deletion. Another customer's domain is 404."""
    theirs = domains_for(request.user)
    if not theirs.filter(pk=domain_id).exists() and (name := name_of_deleted(domain_id, viewer=request.user)):
        return _gone(request, name)
    found = get_object_or_404(theirs, pk=domain_id)
    context: dict[str, Any] = {"domain": found, "error": "", "removal": services.removal_of(found)}
    if request.method == "POST" and context["removal"] is None:
        try:
            requested = _request_removal(request, found)
        except ChangedMeanwhile as changed:
            messages.error(request, str(changed))
            return redirect("operations:delete_domain", found.pk)
        except Refused as refused:
            context |= {"error": str(refused), "typed": request.POST.get("name", "")}
        else:
            messages.success(request, f"{found} is {'' if requested.is_gone else 'being '}deleted.")
            return redirect("domains:list") if requested.is_gone else redirect("operations:delete_domain", found.pk)
    if context["removal"] or found.stage == Stage.DELETING:
        context["poll_seconds"] = POLL_SECONDS
        part = "#live" if request.htmx and not request.htmx.boosted else ""
        return TemplateResponse(request, f"operations/domain_removal/removal_progress.html{part}", context)
    context["seen"] = fingerprint(services.shown_values(found))  # read before what it stands for
    context |= {"consequences": services.consequences(found), "leads_here": found.mx_here}
    context["may_delete"] = services.may_delete(found, context["consequences"].recipients, request.user)
    return TemplateResponse(
        request, "operations/domain_removal/delete_domain.html", context, status=422 if context["error"] else 200
    )


def _request_removal(request: SignedIn, found: Domain) -> services.RequestedRemoval:
    return services.request_removal(
        domain=found,
        typed_name=request.POST.get("name", ""),
        actor=request.user,
        despite_mx="despite_mx" in request.POST,
        seen=request.POST.get("seen", ""),
    )


def _gone(request: SignedIn, name: str) -> HttpResponse:
    """Redirect when the domain is gone, from the waiting page or after a second press of the button."""
    messages.success(request, f"{name} was deleted.")
    waits = request.htmx and not request.htmx.boosted
    return HttpResponseClientRedirect(reverse("domains:list")) if waits else redirect("domains:list")
