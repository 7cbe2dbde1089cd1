from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from domains.announcements import services
from domains.records.views import domain_for
from inbound_admin.lib.http import SignedIn


@require_POST
def verified_notice(request: SignedIn, domain_id: str) -> HttpResponse:
    """Handle the switch on the records page, for the signed-in person."""
    domain = domain_for(request, domain_id)
    wanted = request.POST.get("tell") == "on"
    services.set_notice(domain=domain, person=request.user, wanted=wanted)
    text = f"We'll email you when {domain} is verified." if wanted else f"We won't email you when {domain} is verified."
    messages.success(request, text)
    return redirect("domains:detail", domain.id)
