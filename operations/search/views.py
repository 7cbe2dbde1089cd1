"""The search box: a page, an action, a name, an address, an ID, a token or an ARN leads to its page."""

from django.http import HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.http import require_GET

from accounts.people.selectors import supports_everyone
from inbound_admin.lib.http import SignedIn
from operations.search import selectors
from operations.search.selectors import Hit, HitKind

# Of each kind: its heading, and the page of an object. In the order of the headings.
KINDS = {
    HitKind.PAGE: ("Pages and actions", ""),
    HitKind.DOMAIN: ("Domains", "domains:detail"),
    HitKind.ADDRESS: ("Addresses", "receipt_rules:address"),
    HitKind.ENDPOINT: ("Endpoints", "receipt_rules:endpoint"),
    HitKind.CUSTOMER: ("Customers", "customers:detail"),
    HitKind.PERSON: ("People", "customers:detail"),
    HitKind.INVITATION: ("Invited people", "customers:detail"),
    HitKind.TENANT: ("Tenants", "tenants:detail"),
    HitKind.RULE: ("Receipt rules", "receipt_rules:rule"),
    HitKind.RUN: ("Runs", "receipt_rules:run"),
}


@require_GET
def find(request: SignedIn) -> HttpResponse:
    text = request.GET.get("q", "")
    hits = selectors.search(viewer=request.user, text=text)
    support = supports_everyone(request.user)
    if (one := selectors.single_hit(hits)) is not None:
        return redirect(_page(one, support=support))
    groups = [
        (words, [(hit, _page(hit, support=support)) for hit in hits if hit.kind is kind])
        for kind, (words, _) in KINDS.items()
    ]
    context = {"text": text.strip(), "groups": [group for group in groups if group[1]], "most": selectors.MOST}
    return TemplateResponse(request, "operations/search/find.html", context)


def _page(hit: Hit, *, support: bool) -> str:
    """Return the hit's URL. For a domain, staff get the case page, customers the records."""
    if hit.kind is HitKind.DOMAIN and support:
        return reverse("operations:case", args=[hit.id])
    if hit.kind is HitKind.PAGE:
        return reverse(hit.id)
    return reverse(KINDS[hit.kind][1], args=[hit.id])
