"""What sending with a domain depends on: the tenant that it belongs to, and whether that may send."""

from django.http import HttpResponse
from django.template.response import TemplateResponse
from django.views.decorators.http import require_GET

from domains.views.records import domain_for
from inbound_admin.lib.http import SignedIn
from tenants.core import tenant_words
from tenants.selectors import sees_tenants, tenant_of
from tenants.selectors.sending import banner_for, identity_in


@require_GET
def sending(request: SignedIn, domain_id: str) -> HttpResponse:
    """Customers read what they have to do; staff also why something is held up, and in which tenant."""
    domain = domain_for(request, domain_id)
    tenant = tenant_of(domain.customer)
    context = {"domain": domain, "tab": "sending", "tenant": tenant, "sees_tenants": sees_tenants(request.user)}
    if tenant:
        context["association"] = identity_in(tenant, domain.name)
        context["sentence"] = tenant_words.for_customer(tenant.stage, tenant.standing)
        context["banner"] = banner_for(tenant) if context["sees_tenants"] else None  # members have it on every page
    return TemplateResponse(request, "domains/sending.html", context)
