"""The one box: a name, an address, an id, a token or an ARN leads to its page."""

from django.http import HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.http import require_GET

from inbound_admin.lib.http import SignedIn
from operations.selectors import one_box
from operations.selectors.one_box import Hit, Kind
from tenants.selectors import supports_everyone

PAGES = {
    Kind.DOMAIN: "domains:detail",
    Kind.ADDRESS: "receipt_rules:address",
    Kind.ENDPOINT: "receipt_rules:endpoint",
    Kind.CUSTOMER: "tenants:detail",
    Kind.TENANT: "ses_tenants:detail",
    Kind.RUN: "receipt_rules:run",
}
WORDS = {
    Kind.DOMAIN: "Domains",
    Kind.ADDRESS: "Addresses",
    Kind.ENDPOINT: "Endpoints",
    Kind.CUSTOMER: "Customers",
    Kind.TENANT: "Tenants",
    Kind.RULE: "Receipt rules",
    Kind.RUN: "Runs",
}


@require_GET
def find(request: SignedIn) -> HttpResponse:
    text = request.GET.get("q", "")
    hits = one_box.found(viewer=request.user, text=text)
    support = supports_everyone(request.user)
    if (one := one_box.the_one(hits)) is not None:
        return redirect(_page(one, support=support))
    groups = [(WORDS[kind], [(hit, _page(hit, support=support)) for hit in hits if hit.kind is kind]) for kind in Kind]
    context = {"text": text.strip(), "groups": [group for group in groups if group[1]], "most": one_box.MOST}
    return TemplateResponse(request, "operations/find.html", context)


def _page(hit: Hit, *, support: bool) -> str:
    """Of a domain staff get the case, customers the records."""
    if hit.kind is Kind.DOMAIN and support:
        return reverse("operations:case", args=[hit.id])
    if hit.kind is Kind.RULE:
        return f"{reverse('receipt_rules:rules')}#rule-{hit.id}"
    return reverse(PAGES[hit.kind], args=[hit.id])
