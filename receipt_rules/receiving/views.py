"""The guided change between receiving here and send only: the next step, and what it waits for."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.views.decorators.http import require_http_methods

from domains.domain_list.selectors import domains_for
from domains.receiving.core import names_with_mx_here
from inbound_admin.lib.errors import Refused
from inbound_admin.lib.http import SignedIn
from receipt_rules.live.selectors import applied_when
from receipt_rules.receiving import services

CHOICES = {"send_only": False, "receive": True}


@require_http_methods(["GET", "POST"])
def send_only(request: SignedIn, domain_id: str) -> HttpResponse:
    """Another customer's domain is 404, as if it didn't exist."""
    domain, refused = get_object_or_404(domains_for(request.user), pk=domain_id), ""
    if request.method == "POST" and request.POST.get("do") in CHOICES:
        receives = CHOICES[request.POST["do"]]
        try:
            services.choose(domain=domain, receives=receives, actor=request.user)
        except Refused as problem:
            refused = str(problem)
        else:
            outcome = "now receives mail here. Next, add an address" if receives else "is now set to send only"
            messages.success(request, f"{domain} {outcome}. {applied_when(domain.customer)}")
            return redirect("receipt_rules:domain" if receives else "domains:detail", domain.pk)
    names = [domain.receiving_facts(name) for name in domain.mail_names]
    context = {"domain": domain, "tab": "settings", "refused": refused, "to_move": names_with_mx_here(names)}
    status = 422 if refused else 200
    return TemplateResponse(request, "receipt_rules/receiving/send_only.html", context, status=status)
