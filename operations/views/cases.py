"""A domain as support needs it with a customer on the telephone: whose, how it stands, what happened, the answer."""

from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.template.response import TemplateResponse
from django.views.decorators.http import require_GET

from changes.selectors import changes_of
from domains.views.records import domain_for
from inbound_admin.lib.http import SignedIn
from receipt_rules.selectors.pages import inbound_of
from tenants.selectors import owners_of, supports_everyone, tenant_of

LAST_CHANGES = 8


@require_GET
def case(request: SignedIn, domain_id: str) -> HttpResponse:
    domain = domain_for(request, domain_id)
    if not supports_everyone(request.user):
        raise PermissionDenied
    context = {
        "domain": domain,
        "owners": owners_of(domain.customer).order_by("email"),
        "tenant": tenant_of(domain.customer),
        "inbound": inbound_of(domain),
        "changes": changes_of("domain", domain.id, of_customers=None)[:LAST_CHANGES],
    }
    return TemplateResponse(request, "operations/case.html", context)
